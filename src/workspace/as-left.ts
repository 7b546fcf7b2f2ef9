import { join } from 'node:path';
import { isPlainDir, isPlainFile } from '../machine/foreign.ts';
import type { AsLeft, Operation } from '../model/prompt.ts';
import { git, ON_DISK } from './git.ts';
import { commonOf, ownGitDir } from './own.ts';
import { quietOptions } from './patch.ts';
import type { Ready } from './prepared.ts';
import { inTables, ownRefs } from './refs.ts';
import { stashesOf, stashWords } from './stashes.ts';
import { type Asked, lineWords, workOf } from './work.ts';

/** In a worktree's own git dir while git is at something; the first that is there is the outermost. */
const IN_PROGRESS: readonly (readonly [Operation, name: string])[] = [
  ['rebase', 'rebase-merge'],
  ['am', 'rebase-apply/applying'],
  ['rebase', 'rebase-apply'],
  ['cherry-pick', 'CHERRY_PICK_HEAD'],
  ['revert', 'REVERT_HEAD'],
  ['merge', 'MERGE_HEAD'],
  ['bisect', 'BISECT_LOG'],
];
const MOST_LINES = 60;
const MOST_CHARS = 4000;
const PLAIN_STATUS = [
  ...['-c', 'color.status=false', '-c', 'column.status=never', '-c', 'status.submoduleSummary=false'],
  ...['-c', 'status.displayCommentPrefix=false', '-c', 'status.showStash=false', '-c', 'core.quotePath=true'],
];

/** What an agent is to know of the worktree that it begins in; null = nothing: it is new, or on its branch, clean and in the middle of
 *  nothing. Reads only, and starts nothing that the repository names. */
export async function asLeft(
  { worktree, branch, created, tells = [] }: Pick<Ready, 'worktree' | 'branch' | 'created' | 'tells'>,
  base: Asked['base'],
  placed: ReadonlySet<string> = new Set(),
): Promise<AsLeft | null> {
  const own = created ? null : ownGitDir(worktree);
  const operation = own === null ? null : await operationIn(own);
  const on = own === null ? null : await git(worktree, ['symbolic-ref', '--quiet', 'HEAD']);
  const onBranch = on === null || (on.ok && on.stdout === `refs/heads/${branch}`);
  const looks =
    own === null
      ? []
      : [
          await besides(worktree, { own, branch, base }),
          await stashed(worktree, own, branch),
          await statusOf(worktree, operation, placed),
        ];
  const says = [...tells, ...looks].filter((one) => one !== '').join('\n\n');
  if (operation === null && onBranch && says === '') return null;
  return { isNew: created, operation, onBranch, says };
}

/** What git is in the middle of there. */
export async function operationIn(own: string): Promise<Operation | null> {
  // Some of them are refs.
  const refs = inTables(own) ? ((await ownRefs(own)) ?? []) : [];
  const there = (name: string): boolean =>
    refs.includes(name) || isPlainFile(join(own, name)) || isPlainDir(join(own, name));
  return IN_PROGRESS.find(([, name]) => there(name))?.[0] ?? null;
}

/** Where there are commits that the ticket's branch lacks. */
async function besides(cwd: string, asked: Omit<Asked, 'cwd'>): Promise<string> {
  const work = await workOf({ cwd, ...asked });
  if (work === null) return '';
  const lines = [work, ...work.elsewhere].filter(({ name, commits }) => name !== asked.branch && commits > 0);
  return lines.length === 0 ? '' : `Not on ${asked.branch}: ${lines.map(lineWords).join(', ')}`;
}

/** What an earlier attempt has put aside: `git status` does not tell of it. */
async function stashed(cwd: string, own: string, branch: string): Promise<string> {
  const all = await stashesOf({ cwd, common: commonOf(own), own }, [branch]);
  return all.length === 0 ? '' : `Stashed, and on no branch: ${all.map(stashWords).join(', ')}`;
}

/** What `git status` says, cut short; '' = there is nothing to tell: all is committed, on a branch. */
async function statusOf(
  worktree: string,
  operation: Operation | null,
  placed: ReadonlySet<string>,
): Promise<string> {
  try {
    const args = ['--untracked-files=normal', '--ignore-submodules=dirty'];
    const quiet = [...(await quietOptions(worktree)), ...ON_DISK, ...PLAIN_STATUS];
    const but = [...placed].map((path) => `:(top,exclude,literal)${path}`);
    const where = but.length === 0 ? [] : ['--', ':(top)', ...but];
    const said = await git(worktree, [...quiet, 'status', '--long', ...args, ...where], {
      timeout_ms: 20_000,
    });
    if (!said.ok) return said.error;
    const lines = said.stdout.split('\n');
    if (
      operation === null &&
      /^On branch /.test(lines[0] ?? '') &&
      lines.at(-1) === 'nothing to commit, working tree clean'
    )
      return '';
    const shown = lines.slice(0, MOST_LINES).join('\n').slice(0, MOST_CHARS);
    return shown.length < said.stdout.length ? `${shown}\n… (git status says more)` : shown;
  } catch {
    return ''; // nothing can be asked here without a program of the repository's
  }
}
