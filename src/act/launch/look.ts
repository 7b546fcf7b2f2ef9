import { monotonicMs } from '../../machine/clock.ts';
import { lookAtSelf } from '../../machine/process.ts';
import { type Pane, panesOf } from '../../model/world.ts';
import { type Mark, marksOf, readMarks } from '../../runs/marks.ts';
import { readRunFile } from '../../runs/run-file.ts';
import { livingOn, sightMark, sightPane, witnesses } from '../../runs/sighting.ts';
import { viewServer } from '../../tmux/view.ts';
import type { Here } from '../here.ts';
import type { Neighbours, Outside } from '../outside.ts';

/** What our tmux server and the marks show. */
type Sight =
  | { readonly ok: true; readonly panes: readonly Pane[]; readonly marks: readonly Mark[] }
  | { readonly ok: false; readonly error: string };

/** So long one look serves all launches that were claimed before it: many are launched side by side, and each look takes a
 *  program. */
const LOOK_SERVES_MS = 1000;

/** The last look before a launch. `claimedAt`: when a run was claimed, by the monotonic clock. */
export function lastLook(here: Here, claimedAt: (run: string) => number | undefined): Outside['neighbours'] {
  const { runs } = here.places;
  const look = sharedLook(here);
  const worktreeOf = worktrees(runs);
  return async (ticket, run, worktree, host_id): Promise<Neighbours> => {
    const sight = await look(claimedAt(run));
    if (!sight.ok) return sight;
    const me = lookAtSelf(host_id);
    // Its own is looked for however many others there are.
    const marks = [
      ...sight.marks.filter((one) => one.ticket !== ticket),
      ...marksOf(here.places.marks, [ticket]),
    ];
    const others = witnesses(sight.panes, marks, (one) => one.run !== run);
    // Many are launched side by side, among hundreds that live: the processes of these alone are looked at.
    const near = (one: { readonly ticket: string; readonly run: string }): boolean =>
      one.ticket === ticket || worktreeOf(one.run) === worktree;
    const seen = [
      ...others.panes.filter(near).map((pane) => sightPane(pane, me, runs)),
      ...others.marks.filter(near).map((mark) => sightMark(mark, me, runs)),
    ];
    return { ok: true, sightings: await livingOn(seen, me, here) };
  };
}

function sharedLook({ tmux, places }: Here): (claimed_at_ms?: number) => Promise<Sight> {
  let last: { readonly at_ms: number; readonly sight: Promise<Sight> } | null = null;
  const look = async (): Promise<Sight> => {
    const view = await viewServer(tmux, { repair: true });
    if (view.kind === 'unknown') return { ok: false, error: view.error };
    return { ok: true, panes: panesOf(view), marks: readMarks(places.marks) };
  };
  return async (claimed_at_ms = Number.POSITIVE_INFINITY) => {
    if (last !== null && last.at_ms > claimed_at_ms && monotonicMs() - last.at_ms <= LOOK_SERVES_MS) {
      const shared = await last.sight.catch(() => null);
      if (shared?.ok) return shared;
    }
    last = { at_ms: monotonicMs(), sight: look() };
    return last.sight;
  };
}

/** Where runs were started. What is known is not read again: the file of a run is there before its pane, and stays as it is. */
function worktrees(runs: string): (run: string) => string | null {
  const known = new Map<string, string>();
  return (run) => {
    const worktree = known.get(run) ?? readRunFile(runs, run)?.worktree ?? null;
    if (worktree !== null) known.set(run, worktree);
    return worktree;
  };
}
