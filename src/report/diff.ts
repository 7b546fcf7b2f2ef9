import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { findProgram } from '../machine/programs.ts';
import { unavailableError } from '../model/errors.ts';
import { many, oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { ago } from '../model/times.ts';
import { type BranchDiff, droppedWords } from '../workspace/diff.ts';
import type { Change, Commit } from '../workspace/patch.ts';
import { stashWords } from '../workspace/stashes.ts';
import type { SubmoduleDiff } from '../workspace/submodule-diff.ts';
import { lineWords } from '../workspace/work.ts';
import type { Out } from './out.ts';
import { type Cell, columnsOf, paint, table } from './table.ts';

const MOST_SHOWN = 20;

interface Where {
  readonly env: NodeJS.ProcessEnv;
  readonly out: Out;
}

/** What a branch has changed, in short: its commits, its files, and what is not committed. */
export function printSummary({ out, env }: Where, { id, title }: Ticket, found: BranchDiff): void {
  const { base, branch, commits, files, uncommitted, merged, worktree, elsewhere } = found;
  const on = branch === 'HEAD' ? 'a detached HEAD' : branch;
  const columns = columnsOf(env);
  const line = (cells: Cell[], grows: number): void => {
    const shape = cells.map((_, n) => (n === grows ? { grows: true } : {}));
    for (const one of table([cells], shape, { columns, color: out.color })) out.painted(one);
  };
  line([{ text: id, tone: 'head' }, { text: title }], 1);
  line([{ text: `${on} against ${base.name} (${base.sha.slice(0, 12)})${merged ? ', merged' : ''}` }], 0);
  if (worktree === null) line([{ text: 'its worktree is gone: only what was committed is shown' }], 0);
  const rewritten = droppedWords(found);
  if (rewritten !== '') line([{ text: rewritten, tone: 'ask' }], 0);
  for (const one of elsewhere) line([{ text: `not in this: ${lineWords(one)}`, tone: 'ask' }], 0);
  for (const one of found.stashed) line([{ text: `not in this: ${stashWords(one)}`, tone: 'ask' }], 0);
  const now_ms = Date.now();
  commitsOf(many(commits.length, 'commit'), commits);
  changesOf(many(files.length, 'file'), files);
  for (const one of found.submodules)
    if (one.commits.length > 0)
      commitsOf(
        `${many(one.commits.length, 'commit')} in ${one.path}${one.on_remote ? '' : ', which its remote has not'}`,
        one.commits,
      );
  if (uncommitted.length > 0) changesOf(`${many(uncommitted.length, 'file')} not committed`, uncommitted);

  function commitsOf(head: string, all: readonly Commit[]): void {
    section(head);
    const rows = all
      .slice(0, MOST_SHOWN)
      .map(({ sha, author, at_ms, subject }): Cell[] => [
        { text: sha.slice(0, 9), tone: 'dim' },
        { text: ago(at_ms, now_ms) },
        { text: author, tone: 'dim' },
        { text: subject },
      ]);
    const shape = [{}, { right: true }, { max: 16 }, { grows: true }];
    for (const one of table(rows, shape, { columns, color: out.color, indent: '  ' })) out.painted(one);
    if (all.length > MOST_SHOWN) out.line(`  and ${all.length - MOST_SHOWN} earlier`);
  }
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

/** The same of a submodule, by the paths that its files have in the whole. */
export async function printSubmodule(
  where: Where,
  { path, inside, from, to, dirty, quiet }: SubmoduleDiff,
): Promise<void> {
  const paths = [`--src-prefix=a/${path}/`, `--dst-prefix=b/${path}/`];
  const show = (words: string, ...args: string[]) =>
    print(where, {
      cwd: inside,
      quiet,
      head: `\n${words} ${oneLine(path, 200)}:`,
      args: [...paths, ...args],
    });
  if (from !== null && to !== null) await show('In', from, to);
  if (dirty) await show('Not committed in', 'HEAD');
}

/** git prints it itself: through its pager and in its colours on a terminal, byte for byte elsewhere, so that it can be
 *  applied. Which pager is the user's word, never the repository's. */
export function printDiff(
  where: Where,
  { cwd, base, tip, head, quiet }: BranchDiff,
  what: 'committed' | 'uncommitted',
): Promise<void> {
  return what === 'committed'
    ? print(where, { cwd, quiet, head: '', args: [base.sha, tip] })
    : print(where, { cwd, quiet, head: '\nNot committed:', args: [head] });
}

async function print(
  { env, out }: Where,
  o: {
    readonly cwd: string;
    readonly quiet: readonly string[];
    readonly head: string;
    readonly args: readonly string[];
  },
): Promise<void> {
  if (out.quiet) return;
  const { cwd, quiet } = o;
  const { PLAIN_DIFF } = await import('../workspace/patch.ts');
  const { gitEnvironment, git, inGitDir } = await import('../workspace/git.ts');
  out.line(o.head);
  const terminal = process.stdout.isTTY;
  const own = terminal ? await git(cwd, ['config', '--global', '--get', 'core.pager']) : null;
  const pager = env.GIT_PAGER || (own?.ok === true ? own.stdout : '') || env.PAGER || 'less';
  const color = `--color=${out.color ? 'always' : 'never'}`;
  const args = [...quiet, ...inGitDir(cwd), 'diff', color, ...PLAIN_DIFF, ...o.args, '--'];
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
    throw unavailableError(`git diff failed (${oneLine(String(end.code ?? end.signal), 40)})`);
}

function personal(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('GIT_')));
}
