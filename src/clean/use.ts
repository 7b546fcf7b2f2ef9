import { hostId, lookAt, lookAtSelf } from '../machine/process.ts';
import type { Processes } from '../machine/processes.ts';
import { judge } from '../model/identity.ts';
import { panesOf } from '../model/world.ts';
import { marksOf } from '../runs/marks.ts';
import { viewServer } from '../tmux/view.ts';
import type { Here } from './here.ts';

export interface Used {
  readonly because: 'runtime_alive' | 'in_use' | 'tmux_unknown' | 'processes_unknown';
  readonly says: string;
}

/** Who uses a worktree, as far as anything tells: a runtime of any host, a pane, a mark, a process. `dir`: where its files
 *  are now; `looked`: at the processes. null = nobody; what can't be seen counts as somebody. */
export async function userOf(
  ticket: string,
  target: string,
  dir: string,
  here: Here,
  looked: () => Processes,
): Promise<Used | null> {
  const { board, places, tmux } = here;
  const live = (await board.liveRuntimes()).find(
    ({ ticket_id, worktree }) =>
      ticket_id === ticket || worktree === target || worktree?.startsWith(`${target}/`) === true,
  );
  if (live !== undefined) {
    const where = live.host_id === hostId(places.state) ? '' : ` (of host ${live.host_id})`;
    return {
      because: 'runtime_alive',
      says: `its run ${live.id} has not ended${where}: mc-pickup stop ${ticket}`,
    };
  }
  const view = await viewServer(tmux);
  if (view.kind === 'unknown')
    return { because: 'tmux_unknown', says: `tmux does not tell what runs: ${view.error}` };
  const panes = panesOf(view);
  const pane = panes.find((one) => !one.dead && one.ticket === ticket);
  if (pane !== undefined)
    return { because: 'in_use', says: `pane ${pane.pane} works on it (process ${pane.pid})` };
  const me = lookAtSelf(hostId(places.state) ?? '');
  const mark = marksOf(places.marks, [ticket]).find((one) =>
    ['alive', 'unknown'].includes(judge(one, me, lookAt(one.pid)).verdict),
  );
  if (mark !== undefined)
    return { because: 'in_use', says: `process ${mark.pid} registered for it, and may live` };
  const processes = looked();
  if (!processes.seen)
    return {
      because: 'processes_unknown',
      says: 'this system has no /proc that tells which process works where',
    };
  const inside = processes.inside(dir);
  return inside.length === 0
    ? null
    : {
        because: 'in_use',
        says: `process ${inside.slice(0, 3).join(', ')} works in it, or has a file of it open`,
      };
}
