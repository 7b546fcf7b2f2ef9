import { existsSync, lstatSync, mkdirSync, realpathSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { failpoint } from '../machine/failpoint.ts';
import { realOf } from '../machine/files.ts';
import { lookAtName, namesAt, removeFileAt, writeFileAt } from '../machine/foreign.ts';
import { exists } from '../machine/proc.ts';
import { messageOf } from '../model/errors.ts';
import type { Project } from '../model/policy.ts';
import { slug } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import {
  fetchOnce,
  type GitResult,
  git,
  inTurn,
  isSilence,
  isSilent,
  noteSilence,
  type Shared,
} from './git.ts';
import { START } from './head.ts';
import { MARKER as HOOK_DONE } from './hooks.ts';
import { lockFor, lockText, type Owner, ownerOf, saysOf, whoseLock } from './lock.ts';
import {
  addToConfig,
  commonDir,
  gitDir,
  mayHaveBranch,
  moveOddAside,
  oddInRepository,
  ownDir,
  READY,
  registered,
  textOf,
} from './own.ts';
import { given, mendMoved, neverGiven, takeSlot } from './pool.ts';

export type Refusal =
  | 'repo_missing'
  | 'git_missing'
  | 'base_missing'
  | 'worktree_foreign'
  | 'worktree_dirty'
  | 'worktree_symlink'
  | 'worktree_missing'
  | 'worktrees_root_missing'
  | 'git_failed'
  | 'git_silent'
  | 'repo_odd'
  | 'being_made'
  | 'branch_elsewhere'
  | 'other_board';

export type Prepared =
  | {
      readonly ok: true;
      readonly worktree: string;
      readonly branch: string;
      readonly created: boolean;
      readonly warnings: string[];
    }
  | { readonly ok: false; readonly because: Refusal; readonly error: string };

export interface Wanted {
  readonly project: Project;
  readonly ticket: Pick<Ticket, 'id' | 'title' | 'created_at_ms'>;
  /** Where worktrees go unless the project says otherwise: `<state dir>/worktrees/<project>`. */
  readonly root: string;
  /** The state dir that the worktree is locked for; without one it is nobody's. */
  readonly state?: string;
}

type Refused = Extract<Prepared, { ok: false }>;

/** Those in whose repository was looked for what would hold up git. */
const looked = new WeakSet<Shared>();

interface Branch {
  readonly ref: string;
  readonly at_ms: number;
  readonly worktree: string;
  readonly oid: string;
}

const DAY_MS = 86_400_000;
const ADD_MS = 300_000;

/** The worktree and branch of a ticket: the ones it has, with whatever is in them, or new ones from the base.
 *  Nothing that exists is ever wiped, moved or reset, but for a half-made worktree that nobody was ever given.
 *  Never throws. */
export async function prepareWorkspace(wanted: Wanted): Promise<Prepared> {
  const { project, ticket } = wanted;
  // The id becomes a path and a ref.
  if (!/^[A-Za-z]+-[0-9]+$/.test(ticket.id))
    return no('git_failed', `${JSON.stringify(ticket.id)} is no ticket id`);
  try {
    if (!statSync(project.repo, { throwIfNoEntry: false })?.isDirectory()) {
      return no('repo_missing', `${project.repo} is not a directory: mend project.${project.name}.repo`);
    }
    const repo = realpathSync(project.repo);
    return await inTurn(repo, async (shared, next) => {
      if (isSilent(repo))
        return no(
          'git_silent',
          `git did not answer in ${repo} a moment ago: look at what it waits for there`,
        );
      const odd: string[] = [];
      const prepared = await prepare(wanted, shared, next, odd);
      if (prepared.ok) prepared.warnings.push(...odd.map((one) => `${one} would hold up git: moved aside`));
      if (prepared.ok || !isSilence(prepared.error)) return prepared;
      noteSilence(repo);
      return no('git_silent', prepared.error);
    });
  } catch (error) {
    return no('git_failed', messageOf(error));
  }
}

async function prepare(
  { project, ticket, root, state }: Wanted,
  shared: Shared,
  next: () => void,
  odd: string[],
): Promise<Prepared> {
  const common = commonDir(project.repo) ?? (await askedFor(project.repo));
  if (typeof common !== 'string') return common;
  failpoint('prepare-repo-found');
  // Those that wait for each other here need it but once.
  if (!looked.has(shared)) odd.push(...moveOddAside(common));
  looked.add(shared);
  const inTheWay = oddInRepository(common);
  if (inTheWay !== null) return no('repo_odd', inTheWay);

  if (project.worktrees !== null && lstatSync(project.worktrees, { throwIfNoEntry: false }) === undefined) {
    return no(
      'worktrees_root_missing',
      `${project.worktrees} does not exist: mount its disk, make it, or mend project.${project.name}.worktrees`,
    );
  }
  const real = project.worktrees === null ? realRoot(root, 2) : realRoot(project.worktrees, 1);
  if (typeof real !== 'string') return real;
  const target = join(real, ticket.id);
  const there = lstatSync(target, { throwIfNoEntry: false });
  if (there?.isSymbolicLink()) return no('worktree_symlink', `${target} is a symlink: remove it`);
  if (there !== undefined && !there.isDirectory())
    return no('worktree_foreign', `${target} is not a directory`);
  // Also where nothing is to be seen of it yet, and where its checkout is through and git's own hook runs.
  if (beingMade(common, ticket.id))
    return no('being_made', `git worktree add is still making ${target}: try again later`);
  const me = state === undefined ? null : ownerOf(state);
  const whose = whoseLock(there === undefined ? null : gitDir(target), me);
  if (whose.kind === 'other') return no('other_board', saysOf(target, whose));
  // It has come along with its state dir: git looks for it at the old place.
  if (whose.kind === 'moved') await git(common, ['worktree', 'repair', '--', target]);
  await mendMoved(common, target);
  if (there !== undefined && namesAt(target, 1).length > 0) {
    if (!halfMade(common, target)) return reuse(target, common, { project, ticket }, me);
    const gone = await git(common, ['worktree', 'remove', '--force', '--force', '--', target], ADD_MS);
    if (!gone.ok) return failing(project.repo, gone);
  }
  return create(project, ticket, common, target, shared, next, me);
}

/** The git dir of a repository of another shape: bare, or named by a directory inside of it. */
export async function askedFor(repo: string): Promise<string | Refused> {
  const found = await git(repo, ['rev-parse', '--path-format=absolute', '--git-common-dir']);
  if (found.missing) return no('git_missing', found.error);
  return found.ok ? realpathSync(found.stdout) : no('repo_missing', `${repo}: ${found.error}`);
}

/** Git could not do it: because of the repository, or of what it was asked for. */
async function failing(repo: string, { error }: GitResult): Promise<Refused> {
  if (isSilence(error)) return no('git_silent', error);
  const found = await askedFor(repo);
  return typeof found === 'string' ? no('git_failed', `${repo}: ${error}`) : found;
}

/** Makes the root and returns its real path, unless one of its last `own` parts, which are ours, is a symlink.
 *  What lies above is the user's choice (a state dir on another disk). */
export function realRoot(root: string, own: number): string | Refused {
  const parts: string[] = [];
  let top = resolve(root);
  for (let i = 0; i < own; i++) {
    // Looked at before mkdir, which would go through the link.
    if (lstatSync(top, { throwIfNoEntry: false })?.isSymbolicLink()) return leads(top);
    parts.unshift(basename(top));
    top = dirname(top);
  }
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const real = realpathSync(root);
  return real === join(realpathSync(top), ...parts) ? real : leads(root);
}

function leads(path: string): Refused {
  return no(
    'worktree_symlink',
    `${path} is a symlink: worktrees go only where the configuration says, name the real path`,
  );
}

/** Whether `git worktree add` was killed before its checkout ended, so that the tree was never given to anybody.
 *  Git writes the index last: where there is one, the checkout ended or somebody has worked here. */
function halfMade(common: string, target: string): boolean {
  const own = ownDir(common, target);
  if (own === null) return false;
  if (neverGiven(own)) return true;
  if (lockText(own) !== 'initializing') return false;
  return ![READY, HOOK_DONE, 'index'].some((name) => existsSync(join(own, name)));
}

/** From here on it may be somebody's work, and is this state dir's. */
function markReady(common: string, target: string, ticket: string, me: Owner | null): void {
  const own = ownDir(common, target);
  if (own === null) return;
  writeFileAt(join(own, READY), '');
  if (me !== null) lockFor(own, me, ticket);
}

/** Notes which commit the work begins at: the fork from the base, also where an earlier attempt's branch is taken up.
 *  `fresh`: the commit of a branch that was made just now. */
async function markStart(
  common: string,
  target: string,
  { base, fresh }: { readonly base: string | undefined; readonly fresh: string | undefined },
): Promise<void> {
  const own = ownDir(common, target);
  if (own === null || existsSync(join(own, START))) return;
  const args = base === undefined ? ['rev-parse', 'HEAD'] : ['merge-base', 'HEAD', base];
  const found = fresh === undefined ? await git(target, args) : { ok: true, stdout: fresh };
  if (found.ok) writeFileAt(join(own, START), `${found.stdout}\n`);
}

function noteOf(common: string, id: string): string {
  return join(common, `mc-pickup-adding-${id}`);
}

/** `git worktree add` outlives us when we are killed, and clears its target away when it then fails: the note tells
 *  the next of us. An old note says nothing, its number may be another's by now. */
export function beingMade(common: string, id: string): boolean {
  const note = noteOf(common, id);
  const group = Number(textOf(note));
  const age_ms = Date.now() - (lookAtName(note)?.mtimeMs ?? 0);
  if (!Number.isInteger(group) || group <= 1 || age_ms < 0 || age_ms > 2 * ADD_MS) return false;
  return exists(-group);
}

/** `git worktree add`, noted by this id while it runs (`beingMade`). */
export async function addWorktree(common: string, id: string, args: readonly string[]): Promise<GitResult> {
  const note = noteOf(common, id);
  failpoint('prepare-worktree-before');
  try {
    const started = (pid: number): void => writeFileAt(note, `${pid}`);
    return await git(common, ['worktree', 'add', ...args], ADD_MS, started, { hooks: true });
  } finally {
    removeFileAt(note);
    failpoint('prepare-worktree-added');
  }
}

/** A ticket's number alone says little: another board, or this one after a restore, gives it out again. */
function keyOf({ id, created_at_ms }: Wanted['ticket']): string {
  return `${id}@${created_at_ms}`;
}

/** Which ticket each of our branches was made for, as noted in the repository's own configuration. */
async function branchKeys(common: string): Promise<ReadonlyMap<string, string>> {
  const listed = await git(common, [
    'config',
    '--local',
    '-z',
    '--get-regexp',
    '^branch\\..*\\.mcpickupticket$',
  ]);
  const lines = listed.stdout.split('\0').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [name = '', key = ''] = line.split('\n');
      return [name.slice('branch.'.length, -'.mcpickupticket'.length), key];
    }),
  );
}

/** Git itself does it where the file can't be added to as it is. null = done, else why not. */
async function noteKey(common: string, branch: string, key: string): Promise<string | null> {
  const plain = /^[\w/-]+$/.test(branch) && /^[\w@-]+$/.test(key);
  if (plain && addToConfig(common, `[branch "${branch}"]\n\tmcPickupTicket = ${key}\n`)) return null;
  const done = await git(common, ['config', '--local', `branch.${branch}.mcPickupTicket`, key]);
  return done.ok ? null : done.error;
}

async function reuse(
  target: string,
  common: string,
  { project, ticket }: Pick<Wanted, 'project' | 'ticket'>,
  me: Owner | null,
): Promise<Prepared> {
  const { id } = ticket;
  const args = [
    '--path-format=absolute',
    '--show-toplevel',
    '--git-common-dir',
    '--symbolic-full-name',
    'HEAD',
  ];
  const seen = await git(target, ['rev-parse', ...args]);
  if (!seen.ok) {
    if (isSilence(seen.error)) return no('git_silent', seen.error);
    // What is wrong with the repository itself is no word on this worktree.
    const repo = await askedFor(project.repo);
    if (typeof repo !== 'string') return repo;
  }
  const [top = '', dir = '', head = ''] = seen.stdout.split('\n');
  if (!seen.ok || realOf(top) !== realOf(target) || realOf(dir) !== common) {
    return no('worktree_foreign', `${target} exists and is not a worktree of this repository: move it away`);
  }
  const key = (await branchKeys(common)).get(head.slice('refs/heads/'.length)) ?? keyOf(ticket);
  if (key !== keyOf(ticket)) {
    return no(
      'worktree_foreign',
      `${target} was made for another ticket of that number (${key}): move it away, or run git worktree unlock and git worktree remove on it`,
    );
  }
  if (isBranchOf(head, id)) {
    markReady(common, target, id, me);
    return {
      ok: true,
      worktree: target,
      branch: head.slice('refs/heads/'.length),
      created: false,
      warnings: [],
    };
  }
  const on = head === 'HEAD' ? 'a detached HEAD' : head.replace('refs/heads/', 'branch ');
  const status = await git(target, ['status', '--porcelain', '-z']);
  const text = `${target} is on ${on}, not on mc/${id}`;
  return status.ok && status.stdout === ''
    ? no(
        'worktree_foreign',
        `${text}: switch it back, or run git worktree unlock and git worktree remove on it`,
      )
    : no('worktree_dirty', `${text}, and has unsaved changes: commit them and switch it back`);
}

async function create(
  project: Project,
  ticket: Wanted['ticket'],
  common: string,
  target: string,
  shared: Shared,
  next: () => void,
  me: Owner | null,
): Promise<Prepared> {
  const { remote, base } = project;
  const warnings: string[] = [];
  if (project.fetch) {
    const warning = await fetchOnce(common, remote, base, project.fetch_timeout_seconds);
    if (warning !== null) warnings.push(warning);
  }
  const mine = `refs/heads/mc/${ticket.id}`;
  const bases = [`refs/remotes/${remote}/${base}`, `refs/heads/${base}`];
  const format = '--format=%(refname)%00%(committerdate:unix)%00%(objectname)%00%(worktreepath)';
  const look = (...more: string[]) => git(common, ['for-each-ref', format, '--', ...bases, ...more]);
  const refs = mayHaveBranch(common, ticket.id)
    ? await look(mine, `${mine}-*`)
    : await once(shared, `${project.fetch} ${bases.join(' ')}`, look);
  if (!refs.ok) return failing(project.repo, refs);
  const branches = refs.stdout.split('\n').map(branchOf);
  const named = branches.some((one) => isBranchOf(one.ref, ticket.id));
  const keys = named ? await branchKeys(common) : new Map<string, string>();
  const ours = ({ ref }: Branch): boolean => (keys.get(ref.slice(11)) ?? keyOf(ticket)) === keyOf(ticket);

  // The title may have changed since the last attempt: the id alone finds its branch, the newest if there are more.
  const kept = branches
    .filter((one) => isBranchOf(one.ref, ticket.id) && ours(one))
    .sort((a, b) => Number(b.worktree === target) - Number(a.worktree === target) || b.at_ms - a.at_ms)[0];
  if (kept !== undefined && kept.worktree !== '' && kept.worktree !== target) {
    const whose = whoseLock(ownDir(common, kept.worktree), me);
    if (whose.kind === 'other') return no('other_board', saysOf(kept.worktree, whose));
    const gone = existsSync(kept.worktree)
      ? ''
      : ', which is missing: if it is gone for good, run git worktree unlock and git worktree prune';
    return no('branch_elsewhere', `${kept.ref.slice(11)} is checked out in ${kept.worktree}${gone}`);
  }
  // Registered, yet missing on disk or empty: only this one registration goes, not that of a disk that is away.
  const known = registered(common).map(({ path }) => path);
  if (known.includes(target)) {
    const half = halfMade(common, target);
    const whose = whoseLock(ownDir(common, target), me);
    if (whose.kind === 'other') return no('other_board', saysOf(target, whose));
    const root = dirname(target);
    const others = known.some((path) => path.startsWith(`${root}/`) && path !== target);
    const empty = namesAt(root).every((name) => name === basename(target));
    if (empty && (others || (project.worktrees !== null && !half))) {
      return no(
        'worktree_missing',
        `${target} is registered, and ${root} is empty: mount its disk, or if it is gone for good, run in ${project.repo}: git worktree unlock ${target} && git worktree prune`,
      );
    }
    if (existsSync(target)) rmdirSync(target);
    const ours = whose.kind === 'mine' || whose.kind === 'moved';
    const force = half || ours ? ['--force', '--force'] : [];
    const gone = await git(common, ['worktree', 'remove', ...force, '--', target]);
    if (!gone.ok) return no('git_failed', gone.error);
  }
  const from = bases.map((ref) => branches.find((one) => one.ref === ref)).find((one) => one !== undefined);
  if (kept === undefined && from === undefined) {
    return no(
      'base_missing',
      `neither ${remote}/${base} nor ${base} exists: mend project.${project.name}.base`,
    );
  }
  const name = slug(ticket.title);
  const fresh = `mc/${ticket.id}${name === '' ? '' : `-${name}`}`;
  const taken = branches.some(({ ref }) => ref === `refs/heads/${fresh}`);
  const branch = kept?.ref.slice(11) ?? (taken ? `${fresh}-${ticket.created_at_ms.toString(36)}` : fresh);
  const pooled =
    kept === undefined &&
    from !== undefined &&
    (await takeSlot({ project, common, target, base: from.ref, branch }));
  const added = pooled
    ? { ok: true, error: '' }
    : kept !== undefined || from === undefined
      ? await addWorktree(common, ticket.id, ['--', target, branch])
      : await addWorktree(common, ticket.id, ['--no-track', '-b', branch, '--', target, from.oid]);
  if (!added.ok) return no('git_failed', added.error);
  const unnoted = keys.get(branch) === keyOf(ticket) ? null : await noteKey(common, branch, keyOf(ticket));
  // What follows is of this worktree alone.
  if (!pooled) next();
  markReady(common, target, ticket.id, me);
  if (pooled) given(common, target);
  await markStart(common, target, {
    base: from?.ref,
    fresh: kept === undefined && !pooled ? from?.oid : undefined,
  });
  if (unnoted !== null) warnings.push(`whose branch ${branch} is could not be noted: ${unnoted}`);
  const old = kept === undefined && from !== undefined ? Math.floor((Date.now() - from.at_ms) / DAY_MS) : 0;
  if (from !== undefined && old > project.base_max_age_days) {
    warnings.push(`${from.ref} is ${old} days old: the base may be out of date`);
  }
  return { ok: true, worktree: target, branch, created: true, warnings };
}

/** What was asked before a fetch is no answer after it: the key tells them apart. A failure is not kept. */
async function once(shared: Shared, key: string, ask: () => Promise<GitResult>): Promise<GitResult> {
  const known = shared.get(key) ?? (await ask());
  if (known.ok) shared.set(key, known);
  return known;
}

function branchOf(line: string): Branch {
  const [ref = '', at = '', oid = '', worktree = ''] = line.split('\0');
  return { ref, at_ms: Number(at) * 1000, worktree, oid };
}

/** `id` holds letters, digits and one dash only, so it needs no escaping. */
function isBranchOf(ref: string, id: string): boolean {
  return new RegExp(`^refs/heads/mc/${id}(-[^/]*)?$`).test(ref);
}

function no(because: Refusal, error: string): Refused {
  return { ok: false, because, error };
}
