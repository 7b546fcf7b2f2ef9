/*
 * May this worktree go? Every question is asked so that what cannot be answered is a no. What is asked of git is asked
 * with the settings that could hide a change switched off (fsmonitor, the untracked cache, a lax look at times), and what
 * a setting could still hide (a bit in the index, an ignore rule, another work tree) is looked for by itself.
 */

import { existsSync, lstatSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { namesAt, textAt } from '../machine/foreign.ts';
import { messageOf } from '../model/errors.ts';
import { askCommonDir, git, ON_DISK } from './git.ts';
import { type Owner, ownerOf, saysOf, whoseLock } from './lock.ts';
import { type Elsewhere, whereElse } from './merged.ts';
import { lookAtTree } from './tree.ts';
import { workBeside } from './work.ts';

export type Kept =
  | 'symlink'
  | 'not_a_worktree'
  | 'repo_missing'
  | 'repo_moved'
  | 'other_ticket'
  | 'locked'
  | 'in_progress'
  | 'own_refs'
  | 'submodule'
  | 'unsaved'
  | 'hidden_changes'
  | 'ignored_files'
  | 'nested_repository'
  | 'mount'
  | 'stashed'
  | 'unmerged'
  | 'shallow'
  | 'base_missing'
  | 'git_failed'
  | 'unreadable';

export interface SafeTree {
  readonly ok: true;
  readonly tip: string;
  /** null = a detached HEAD. */
  readonly branch: string | null;
  readonly because: Elsewhere;
  /** Tips of commits that nothing but the worktree's own log of HEAD leads to. */
  readonly logged: readonly string[];
  readonly bytes: number;
  /** Device and inode of the directory that was looked at. */
  readonly id: string;
}

export type Judged = SafeTree | { readonly ok: false; readonly because: Kept; readonly says: string };

export interface Asked {
  /** Where the files are. */
  readonly dir: string;
  /** Where the worktree is registered: the same, unless it was set aside. */
  readonly registered: string;
  readonly project: { readonly repo: string; readonly base: string; readonly remote: string };
  /** `<ticket>@<created_at_ms>`, as noted of the branch that was made for it. */
  readonly key: string;
  /** The state dir that asks: a worktree that is locked for it is not locked to it. */
  readonly state?: string;
}

/** Directories that are made anew by the tools that made them: what is ignored outside of these may be precious. */
const REPRODUCIBLE: ReadonlySet<string> = new Set([
  ...['node_modules', 'target', 'dist', '.venv', '__pycache__', '.cache', 'build', '.next', '.turbo'],
]);

const MANY = { most: 256 * 1024 * 1024 };
/** Files in a worktree's own git dir that tell of something half done. */
const HALF_DONE = [
  ...['MERGE_HEAD', 'CHERRY_PICK_HEAD', 'REVERT_HEAD', 'REBASE_HEAD', 'BISECT_LOG'],
  ...['index.lock', 'HEAD.lock', 'rebase-merge', 'rebase-apply', 'sequencer'],
];

/** Judges one worktree. Never throws; reads only. */
export async function judgeWorktree(asked: Asked): Promise<Judged> {
  try {
    return await judge(asked);
  } catch (error) {
    return no('unreadable', messageOf(error));
  }
}

async function judge({ dir, registered, project, key, state }: Asked): Promise<Judged> {
  const stat = lstatSync(dir);
  if (stat.isSymbolicLink()) return no('symlink', 'it is a symlink, which is not followed');
  if (!stat.isDirectory()) return no('not_a_worktree', 'it is no directory');
  const found = await ownGitDir(dir, registered, project.repo);
  if ('ok' in found) return found;
  const { own, common } = found;
  const odd = lookAtOwn(dir, own, state === undefined ? null : ownerOf(state));
  if (odd !== null) return odd;

  const ask = (...args: string[]) => git(dir, [...ON_DISK, ...args], { timeout_ms: 120_000, ...MANY });
  const top = await ask('rev-parse', '--path-format=absolute', '--show-toplevel');
  if (!top.ok) return no('git_failed', top.error);
  // A setting may point git at other files than these.
  if (realpathSync(top.stdout) !== realpathSync(dir))
    return no('not_a_worktree', `git looks for its files in ${top.stdout}`);
  const head = await ask('rev-parse', '--verify', '--quiet', 'HEAD^{commit}');
  if (!head.ok) return no('git_failed', 'it has no commit yet');
  const tip = head.stdout;
  const name = await ask('symbolic-ref', '--quiet', 'HEAD');
  const branch = name.ok ? name.stdout.replace(/^refs\/heads\//, '') : null;
  if (branch !== null) {
    const noted = await ask('config', '--local', '--get', `branch.${branch}.mcPickupTicket`);
    if (noted.ok && noted.stdout !== key)
      return no('other_ticket', `its branch was made for another ticket of that number (${noted.stdout})`);
  }

  const changed = await lookForChanges(dir, ask);
  if (changed !== null) return changed;
  const tree = lookAtTree(dir);
  const [nested] = tree.repositories;
  if (nested !== undefined)
    return no('nested_repository', `${relative(dir, nested)} is a repository of its own`);
  const [mount] = tree.mounts;
  if (mount !== undefined)
    return no('mount', `${relative(dir, mount)} is another file system, mounted there`);

  const stashes = await ask('stash', 'list', '-z', '--format=%gs');
  if (!stashes.ok) return no('git_failed', stashes.error);
  const on = new RegExp(`^(WIP on|On) ${(branch ?? '(no branch)').replace(/[^\w/-]/g, '\\$&')}: `);
  if (stashes.stdout.split('\0').some((one) => on.test(one)))
    return no('stashed', `git stash list has changes of ${branch ?? 'a detached HEAD'}`);

  const where = await whereElse(dir, common, { tip, ...project });
  if (!where.ok) return no(where.because, whyNot(where, project));
  for (const line of await workBeside({ cwd: dir, own, base: project }, { key, common, branch, tip })) {
    const there = await whereElse(dir, common, { tip: line.tip, ...project });
    if (!there.ok) return no(there.because, `on ${line.name}, ${whyNot(there, project)}`);
  }
  // Commits that were made here and left behind (amended, reset): the log of HEAD goes with the worktree.
  const logged = await unreached(join(own, 'logs', 'HEAD'), ask);
  if (logged === null) return no('git_failed', 'its log of HEAD can not be followed');
  const id = `${stat.dev}:${stat.ino}`;
  return { ok: true, tip, branch, because: where.because, logged, bytes: tree.bytes, id };
}

/** Both ends must know each other: the worktree its entry in the repository, and the entry the worktree. */
async function ownGitDir(
  dir: string,
  registered: string,
  repo: string,
): Promise<{ readonly own: string; readonly common: string } | Judged> {
  if (!statSync(repo, { throwIfNoEntry: false })?.isDirectory())
    return no('repo_missing', `its repository ${repo} is not there: has it moved?`);
  const at = await askCommonDir(repo);
  if (!at.ok) return no('repo_missing', `${repo}: ${at.error}`);
  const common = realpathSync(at.stdout);
  const dot = lstatSync(join(dir, '.git'), { throwIfNoEntry: false });
  if (dot === undefined || !dot.isFile()) return no('not_a_worktree', 'it is no git worktree of ours');
  const [, path] = /^gitdir: ([\s\S]+?)\n?$/.exec(textAt(join(dir, '.git')) ?? '') ?? [];
  if (path === undefined) return no('not_a_worktree', 'its .git file says nothing');
  const own = resolve(dir, path);
  if (!existsSync(own))
    return no(
      'repo_moved',
      `its repository is no longer at ${dirname(dirname(own))}: git worktree repair mends that`,
    );
  if (realpathSync(dirname(own)) !== join(common, 'worktrees'))
    return no('not_a_worktree', `it belongs to another repository than ${repo}`);
  const back = (textAt(join(own, 'gitdir')) ?? '').replace(/\n$/, '');
  if (resolve(own, back) !== join(registered, '.git'))
    return no('not_a_worktree', `git knows it at ${dirname(resolve(own, back))}`);
  return { own, common };
}

function lookAtOwn(dir: string, own: string, me: Owner | null): Judged | null {
  const whose = whoseLock(own, me);
  if (whose.kind === 'other') return no('locked', saysOf(dir, whose));
  if (whose.kind === 'person') return no('locked', 'it is locked (git worktree unlock)');
  const half = HALF_DONE.find((name) => existsSync(join(own, name)));
  if (half !== undefined) return no('in_progress', `something is half done in it (${half})`);
  if (filesBelow(join(own, 'refs')).length > 0)
    return no('own_refs', 'it has refs of its own (refs/worktree, refs/bisect)');
  if (existsSync(join(own, 'modules'))) return no('submodule', 'it has submodules checked out');
  return null;
}

type Ask = (...args: string[]) => ReturnType<typeof git>;

async function lookForChanges(dir: string, ask: Ask): Promise<Judged | null> {
  // A filter decides what of a file is a change, and is a program that the repository names: asked before anything runs it.
  const filtered = await ask('ls-files', '-z', '--', '.', ':(exclude,attr:!filter)');
  if (!filtered.ok) return no('git_failed', filtered.error);
  if (filtered.stdout !== '') {
    const paths = filtered.stdout.split('\0').filter((one) => one !== '');
    return no('hidden_changes', `content filters stand between git and ${few(paths)}: a change may not show`);
  }
  const status = await ask(
    ...['status', '--porcelain=v2', '-z', '--untracked-files=all', '--ignored=matching'],
    ...['--ignore-submodules=none', '--no-renames'],
  );
  if (!status.ok) return no('git_failed', status.error);
  const entries = status.stdout.split('\0').filter((one) => one !== '');
  const unsaved = entries.filter((one) => !one.startsWith('!'));
  if (unsaved.length > 0) {
    const what = unsaved.some((one) => one.startsWith('?')) ? 'changed or untracked' : 'changed';
    const files =
      unsaved.length === 1 ? `a ${what} file that is` : `${unsaved.length} ${what} files that are`;
    return no('unsaved', `${files} not committed`);
  }
  const precious = entries
    .map((one) => one.slice(2))
    .filter((path) => !path.split('/').some((part) => REPRODUCIBLE.has(part)));
  if (precious.length > 0) return no('ignored_files', `ignored by git, and perhaps wanted: ${few(precious)}`);
  const files = await ask('ls-files', '-v', '-s', '-z');
  if (!files.ok) return no('git_failed', files.error);
  for (const line of files.stdout.split('\0')) {
    const [, tag = '', mode = '', path = ''] = /^(\S) (\d+) \S+ \d\t([\s\S]*)$/.exec(line) ?? [];
    if (tag === '') continue;
    const there = lstatSync(join(dir, path), { throwIfNoEntry: false });
    // A submodule that was never checked out is an empty directory.
    if (mode === '160000' && there?.isDirectory() && namesAt(join(dir, path), 1).length > 0)
      return no('submodule', `${path} is a submodule that is checked out`);
    // Told to be taken for unchanged (lower case), or not to be looked at (S): a change in it is not shown.
    if (there !== undefined && mode !== '160000' && /^[a-zS]$/.test(tag))
      return no('hidden_changes', `${path} is marked as unchanged: git does not look at it`);
  }
  return null;
}

/** Tips of the commits of a log that no ref leads to; null = it can't be told. */
export async function unreached(log: string, ask: Ask): Promise<readonly string[] | null> {
  if (!existsSync(log)) return [];
  const text = textAt(log, { most: MANY.most, encoding: 'latin1' });
  if (text === null) return null;
  const shas = new Set(text.match(/^[0-9a-f]{40,64}|(?<=^[0-9a-f]{40,64} )[0-9a-f]{40,64}/gm) ?? []);
  const all = [...shas].filter((sha) => /[^0]/.test(sha));
  const parents = new Set<string>();
  const found = new Set<string>();
  for (let n = 0; n < all.length; n += 1000) {
    const args = ['--parents', '--ignore-missing', ...all.slice(n, n + 1000), '--not', '--all', 'HEAD'];
    const some = await ask('rev-list', ...args);
    if (!some.ok) return null;
    for (const line of some.stdout.split('\n')) {
      const [sha = '', ...above] = line.split(' ');
      if (sha !== '') found.add(sha);
      for (const one of above) parents.add(one);
    }
  }
  return [...found].filter((sha) => !parents.has(sha));
}

function filesBelow(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((one) => !one.isDirectory())
    .map(({ name }) => name);
}

function whyNot(
  { because, commits }: { readonly because: string; readonly commits: number },
  { base, remote }: Asked['project'],
): string {
  if (because === 'base_missing') return `neither ${remote}/${base} nor ${base} exists to compare with`;
  if (because === 'unmerged')
    return `${commits} ${commits === 1 ? 'commit is' : 'commits are'} neither in ${base} nor on a remote`;
  if (because === 'shallow')
    return `the clone is shallow, and cut off between it and ${base}: git fetch --unshallow ${remote} tells more`;
  return 'git can not tell whether its commits are elsewhere';
}

function few(names: readonly string[]): string {
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  return `${names.slice(0, 3).join(', ')}${more}`;
}

function no(because: Kept, says: string): Judged {
  return { ok: false, because, says };
}
