import type { Snapshot } from '../../board/port/index.ts';
import { failedLaunches, LAUNCHES_SEEN } from '../../model/retry.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { Pane, TmuxView, World } from '../../model/world.ts';
import type { Eyes } from './eyes.ts';

/**
 * Launches that have come to nothing: those that nobody can go on with, and how many before them failed in a row. What is `launching`
 * when a tick begins was claimed by a tick that has ended since, and of most of them a pane is left. Nothing is read where there is none.
 */
export async function launchesLeft(
  { runtimes, tickets }: Snapshot,
  at: {
    readonly tmux: TmuxView;
    readonly paneFor: (row: Runtime) => Pane | null;
    readonly host_id: string;
    readonly eyes: Eyes;
  },
): Promise<{ readonly abandoned: ReadonlySet<string>; readonly failed_launches: World['failed_launches'] }> {
  const { tmux, paneFor, host_id, eyes } = at;
  const launching = runtimes.filter((row) => row.phase === 'launching' && row.host_id === host_id);
  const paneless = launching.filter((row) => paneFor(row) === null);
  let abandoned: ReadonlySet<string> = new Set();
  if (paneless.length > 0 && tmux.kind !== 'unknown' && (await eyes.claimersEnded())) {
    const { runsWithProcesses } = await import('../../runs/traces.ts');
    const lives = runsWithProcesses(paneless.map(({ mark }) => mark));
    if (lives !== null)
      abandoned = new Set(paneless.filter(({ mark }) => !lives.has(mark)).map(({ id }) => id));
  }
  const failed_launches: Record<string, number> = {};
  const ending = [
    ...launching.filter(({ id }) => !abandoned.has(id)).map(({ ticket_id }) => ticket_id ?? ''),
    ...tickets.filter(({ ended }) => ended?.registered_at_ms === null).map(({ ticket }) => ticket.id),
  ];
  for (const ticket of new Set(ending))
    failed_launches[ticket] = failedLaunches(await eyes.board.runtimesOf({ ticket, limit: LAUNCHES_SEEN }));
  return { abandoned, failed_launches };
}
