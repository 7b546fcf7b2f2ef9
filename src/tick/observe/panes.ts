import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs } from '../../machine/clock.ts';
import type { Judgement, ObserverIdentity } from '../../model/identity.ts';
import type { Runtime } from '../../model/runtime.ts';
import { type Pane, panesOf, type TmuxView } from '../../model/world.ts';
import type { Tmux } from '../../tmux/tmux.ts';
import { viewServer } from '../../tmux/view.ts';

/** A row, and the kernel's word on its process; null = it has none yet. */
export interface Judged {
  readonly row: Runtime;
  readonly judgement: Judgement | null;
}

/**
 * The pane of a runtime. A pane's mark is no proof, since whoever is in a pane can set it.
 *
 * Of a run that has registered it is the pane of that very process, which shows the run's mark or is the one that was recorded; where
 * tmux does not tell the process of a dead pane, it is the dead one that was recorded. Of a
 * run that has not, it is the pane with its mark, unless another run's process is in there (`taken`). While a living pane shows no
 * mark that is ours, that one may be it.
 */
export function paneOf(
  row: Runtime,
  panes: readonly Pane[],
  taken: ReadonlySet<number> = new Set(),
): Pane | null {
  const { pid, mark, tmux_pane } = row;
  if (pid !== null)
    return (
      panes.find((one) => one.pid === pid && (one.run === mark || one.pane === tmux_pane)) ??
      panes.find((one) => one.pid === null && one.run === mark && one.pane === tmux_pane) ??
      null
    );
  const free = panes.filter((one) => one.pid === null || !taken.has(one.pid));
  return free.find(({ run }) => run === mark) ?? free.find(({ odd, dead }) => odd && !dead) ?? null;
}

/** The processes of this host that a row knows, and that may live. */
export function processesOf(judged: readonly Judged[], host_id: string): ReadonlySet<number> {
  return new Set(
    judged.flatMap(({ row, judgement }) =>
      row.host_id === host_id && row.pid !== null && judgement?.verdict !== 'dead' ? [row.pid] : [],
    ),
  );
}

const EXIT_MS = 2000;

/** Asks tmux again, with a bound, while a process has ended and tmux does not know how, or still reads what it has written. */
export async function withExits(
  first: TmuxView,
  judged: readonly Judged[],
  me: ObserverIdentity,
  { tmux: server, repair }: { readonly tmux: Tmux; readonly repair: boolean },
): Promise<TmuxView> {
  let tmux = first;
  for (const end = monotonicMs() + EXIT_MS; judged.some((one) => diedUnseen(one, tmux)); await pause(50)) {
    if (monotonicMs() >= end) break;
    tmux = await viewServer(server, { repair, self: me, reap: true });
    if (!judged.some((one) => diedUnseen(one, tmux))) break;
  }
  return tmux;
}

/** The process has ended, and its pane has not, or not yet with its exit. A large client of many threads is a zombie for some 100 ms before
 *  its last thread is gone, and only then tmux is told: without another look each such end would pass for a crash. */
function diedUnseen({ row, judgement }: Judged, tmux: TmuxView): boolean {
  const pane = judgement?.verdict === 'dead' ? paneOf(row, panesOf(tmux)) : null;
  return pane !== null && (!pane.dead || (pane.exit_code === null && pane.exit_signal === null));
}

/** The server that the runtime was started under is gone: its death says nothing against the agent. */
export function serverLost(row: Runtime, tmux: TmuxView): boolean {
  if (row.tmux_server_pid === null || tmux.kind === 'unknown') return false;
  if (tmux.kind === 'none') return true;
  if (row.tmux_server_pid !== tmux.server_pid) return true;
  return tmux.server_start !== null && row.tmux_server_start !== tmux.server_start;
}
