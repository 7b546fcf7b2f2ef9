import { join } from 'node:path';
import { inDir, isPlainDir, lookAtName, namesIn } from '../machine/foreign.ts';
import { hostId, lookAt, lookAtSelf } from '../machine/process.ts';
import { inTime, type Processes } from '../machine/processes.ts';
import { type Acted, type Found, type Left, together } from '../model/clean.ts';
import { judge } from '../model/identity.ts';
import { age } from '../model/times.ts';
import { ownDir } from '../runs/dirs.ts';
import { readRegistered } from '../runs/marks.ts';
import { removeTmuxDir } from '../tmux/dir.ts';
import { lookAtTree } from '../workspace/tree.ts';
import { type Here, step } from './here.ts';
import { isSettled, kept, proposed, stays } from './item.ts';
import { intoTrash, oldTrash } from './trash.ts';

/** So many directories of runs are looked through. */
const MOST = 200_000;
const RUN = /^[A-Za-z0-9_-]{1,128}$/;

/** Directories of runs that ended long ago and whose ticket is settled, with the last screen, prompt and logs in them; and
 *  what an earlier clean has put into the trash. */
export async function runs(here: Here): Promise<Found> {
  const { places } = here;
  const found: Found[] = [oldTrash(here)];
  const processes = inTime(places.state);
  for (const name of namesOf(places)) {
    const path = join(places.runs, name);
    const seen = await look(name, path, here, processes);
    if (seen === null) continue;
    const { ticket, says } = seen;
    found.push(
      seen.ok
        ? proposed(
            {
              ...{ group: 'runs', kind: 'run', name: path, ticket, because: 'ended_long_ago' },
              ...{ says, bytes: bytesOf(path) },
            },
            'mv, from trash/ in the state dir, for 7 days',
            () => remove(name, path, here),
          )
        : kept({ group: 'runs', name: path, ticket, because: seen.because, says }),
    );
  }
  return together(found);
}

/** Retention: what is old of these goes to the trash; what can't is told in `faults`. The caller holds the tick lock; `signal`: no longer. */
export async function retireRuns(
  names: readonly string[],
  here: Here,
  faults: unknown[],
  signal: AbortSignal,
): Promise<void> {
  const processes = inTime(here.places.state);
  for (const name of names) {
    const path = join(here.places.runs, name);
    try {
      const seen = await look(name, path, here, processes);
      if (signal.aborted) break;
      if (seen?.ok === true) retire(name, here);
    } catch (error) {
      faults.push(error);
    }
  }
  signal.throwIfAborted();
}

/** What may be a run by its name, in order; none where nothing was launched yet, and a symlink is not followed. */
export function namesOf({ state }: Here['places']): string[] {
  const names = ['runs', 'own'].flatMap((all) => inDir(state, all, (dir) => namesIn(dir, MOST).names) ?? []);
  return [...new Set(names)].filter((name) => RUN.test(name)).sort();
}

type Seen =
  | { readonly ok: true; readonly ticket: string; readonly says: string }
  | ({ readonly ok: false } & Pick<Left, 'ticket' | 'because' | 'says'>);

/** null = it is not old, or is still wanted: nothing to say of it. */
async function look(
  name: string,
  path: string,
  { board, places, now_ms, older_ms }: Here,
  processes: () => Processes,
): Promise<Seen | null> {
  const row = await board.runtimeByMark(name);
  const ticket_id = row?.ticket_id ?? null;
  const no = (because: string, says: string): Seen => ({ ok: false, ticket: ticket_id, because, says });
  // One half of it may have been moved away, by hand or by a clean that was killed in between.
  const stats = [path, ownDir(path)].map(lookAtName).filter((stat) => stat !== null);
  if (stats.some((stat) => stat.isSymbolicLink()))
    return no('symlink', 'it is a symlink, which is not followed');
  const [stat] = stats;
  if (stat === undefined || !stats.every((one) => one.isDirectory())) return null;
  if (row === null)
    // One that is being launched by a tick of this very moment is not on the board of a reader yet.
    return now_ms - stat.mtimeMs < older_ms ? null : no('no_run', 'the board knows no such run');
  if (row.ended_at_ms === null || now_ms - row.ended_at_ms < older_ms || row.ticket_id === null) return null;
  const ticket = await board.ticket(row.ticket_id);
  if (ticket === null || !isSettled(ticket.status)) return null;
  const registered = readRegistered(path);
  const me = lookAtSelf(hostId(places.state) ?? '');
  const verdict = registered === null ? 'dead' : judge(registered, me, lookAt(registered.pid)).verdict;
  if (verdict === 'alive' || verdict === 'unknown')
    return no('in_use', `its process ${registered?.pid} may live`);
  const marked = processes().marked.find(({ run }) => run === name);
  if (marked !== undefined) return no('in_use', `process ${marked.pid} belongs to it`);
  const [inside] = processes().inside(path);
  if (inside !== undefined) return no('in_use', `process ${inside} works in it`);
  const says = `${ticket.status}, ended ${age(now_ms - row.ended_at_ms)} ago`;
  return { ok: true, ticket: ticket.id, says };
}

function bytesOf(path: string): number {
  const both = [path, ownDir(path)].filter(isPlainDir);
  return both.reduce((all, dir) => all + lookAtTree(dir).bytes, 0);
}

async function remove(name: string, path: string, here: Here): Promise<Acted> {
  const seen = await look(name, path, here, inTime(here.places.state));
  if (seen === null) return stays('wanted', 'its ticket is open again');
  if (!seen.ok) return stays(seen.because, seen.says);
  step('run-judged');
  const restore = retire(name, here);
  step('run-moved');
  return { result: 'done', restore };
}

/** Both directories of a run go; ours last, since it says who registered. What brings them back. */
function retire(name: string, here: Here): string {
  const { runs, own } = here.places;
  const both = [join(runs, name), join(own, name)].filter((path) => lookAtName(path) !== null);
  const restore = both.map((path) => intoTrash(path, here)).join(' && ');
  removeTmuxDir(join(here.places.runs, name));
  return restore;
}
