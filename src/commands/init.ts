import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ensurePipes } from '../act/launch/pipes.ts';
import { type ClientTrust, clientsTrust } from '../agents/trusting.ts';
import { boardIn, forgetBoard, knownBoard, withBoard } from '../board/open.ts';
import { addProject, appendTable, writeDefault } from '../config/add.ts';
import { loadPolicy } from '../config/load.ts';
import { tomlString } from '../config/toml.ts';
import type { Context } from '../context.ts';
import { noteUmask } from '../machine/files.ts';
import { configError, EXIT, type ExitCode, usageError } from '../model/errors.ts';
import { brokenLine } from '../model/policy.ts';
import { ensureTools } from '../runs/tools.ts';
import { repositoryHere } from '../workspace/standing.ts';

/** Makes the state dir, the board and a configuration; never changes a file that is there but to add a project. */
export async function init(
  context: Context,
  o: {
    readonly project?: boolean;
    readonly name?: string;
    /** The folder of the repository that is the project, as seen from where one stands. */
    readonly path?: string;
    readonly trust?: boolean;
    /** The address of a server that has the board. */
    readonly missionControl?: string;
    readonly tokenFile?: string;
  },
): Promise<ExitCode> {
  const { places, out } = context;
  if (o.name !== undefined && o.project !== true)
    throw usageError('--name goes with --project: it names the repository you stand in');
  if (o.path !== undefined && o.project !== true)
    throw usageError('--path goes with --project: it is a folder of the repository you stand in');
  if (o.trust === true && o.project !== true)
    throw usageError('--trust goes with --project: it is about the repository you stand in');
  if (o.tokenFile !== undefined && o.missionControl === undefined)
    throw usageError('--token-file goes with --mission-control: it is the token for that server');
  if (o.missionControl !== undefined) await useServer(context, o.missionControl, o.tokenFile ?? null);
  await withBoard(context, async () => undefined);
  noteUmask(places);
  const { name: board } = await knownBoard(context);
  ensureTools(places, context.node, context.bin);
  const made: string[] = [`ready: ${board}`];
  if (!existsSync(places.config)) {
    await writeDefault(places.config);
    made.push(`ready: ${places.config}`);
  }
  const { policy } = loadPolicy(places.config, context.env);
  if (policy.broken.length > 0)
    throw configError(
      `the board ${board} is ready, but the configuration can't be used${o.project ? ', and no project was added' : ''}: ${brokenLine(policy)}`,
    );
  await ensurePipes(places, policy.limits.max_launches_per_tick);
  const at = { config: places.config, env: context.env };
  const repository = o.project === true ? repositoryHere(o.path ?? null) : null;
  const project = repository === null ? null : addProject(at, policy, repository, o.name ?? null);
  if (project !== null) made.push(project.said);
  if (repository?.within)
    made.push(
      `agents start at its top; mc-pickup init --project --path . makes ${repository.within}, where you stand, a project of its own`,
    );
  const repo = repository?.repo ?? '';
  const trusts = o.trust === true ? clientsTrust(policy, repo, context.env) : [];
  for (const one of trusts) made.push(...said(one, repo));
  if (context.json)
    out.json({
      state_dir: places.state,
      config: places.config,
      board,
      ...(project === null ? {} : { project: project.name, path: repository?.path ?? null }),
      ...(o.trust === true
        ? { trust: trusts.map(({ kind, file, state }) => ({ kind, file, was: state })) }
        : {}),
    });
  else for (const one of made) out.line(one);
  const failed = trusts.flatMap((one) => (one.state === 'trusted' ? [] : (one.write() ?? [])));
  for (const why of failed) out.warn(`not trusted: ${why}`);
  return failed.length > 0 ? EXIT.config : EXIT.ok;
}

/** Names the server in the configuration, once it has answered: before that nothing is written. */
async function useServer(context: Context, url: string, tokenFile: string | null): Promise<void> {
  const { places, env } = context;
  const token = tokenFile === null ? '' : `token_file = ${tomlString(resolve(tokenFile))}\n`;
  const table = `[board]\nkind = "mission-control"\nurl = ${tomlString(url)}\n${token}`;
  const { boardComplaint } = await import('../config/board.ts');
  const wrong = boardComplaint(places.config, table, env);
  if (wrong !== null) throw configError(`--mission-control: ${wrong.says}`);
  const wanted = await boardIn({ missing: false, error: null, text: table }, context);
  const there = await knownBoard(context);
  const elsewhere = there.meet !== null;
  if (elsewhere && there.name !== wanted.name)
    throw configError(`the board of ${places.config} is ${there.name}: change it there`);
  if (elsewhere) return;
  await wanted.meet?.();
  if (existsSync(places.config)) appendTable({ config: places.config, env }, table);
  else await writeDefault(places.config, `\n${table}`);
  forgetBoard(context);
}

/** Said before anything is written. */
function said({ kind, file, state }: ClientTrust, repo: string): string[] {
  if (state === 'trusted') return [`${kind} trusts ${repo} already (${file})`];
  if (state !== 'untrusted') return [];
  return [`writing into ${file} that ${kind} may trust ${repo}: that covers its worktrees as well`];
}
