import { lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { namesAt } from '../machine/foreign.ts';
import { inTime, lookAtProcesses, type Processes } from '../machine/processes.ts';
import { type Acted, type Found, NOTHING, together } from '../model/clean.ts';
import { messageOf } from '../model/errors.ts';
import type { Project } from '../model/policy.ts';
import { TICKET_ID, type Ticket } from '../model/ticket.ts';
import {
  decide,
  erase,
  forget,
  keepByRef,
  onTheWay,
  putBack,
  setAside,
  stampOf,
} from '../workspace/aside.ts';
import { hasCommits } from '../workspace/head.ts';
import { few } from '../workspace/kept.ts';
import { forgetPlaced, placedIn } from '../workspace/placed.ts';
import { linkAmong, rootOf } from '../workspace/root.ts';
import { judgeWorktree, type SafeTree } from '../workspace/safe.ts';
import { inTheWay, lookAtTree, openTree } from '../workspace/tree.ts';
import type { Shared } from '../workspace/turn.ts';
import { type Here, step } from './here.ts';
import { isSettled, kept, proposed, stays, word } from './item.ts';
import { spareSlots } from './slots.ts';
import { tearDown } from './tear-down.ts';
import { userOf } from './use.ts';

/** Worktrees of tickets that are settled, or merged while they wait for a review. */
export async function worktrees(here: Here): Promise<Found> {
  const found: Found[] = [];
  // One look at all processes for all proposals: it costs more than the rest, and whatever is removed is looked at anew.
  const looked = inTime(here.places.state);
  const asked = new Map<string, Shared>();
  for (const { project, ...at } of rootsOf(here)) {
    const stat = statOf(at.root);
    const link = stat === undefined ? null : linkAmong(at);
    if (link !== null)
      found.push(leave(at.root, null, 'symlink', `${link} is a symlink, which is not followed`));
    if (link !== null || stat?.isDirectory() !== true) continue;
    const real = realpathSync(at.root);
    for (const name of namesAt(real)
      .filter((one) => TICKET_ID.test(one))
      .sort(byNumber))
      found.push(await one(join(real, name), project, here, { looked, shared: sharedOf(project, asked) }));
    for (const left of onTheWay(real)) found.push(cutOff(left, project));
    if (project !== null) found.push(await spareSlots(real, project, looked, here.places.state));
  }
  return together(found);
}

/** What is asked of a repository but once, while proposals are looked for. */
function sharedOf(project: Project | null, asked: Map<string, Shared>): Shared {
  const key = project === null ? '' : `${project.repo}\0${project.remote}\0${project.base}`;
  const known = asked.get(key) ?? new Map();
  asked.set(key, known);
  return known;
}

interface Root {
  readonly root: string;
  /** null = the configuration knows no such project any more. */
  readonly project: Project | null;
  /** So many last parts of its path are ours, and no symlinks. */
  readonly own: number;
}

function rootsOf({ places, policy }: Here): Root[] {
  const known = [...policy.projects.values()].map((project) => ({
    ...rootOf(project, join(places.worktrees, project.name)),
    project,
  }));
  const names = statOf(places.worktrees)?.isDirectory() === true ? namesAt(places.worktrees) : [];
  const others = names
    .filter((name) => !policy.projects.has(name))
    .map((name) => ({ root: join(places.worktrees, name), project: null, own: 2 }))
    .filter(({ root }) => statOf(root)?.isDirectory() === true);
  return [...known, ...others];
}

async function one(
  target: string,
  project: Project | null,
  here: Here,
  { looked, shared }: Looks,
): Promise<Found> {
  const id = basename(target);
  const ticket = await here.board.ticket(id);
  if (ticket === null) return leave(target, id, 'no_ticket', 'the board knows no ticket of that number');
  if (!isSettled(ticket.status) && ticket.status !== 'in_review') return NOTHING;
  if (project === null)
    return leave(
      target,
      id,
      'project_unknown',
      `${basename(dirname(target))} is no project of the configuration any more`,
    );
  const seen = await look(target, target, ticket, project, here, { looked, shared });
  if (!seen.ok) return isSettled(ticket.status) ? leave(target, id, seen.because, seen.says) : NOTHING;
  const says = `${saysOf(ticket, seen, project)}${unseenWords(looked())}`;
  const { because, bytes } = seen;
  return proposed(
    { group: 'worktrees', kind: 'worktree', name: target, ticket: id, because, says, bytes },
    `git worktree add, from refs/mc-pickup/cleaned/${id}/ in ${project.repo}`,
    () => remove(target, id, project, here),
    project.before_remove === null ? null : () => tearDown({ worktree: target, ticket: id }, project, here),
  );
}

/** So many names of what goes with a worktree are said. */
const NAMED = 8;

function saysOf(
  { status }: Ticket,
  { because, branch, logged, withIt }: SafeTree,
  { base }: Project,
): string {
  const where = {
    merged: `merged into ${base}`,
    squashed: `its changes are in ${base}`,
    pushed: 'pushed to a remote',
  }[because];
  const more = logged.length === 0 ? '' : `, ${logged.length} left behind in its log are kept too`;
  const goes =
    withIt.length === 0 ? '' : `; with it ${withIt.length === 1 ? 'goes' : 'go'} ${few(withIt, NAMED)}`;
  return `${status}, clean, ${where}${branch === null ? ', a detached HEAD' : ''}${more}${goes}`;
}

/** What no look can tell: other users' processes. They have no business in a directory that is this user's alone. */
function unseenWords({ hidden }: Processes): string {
  const what = hidden === 1 ? 'a process of another user' : `${hidden} processes of other users`;
  return hidden === 0 ? '' : `; ${what} can't be looked into`;
}

type Seen = SafeTree | { readonly ok: false; readonly because: string; readonly says: string };

/** How it is looked at the processes, and what is known of the repository: neither is ever old where something goes. */
interface Looks {
  readonly looked: () => Processes;
  readonly shared: Shared;
}

/** All that must hold, looked at now, and at the processes as `looked` does. `dir`: where the files are. */
async function look(
  target: string,
  dir: string,
  ticket: Ticket,
  project: Project,
  here: Here,
  { looked, shared }: Looks = { looked: () => lookAtProcesses(here.places.state), shared: new Map() },
): Promise<Seen> {
  const used = await userOf(ticket.id, target, dir, here, looked);
  if (used !== null) return { ok: false, ...used };
  const key = `${ticket.id}@${ticket.created_at_ms}`;
  const judged = await judgeWorktree({
    ...{ dir, registered: target, project, key },
    ...{ state: here.places.state, shared, placed: placedIn(here.places.placed, target, dir) },
  });
  if (!judged.ok || isSettled(ticket.status)) return judged;
  // A branch without a commit of its own is in the base too.
  const done = judged.because !== 'pushed' && (await hasCommits(dir, null)) === true;
  return done ? judged : { ok: false, because: 'ticket_open', says: `its ticket is in ${ticket.status}` };
}

async function remove(target: string, id: string, project: Project, here: Here): Promise<Acted> {
  const ticket = await here.board.ticket(id);
  if (ticket === null || !(isSettled(ticket.status) || ticket.status === 'in_review'))
    return stays('ticket_open', `its ticket is in ${ticket?.status ?? 'no status'} now`);
  const seen = await look(target, target, ticket, project, here);
  if (!seen.ok) return stays(seen.because, seen.says);
  // What can't be deleted whole is not begun with. What can't be looked into is opened, so that all is seen when it is judged once more.
  const why = inTheWay(openTree(target, 'blind'));
  if (why !== '') return stays('undeletable', why);
  const stamp = stampOf(Date.now());
  step('worktree-judged');
  const kept = await keepByRef(project.repo, id, stamp, [seen.tip, ...seen.logged]);
  if (!kept.ok) return { result: 'failed', error: kept.error };
  step('worktree-kept');
  const aside = setAside(target, id, stamp);
  step('worktree-aside');
  // Whoever came in since is seen here; nobody can come in by the name any more.
  const again = await look(target, aside, ticket, project, here).catch((error: unknown) => ({
    ...({ ok: false, because: 'unreadable', says: messageOf(error) } as const),
  }));
  // What its log alone led to has a ref by now: more of that is new.
  const same = again.ok && again.tip === seen.tip && again.id === seen.id && again.logged.length === 0;
  if (!same) {
    const says = again.ok ? 'it was changed at the same moment' : again.says;
    if (putBack(aside, target)) return stays(again.ok ? 'changed' : again.because, says);
    return {
      result: 'failed',
      error: `${says}, and something else is at ${target} now: it is kept as ${aside}`,
    };
  }
  const decided = decide(aside);
  step('worktree-decided');
  const error = await forget(project.repo, target);
  if (error === null) forgetPlaced(here.places.placed, target);
  step('worktree-forgotten');
  if (error !== null) return { result: 'failed', error };
  const restore = `git -C ${word(project.repo)} worktree add ${word(target)} ${kept.ref}`;
  return { result: 'done', restore, later: () => erase(decided) };
}

/** A clean that was killed half-way: undecided, it is put back and judged anew the next time; decided, it goes on. */
function cutOff(
  { path, target, ticket, decided }: ReturnType<typeof onTheWay>[number],
  project: Project | null,
): Found {
  const says = decided
    ? 'a clean was cut off while it deleted this'
    : `a clean was cut off: it goes back to ${target}`;
  const because = decided ? 'decided' : 'undecided';
  const why = decided ? inTheWay(lookAtTree(path)) : '';
  if (why !== '') return leave(path, ticket, 'undeletable', why);
  return proposed(
    { group: 'worktrees', kind: 'cut_off', name: path, ticket, because, says },
    decided ? 'its ref is there already' : 'nothing is removed',
    async () => {
      if (!decided)
        return putBack(path, target)
          ? { result: 'done', restore: null }
          : { result: 'failed', error: `something else is at ${target} now: look at ${path} yourself` };
      const error = project === null ? null : await forget(project.repo, target);
      if (error !== null) return { result: 'failed', error };
      return { result: 'done', restore: null, later: () => erase(path) };
    },
  );
}

function leave(name: string, ticket: string | null, because: string, says: string): Found {
  return kept({ group: 'worktrees', name, ticket, because, says });
}

function statOf(path: string): ReturnType<typeof lstatSync> | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function byNumber(a: string, b: string): number {
  return Number(a.split('-')[1]) - Number(b.split('-')[1]);
}
