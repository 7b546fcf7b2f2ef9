import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Board } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import { type Context, ticketOrFail, withReader } from '../context.ts';
import { findProgram } from '../machine/programs.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { many, oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { ago } from '../model/times.ts';
import { type Cell, columnsOf, paint, table } from '../report/table.ts';
import type { BranchDiff, Change } from '../workspace/diff.ts';

const MOST_RUNS = 20;
const MOST_SHOWN = 20;

/** What the agent's branch has changed against the base that it started from, and, apart from that, what its worktree holds
 *  beside. Nothing that the repository has configured is run for it. */
export async function diff(
  context: Context,
  id: string,
  o: { readonly stat?: boolean } = {},
): Promise<ExitCode> {
  const { ticket, where } = await withReader(context, async (board) => {
    const found = await ticketOrFail(board, id, context);
    return { ticket: found, where: await placeOf(board, found) };
  });
  const { policy } = loadPolicy(context.places.config, context.env);
  const project = policy.projects.get(ticket.project) ?? null;
  if (where === null)
    throw new UserError(EXIT.unavailable, `${ticket.id} never had a branch: no agent has worked on it`);
  const { branchDiff } = await import('../workspace/diff.ts');
  const looked = await branchDiff({ project, ...where });
  if (!looked.ok)
    throw new UserError(
      EXIT.unavailable,
      `${ticket.id}: ${looked.error}${looked.because === 'no_repo' ? ` (look at project.${ticket.project}.repo in ${context.places.config})` : ''}`,
    );
  const { base, branch, commits, files, uncommitted, merged, worktree } = looked.diff;
  if (context.json) {
    context.out.json({ ticket: ticket.id, base, branch, worktree, merged, commits, files, uncommitted });
    return EXIT.ok;
  }
  summary(context, ticket, looked.diff);
  if (o.stat === true) return EXIT.ok;
  if (files.length > 0) await show(context, looked.diff, 'committed');
  if (uncommitted.some(({ status }) => status !== '?')) await show(context, looked.diff, 'uncommitted');
  return EXIT.ok;
}

/** The newest run that got as far as a branch or a worktree. */
async function placeOf(
  board: Board,
  { id }: Ticket,
): Promise<{ readonly branch: string | null; readonly worktree: string | null } | null> {
  const runs = await board.runtimesOf({ ticket: id, limit: MOST_RUNS });
  const run = runs.find(({ branch, worktree }) => branch !== null || worktree !== null);
  return run === undefined ? null : { branch: run.branch, worktree: run.worktree };
}

function summary({ out, env }: Context, { id, title }: Ticket, found: BranchDiff): void {
  const { base, branch, commits, files, uncommitted, merged, worktree } = found;
  const columns = columnsOf(env);
  const line = (cells: Cell[], grows: number): void => {
    const shape = cells.map((_, n) => (n === grows ? { grows: true } : {}));
    for (const one of table([cells], shape, { columns, color: out.color })) out.painted(one);
  };
  line([{ text: id, tone: 'head' }, { text: title }], 1);
  line([{ text: `${branch} against ${base.name} (${base.sha.slice(0, 12)})${merged ? ', merged' : ''}` }], 0);
  if (worktree === null) line([{ text: 'its worktree is gone: only what was committed is shown' }], 0);
  const now_ms = Date.now();
  const rows = commits
    .slice(0, MOST_SHOWN)
    .map(({ sha, author, at_ms, subject }): Cell[] => [
      { text: sha.slice(0, 9), tone: 'dim' },
      { text: ago(at_ms, now_ms) },
      { text: author, tone: 'dim' },
      { text: subject },
    ]);
  const shape = [{}, { right: true }, { max: 16 }, { grows: true }];
  section(`${many(commits.length, 'commit')}`);
  for (const one of table(rows, shape, { columns, color: out.color, indent: '  ' })) out.painted(one);
  if (commits.length > MOST_SHOWN) out.line(`  and ${commits.length - MOST_SHOWN} earlier`);
  changesOf(many(files.length, 'file'), files);
  if (uncommitted.length > 0) changesOf(`${many(uncommitted.length, 'file')} not committed`, uncommitted);

  function section(text: string): void {
    out.painted(paint(text, 'head', out.color));
  }
  function changesOf(head: string, all: readonly Change[]): void {
    section(head);
    const cells = all.map((one): Cell[] => [
      { text: one.status === '?' ? 'new' : one.status },
      { text: one.path },
      { text: one.added === null ? '' : `+${one.added}` },
      { text: one.removed === null ? (one.status === '?' ? '' : 'binary') : `-${one.removed}` },
    ]);
    const cols = [{}, { grows: true, cut: 'start' as const }, { right: true }, { right: true }];
    for (const one of table(cells, cols, { columns, color: out.color, indent: '  ' })) out.painted(one);
  }
}

function personal(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('GIT_')));
}

/** git prints it itself: through its pager and in its colours on a terminal, byte for byte elsewhere, so that it can be
 *  applied. Which pager is the user's word, never the repository's. */
async function show(
  { env, out }: Context,
  { cwd, base, tip, quiet }: BranchDiff,
  what: 'committed' | 'uncommitted',
): Promise<void> {
  if (out.quiet) return;
  const { PLAIN_DIFF } = await import('../workspace/diff.ts');
  const { gitEnvironment, git } = await import('../workspace/git.ts');
  out.line(what === 'committed' ? '' : '\nNot committed:');
  const terminal = process.stdout.isTTY;
  const own = terminal ? await git(cwd, ['config', '--global', '--get', 'core.pager']) : null;
  const pager = env.GIT_PAGER || (own?.ok === true ? own.stdout : '') || env.PAGER || 'less';
  const color = `--color=${out.color ? 'always' : 'never'}`;
  const range = what === 'committed' ? [base.sha, tip] : ['HEAD'];
  const args = [...quiet, 'diff', color, ...PLAIN_DIFF, ...range, '--'];
  // A pager shows what a terminal would act on as characters. Where there is none, this program does.
  const paged = terminal && pager !== 'cat' && findProgram(pager.split(' ')[0] ?? '', env.PATH) !== null;
  const child = spawn('git', args, {
    cwd,
    // The pager is the person's own, and gets what the person has; nothing else is started.
    env: { ...personal(env), ...gitEnvironment(), GIT_PAGER: paged ? pager : 'cat', LESS: env.LESS || 'FRX' },
    stdio: ['ignore', terminal && !paged ? 'pipe' : 'inherit', 'inherit'],
  });
  if (child.stdout !== null)
    for await (const line of createInterface({ input: child.stdout })) out.painted(line);
  const end = await new Promise<{ readonly code: number | null; readonly signal: string | null }>(
    (done, fail) => {
      child.once('error', fail);
      if (child.exitCode !== null || child.signalCode !== null)
        done({ code: child.exitCode, signal: child.signalCode });
      child.once('exit', (code, signal) => done({ code, signal }));
    },
  );
  // Whoever has seen enough closes the pipe.
  if (end.code !== 0 && end.signal !== 'SIGPIPE' && end.code !== 141)
    throw new UserError(EXIT.unavailable, `git diff failed (${oneLine(String(end.code ?? end.signal), 40)})`);
}
