import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { ensurePipes } from '../act/launch/pipes.ts';
import { type ClientTrust, clientsTrust } from '../agents/trusting.ts';
import { boardIn, forgetBoard, knownBoard, withBoard } from '../board/open.ts';
import { loadPolicy } from '../config/load.ts';
import { replaceConfiguration } from '../config/replace.ts';
import { NAME } from '../config/schema.ts';
import { tomlKey, tomlString } from '../config/toml.ts';
import { brokenLine, type Context } from '../context.ts';
import { realOf } from '../machine/files.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';
import { ensureTools } from '../runs/tools.ts';

/** Makes the state dir, the board and a configuration; never changes a file that is there but to add a project. */
export async function init(
  context: Context,
  o: {
    readonly project?: boolean;
    readonly name?: string;
    readonly trust?: boolean;
    /** The address of a server that has the board. */
    readonly missionControl?: string;
    readonly tokenFile?: string;
  },
): Promise<ExitCode> {
  const { places, out } = context;
  if (o.name !== undefined && o.project !== true)
    throw new UserError(EXIT.usage, '--name goes with --project: it names the repository you stand in');
  if (o.trust === true && o.project !== true)
    throw new UserError(EXIT.usage, '--trust goes with --project: it is about the repository you stand in');
  if (o.tokenFile !== undefined && o.missionControl === undefined)
    throw new UserError(
      EXIT.usage,
      '--token-file goes with --mission-control: it is the token for that server',
    );
  if (o.missionControl !== undefined) await useServer(context, o.missionControl, o.tokenFile ?? null);
  await withBoard(context, async () => undefined);
  const { name: board } = await knownBoard(context);
  ensureTools(places, context.node, context.bin);
  const made: string[] = [`ready: ${board}`];
  if (!existsSync(places.config)) {
    await writeDefault(places.config);
    made.push(`ready: ${places.config}`);
  }
  const { policy } = loadPolicy(places.config, context.env);
  if (policy.broken.length > 0)
    throw new UserError(
      EXIT.config,
      `the board ${board} is ready, but the configuration can't be used${o.project ? ', and no project was added' : ''}: ${brokenLine(policy)}`,
    );
  await ensurePipes(places, policy.limits.max_launches_per_tick);
  const project = o.project === true ? addProject(context, policy, o.name ?? null) : null;
  if (project !== null) made.push(project.said);
  const trusts = project !== null && o.trust === true ? clientsTrust(policy, project.repo, context.env) : [];
  for (const one of trusts) made.push(...said(one, project?.repo ?? ''));
  if (context.json)
    out.json({
      state_dir: places.state,
      config: places.config,
      board,
      ...(project === null ? {} : { project: project.name }),
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
  if (wrong !== null) throw new UserError(EXIT.config, `--mission-control: ${wrong.says}`);
  const wanted = await boardIn({ missing: false, error: null, text: table }, context);
  const there = await knownBoard(context);
  const elsewhere = there.meet !== null;
  if (elsewhere && there.name !== wanted.name)
    throw new UserError(EXIT.config, `the board of ${places.config} is ${there.name}: change it there`);
  if (elsewhere) return;
  await wanted.meet?.();
  if (existsSync(places.config)) append(context, table);
  else await writeDefault(places.config, `\n${table}`);
  forgetBoard(context);
}

/** Never over a file that is there. */
async function writeDefault(file: string, more = ''): Promise<void> {
  const { defaultConfiguration } = await import('../config/default.ts');
  const { schemaAddress } = await import('../config/editors.ts');
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const handle = openSync(file, 'wx', 0o600);
  try {
    writeFileSync(handle, `${defaultConfiguration(schemaAddress())}${more}`, { flush: true });
  } catch (error) {
    // Half of it would be taken for the person's own by the next call.
    rmSync(file, { force: true });
    throw error instanceof Error ? Object.assign(error, { path: file }) : error;
  } finally {
    closeSync(handle);
  }
}

/** Said before anything is written. */
function said({ kind, file, state }: ClientTrust, repo: string): string[] {
  if (state === 'trusted') return [`${kind} trusts ${repo} already (${file})`];
  if (state !== 'untrusted') return [];
  return [`writing into ${file} that ${kind} may trust ${repo}: that covers its worktrees as well`];
}

/** Adds the repository you stand in. One that is there already stays as it is, under whatever name; a name that
 *  another repository has is never taken for this one. */
function addProject(
  context: Context,
  policy: Policy,
  wanted: string | null,
): { readonly name: string; readonly repo: string; readonly said: string } {
  const { config } = context.places;
  const { repo, base, directory } = here();
  const known = [...policy.projects.values()].filter((one) => realOf(one.repo) === realOf(repo));
  const there = wanted === null ? known[0] : known.find(({ name }) => name === wanted);
  if (there !== undefined)
    return { name: there.name, repo, said: `project ${there.name} is in ${config} already (${repo})` };
  const taken = policy.projects.get(wanted ?? directory);
  if (wanted !== null && taken !== undefined)
    throw new UserError(
      EXIT.usage,
      `the name ${wanted} is taken by ${taken.repo} in ${config}, nothing was added: choose another --name`,
    );
  if (wanted !== null && !NAME.test(wanted))
    throw new UserError(
      EXIT.usage,
      '--name must be a name of at most 64 letters, digits, "_", "." and "-", nothing was added',
    );
  const name = wanted ?? freeName(directory, policy);
  append(context, `[project.${tomlKey(name)}]\nrepo = ${tomlString(repo)}\nbase = ${tomlString(base)}\n`);
  const why =
    taken === undefined
      ? ''
      : `; ${directory} is ${taken.repo} (--name chooses another name, edit ${config} to rename)`;
  return { name, repo, said: `ready: project ${name} (${repo})${why}` };
}

function freeName(directory: string, { projects }: Policy): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? directory : `${directory}-${n}`;
    if (!projects.has(name)) return name;
  }
}

/** Appends a table; a configuration that it would break stays as it is. */
function append({ places, env }: Context, table: string): void {
  const before = readFileSync(places.config, 'utf8');
  const text = `${before}${before.endsWith('\n') ? '\n' : '\n\n'}${table}`;
  const { policy } = loadPolicy(places.config, env, { missing: false, error: null, text });
  if (policy.broken.length === 0) {
    replaceConfiguration(places.config, text);
    return;
  }
  throw new UserError(
    EXIT.config,
    `this does not fit into ${places.config}, which is as it was (${brokenLine(policy)}): add it by hand, for example\n${table}`,
  );
}

function here(): { repo: string; base: string; directory: string } {
  const git = (...args: string[]): string | null => {
    const done = spawnSync('git', args, { encoding: 'utf8', timeout: 10_000 });
    if (done.error)
      throw new UserError(
        EXIT.unavailable,
        'git is not installed or not on PATH: install it, for example with apt-get install git (Debian, Ubuntu), dnf install git (Fedora) or brew install git (macOS)',
      );
    return done.status === 0 ? done.stdout.trim() : null;
  };
  const common = git('rev-parse', '--path-format=absolute', '--git-common-dir');
  if (common === null)
    throw new UserError(EXIT.usage, '--project: this directory is not in a git repository');
  const repo = basename(common) === '.git' ? dirname(common) : common;
  const head = git('symbolic-ref', '--short', 'refs/remotes/origin/HEAD')?.replace(/^origin\//, '');
  const base = head ?? git('symbolic-ref', '--short', 'HEAD') ?? 'main';
  const directory =
    basename(repo)
      .replace(/\.git$/, '')
      .replace(/[^A-Za-z0-9_-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 56) || 'project';
  return { repo, base, directory };
}
