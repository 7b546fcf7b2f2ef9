/*
 * May this worktree go? Every question is asked so that what cannot be answered is a no. What is asked of git is asked
 * with the settings that could hide a change switched off (fsmonitor, the untracked cache, a lax look at times), and what
 * a setting could still hide (a bit in the index, an ignore rule, another work tree) is looked for by itself.
 */

import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { realOf } from '../machine/files.ts';
import { isPlainDir, namesAt, textAt } from '../machine/foreign.ts';
import { messageOf } from '../model/errors.ts';
import { branchKeys } from './branches.ts';
import { lookForChanges, ownWork } from './changes.ts';
import { git, ON_DISK } from './git.ts';
import { type Ask, MANY, no, type Stays } from './kept.ts';
import { type Owner, ownerOf, saysOf, whoseLock } from './lock.ts';
import { type Elsewhere, whereElse } from './merged.ts';
import { gitDir } from './own.ts';
import { commonOfRepo } from './prepared.ts';
import { logOf, ownRefs } from './refs.ts';
import { isStashedOn } from './stashes.ts';
import { inTheWay, lookAtTree } from './tree.ts';
import { once, type Shared } from './turn.ts';
import { workBeside } from './work.ts';

export interface SafeTree {
  readonly ok: true;
  readonly tip: string;
  /** null = a detached HEAD. */
  readonly branch: string | null;
  readonly because: Elsewhere;
  /** Tips of commits that nothing but the worktree's own log of HEAD leads to. */
  readonly logged: readonly string[];
  /** What git ignores and what is nested in it, and goes with it. */
  readonly withIt: readonly string[];
  readonly bytes: number;
  /** Device and inode of the directory that was looked at. */
  readonly id: string;
}

export type Judged = SafeTree | Stays;

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
  /** Commits that are kept, beside the base's and the remotes'. */
  readonly also?: readonly string[];
  /** What it was given of the main checkout, and has as it was given. */
  readonly placed?: ReadonlySet<string>;
  /** What several worktrees of one repository ask alike. */
  readonly shared?: Shared;
}

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

async function judge(asked: Asked): Promise<Judged> {
  const { dir, registered, project, key, state } = asked;
  const shared = asked.shared ?? new Map();
  const stat = lstatSync(dir);
  if (stat.isSymbolicLink()) return no('symlink', 'it is a symlink, which is not followed');
  if (!stat.isDirectory()) return no('not_a_worktree', 'it is no directory');
  const found = await ownGitDir(dir, registered, project.repo);
  if ('ok' in found) return found;
  const { own, common } = found;
  const odd = await lookAtOwn(dir, own, state === undefined ? null : ownerOf(state));
  if (odd !== null) return odd;

  const ask: Ask = (...args) => git(dir, [...ON_DISK, ...args], { timeout_ms: 120_000, ...MANY });
  const elsewhere = await filesElsewhere(dir, own, common, ask);
  if (elsewhere !== null) return elsewhere;
  const tree = lookAtTree(dir);
  const why = inTheWay(tree, (path) => join(registered, relative(dir, path)));
  if (tree.mounts.length > 0) return no('mount', why);
  const nested = nestedIn(dir, { own: realOf(own), common }, tree.repositories);
  const worktrees = nested.flatMap(({ name, isWorktree }) => (isWorktree ? [name] : []));
  const placed = asked.placed ?? new Set();
  const changes = await lookForChanges(dir, { ask, main: project.repo, worktrees, placed, shared });
  if ('ok' in changes) return changes;
  if (!/^[0-9a-f]{40,64}$/.test(changes.tip)) return no('git_failed', 'it has no commit yet');
  const { tip, branch } = changes;
  if (branch !== null) {
    const keys = await branchKeys(common, shared);
    const noted = keys.get(branch) ?? key;
    if (noted !== key)
      return no('other_ticket', `its branch was made for another ticket of that number (${noted})`);
  }
  if (why !== '') return no('undeletable', why);

  const stashes = await once(shared, 'stashes', () => ask('stash', 'list', '-z', '--format=%gs'));
  if (!stashes.ok) return no('git_failed', stashes.error);
  if (stashes.stdout.split('\0').some((one) => isStashedOn(one, branch)))
    return no('stashed', `git stash list has changes of ${branch ?? 'a detached HEAD'}`);

  const also = asked.also ?? [];
  const where = await whereElse(dir, common, { tip, ...project, also }, shared);
  if (!where.ok) return no(where.because, whyNot(where, project));
  const beside = { cwd: dir, own, base: project, shared };
  const isInner = asked.also !== undefined;
  for (const line of isInner ? [] : await workBeside(beside, { key, common, branch, tip })) {
    const there = await whereElse(dir, common, { tip: line.tip, ...project, also }, shared);
    if (!there.ok) return no(there.because, `on ${line.name}, ${whyNot(there, project)}`);
  }
  // Commits that were made here and left behind (amended, reset): the log of HEAD goes with the worktree.
  const logged = await unreached(await logOf(own, MANY), ask);
  if (logged === null) return no('git_failed', 'its log of HEAD can not be followed');
  const leftOver = await modulesLeft(own, nested);
  if (leftOver !== null) return leftOver;
  const below = await judgeNested(nested, { ...asked, shared, also: [...also, tip] });
  if (!below.ok) return below;
  const id = `${stat.dev}:${stat.ino}`;
  const withIt = [...below.says, ...changes.ignored];
  const all = [...logged, ...below.logged];
  return { ok: true, tip, branch, because: where.because, logged: all, withIt, bytes: tree.bytes, id };
}

/** Repositories inside a worktree: worktrees of the same repository, its submodules, and others. */
interface Nested {
  readonly path: string;
  readonly name: string;
  readonly isWorktree: boolean;
  /** Its git dir, where it is that of a submodule of this worktree. */
  readonly module: string | null;
}

function nestedIn(
  dir: string,
  { own: mine, common }: { readonly own: string; readonly common: string },
  repositories: readonly string[],
): Nested[] {
  return repositories.map((path) => {
    const own = isPlainDir(join(path, '.git')) ? null : gitDir(path);
    const isWorktree = own !== null && realOf(dirname(own)) === join(common, 'worktrees');
    const isModule = own !== null && realOf(own).startsWith(`${mine}/modules/`);
    return { path, name: relative(dir, path), isWorktree, module: isModule ? realOf(own) : null };
  });
}

/** They are judged as the worktree is, and keep it. What is in the worktree's own commits is elsewhere, once those are. */
async function judgeNested(
  nested: readonly Nested[],
  asked: Asked,
): Promise<
  Stays | { readonly ok: true; readonly logged: readonly string[]; readonly says: readonly string[] }
> {
  const logged: string[] = [];
  const says: string[] = [];
  for (const { path, name, isWorktree, module } of nested) {
    // One in a nested one was judged with that.
    if (nested.some((one) => one.isWorktree && path.startsWith(`${one.path}/`))) continue;
    if (!isWorktree) {
      const isModule = module !== null;
      const why = await ownWork(path, { isModule });
      if (why !== null && isModule) return no('submodule', `its submodule ${name}: ${why}`);
      if (why !== null) return no('nested_repository', `${name} is a repository of its own: ${why}`);
      says.push(isModule ? `${name} (a submodule)` : `${name} (a clone without work of its own)`);
      continue;
    }
    const judged = await judge({ ...asked, dir: path, registered: join(asked.registered, name) });
    if (!judged.ok) return no('nested_worktree', `${name} is a worktree inside of it: ${judged.says}`);
    logged.push(...judged.logged);
    says.push(`${name} (a worktree, ${judged.because})`);
  }
  return { ok: true, logged, says };
}

/** Git dirs of submodules that are no longer checked out: what is in them goes with the worktree as well. */
async function modulesLeft(own: string, nested: readonly Nested[]): Promise<Stays | null> {
  for (const dir of modulesBelow(join(realOf(own), 'modules'))) {
    if (nested.some(({ module }) => module === dir)) continue;
    const why = await ownWork(dir, { isModule: true });
    if (why !== null)
      return no('submodule', `its submodule ${basename(dir)}, which is not checked out: ${why}`);
  }
  return null;
}

/** Every git dir of a submodule below a directory; one may hold those of its own submodules. */
function modulesBelow(dir: string): string[] {
  return namesAt(dir).flatMap((name) => {
    const path = join(dir, name);
    if (!isPlainDir(path)) return [];
    return existsSync(join(path, 'HEAD'))
      ? [path, ...modulesBelow(join(path, 'modules'))]
      : modulesBelow(path);
  });
}

/** A setting may point git at other files than these. */
async function filesElsewhere(dir: string, own: string, common: string, ask: Ask): Promise<Judged | null> {
  const set = ['config', 'config.worktree'].map((name) =>
    textAt(join(name === 'config' ? common : own, name)),
  );
  if (!set.some((text) => text !== null && /worktree|include/i.test(text))) return null;
  const top = await ask('rev-parse', '--path-format=absolute', '--show-toplevel');
  if (!top.ok) return no('git_failed', top.error);
  return realpathSync.native(top.stdout) === realpathSync.native(dir)
    ? null
    : no('not_a_worktree', `git looks for its files in ${top.stdout}`);
}

/** Both ends must know each other: the worktree its entry in the repository, and the entry the worktree. */
async function ownGitDir(
  dir: string,
  registered: string,
  repo: string,
): Promise<{ readonly own: string; readonly common: string } | Judged> {
  if (!statSync(repo, { throwIfNoEntry: false })?.isDirectory())
    return no('repo_missing', `its repository ${repo} is not there: has it moved?`);
  const common = await commonOfRepo(repo);
  if (typeof common !== 'string') return no('repo_missing', `${repo}: ${common.error}`);
  const dot = lstatSync(join(dir, '.git'), { throwIfNoEntry: false });
  if (dot === undefined || !dot.isFile()) return no('not_a_worktree', 'it is no git worktree of ours');
  const [, path] = /^gitdir: ([\s\S]+?)\n?$/.exec(textAt(join(dir, '.git')) ?? '') ?? [];
  if (path === undefined) return no('not_a_worktree', 'its .git file says nothing');
  const own = resolve(dir, path);
  if (!existsSync(own))
    return no(
      'repo_moved',
      isPlainDir(join(common, 'worktrees', basename(own)))
        ? `its repository is no longer at ${dirname(dirname(own))}: git -C ${repo} worktree repair ${registered} mends that`
        : `git has forgotten it (git worktree prune, or a repository that was put back), and can't tell what in it is saved: look at it, and remove it yourself`,
    );
  if (realpathSync.native(dirname(own)) !== join(common, 'worktrees'))
    return no('not_a_worktree', `it belongs to another repository than ${repo}`);
  const back = (textAt(join(own, 'gitdir')) ?? '').replace(/\n$/, '');
  if (resolve(own, back) !== join(registered, '.git'))
    return no('not_a_worktree', `git knows it at ${dirname(resolve(own, back))}`);
  return { own, common };
}

async function lookAtOwn(dir: string, own: string, me: Owner | null): Promise<Judged | null> {
  const whose = whoseLock(own, me);
  if (whose.kind === 'other') return no('locked', saysOf(dir, whose));
  if (whose.kind === 'person') return no('locked', 'it is locked (git worktree unlock)');
  const refs = await ownRefs(own);
  if (refs === null) return no('git_failed', 'its own refs can not be listed');
  const half = HALF_DONE.find((name) => refs.includes(name) || existsSync(join(own, name)));
  if (half !== undefined) return no('in_progress', `something is half done in it (${half})`);
  if (refs.some((name) => name.startsWith('refs/')))
    return no('own_refs', 'it has refs of its own (refs/worktree, refs/bisect)');
  return null;
}

/** Tips of the commits of a log (`logOf`) that no ref leads to; null = it can't be told. */
export async function unreached(
  text: string | null | undefined,
  ask: Ask,
): Promise<readonly string[] | null> {
  if (text == null) return text === null ? null : [];
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
