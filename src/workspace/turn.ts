import { type GitResult, git } from './git.ts';

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

const fetched = new Map<string, Promise<string | null>>();

/** Fetches one branch at most once in this process. Returns a warning, or null. */
export function fetchOnce(common: string, upstream: Upstream): Promise<string | null> {
  const key = [common, upstream.remote, upstream.base].join('\0');
  const known = fetched.get(key) ?? fetchBase(common, upstream);
  fetched.set(key, known);
  return known;
}

async function fetchBase(
  common: string,
  { remote, base, fetch_timeout_seconds }: Upstream,
): Promise<string | null> {
  const remotes = await git(common, ['remote']);
  // A repository without the remote is a local one: nothing to warn about.
  if (!remotes.stdout.split('\n').includes(remote)) return null;
  const done = await git(common, ['fetch', '--no-tags', '--end-of-options', remote, base], {
    timeout_ms: fetch_timeout_seconds * 1000,
    remote: true,
  });
  return done.ok ? null : `the base may be old, ${done.error}`;
}
