import { fetchesTo, type GitResult, git } from './git.ts';
import { no, type Refused } from './prepared.ts';

/** What those that wait for each other at a repository ask but once. */
export type Shared = Map<string, GitResult>;

const queues = new Map<string, { tail: Promise<unknown>; readonly shared: Shared }>();

/** Runs one piece of work at a time for each repository: parallel `worktree add`s race for the same lock files. `next` lets the
 *  next one begin before this one has ended. */
export function inTurn<T>(repo: string, work: (shared: Shared, next: () => void) => Promise<T>): Promise<T> {
  const queue = queues.get(repo) ?? { tail: Promise.resolve(), shared: new Map() };
  const { promise: early, resolve: next } = Promise.withResolvers<void>();
  const mine = queue.tail.then(() => work(queue.shared, next));
  const tail = Promise.race([early, mine.catch(() => undefined)]).then(() => {
    if (queue.tail === tail) queues.delete(repo); // nobody waits: the next one asks anew
  });
  queue.tail = tail;
  queues.set(repo, queue);
  return mine;
}

/** What was asked before a fetch is no answer after it: the key tells them apart. A failure is not kept. */
export async function once(shared: Shared, key: string, ask: () => Promise<GitResult>): Promise<GitResult> {
  const known = shared.get(key) ?? (await ask());
  if (known.ok) shared.set(key, known);
  return known;
}

/** What is fetched, and from where. */
interface Upstream {
  readonly remote: string;
  readonly base: string;
  readonly fetch_timeout_seconds: number;
}

/** null = the base is as the remote has it; a text: it was not to be fetched, which is to be said. */
export type Fetched = Refused | string | null;

const fetched = new Map<string, Promise<Fetched>>();

/** Fetches one branch at most once in this process. Returns why it could not be, or null. */
export function fetchOnce(common: string, upstream: Upstream): Promise<Fetched> {
  const key = [common, upstream.remote, upstream.base].join('\0');
  const known = fetched.get(key) ?? fetchBase(common, upstream);
  fetched.set(key, known);
  return known;
}

async function fetchBase(
  common: string,
  { remote, base, fetch_timeout_seconds }: Upstream,
): Promise<Fetched> {
  const remotes = (await git(common, ['remote'])).stdout.split('\n').filter((name) => name !== '');
  // A repository without any remote is a local one: nothing to warn about.
  if (!remotes.includes(remote))
    return remotes.length === 0
      ? null
      : `nothing was fetched: the repository has no remote "${remote}", but ${remotes.join(', ')} (the project's key "remote")`;
  const fetch = () =>
    git(common, ['fetch', ...ALONE, '--end-of-options', remote, fetchesTo({ remote, base })], {
      timeout_ms: fetch_timeout_seconds * 1000,
      remote: true,
    });
  const first = await fetch();
  // Somebody else has fetched at the same moment: what they have written is what the remote has.
  const done = !first.ok && /cannot lock ref|\.lock': File exists/.test(first.error) ? await fetch() : first;
  if (done.ok) return null;
  const gone = /couldn't find remote ref/.test(done.error);
  return no(gone ? 'base_gone' : 'fetch_failed', done.error);
}

/** Writes the one ref that it is told, whatever the repository maps branches to or lets go: a mirror would write to a branch that may be
 *  checked out, a bare clone nothing at all. What a person's own fetch has left (FETCH_HEAD) stays. */
const ALONE = [
  ...['--refmap=', '--no-tags', '--no-prune'],
  ...['--no-recurse-submodules', '--no-write-fetch-head'],
];
