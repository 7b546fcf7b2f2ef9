import { join } from 'node:path';
import { hostId, lookAt, lookAtSelf } from '../machine/process.ts';
import { type Advice, type Found, together } from '../model/clean.ts';
import { judge } from '../model/identity.ts';
import { leftoverWords } from '../model/leftover.ts';
import type { Runtime } from '../model/runtime.ts';
import { isLiving, panesOf } from '../model/world.ts';
import { endedRow, isStillLeft, type Leftover, leftoversOf } from '../runs/leftovers.ts';
import { type Mark, marksOf, readMarks } from '../runs/marks.ts';
import { judgeRow } from '../runs/sighting.ts';
import { endLeftovers } from '../runs/stop.ts';
import { viewServer } from '../tmux/view.ts';
import { type Here, step } from './here.ts';
import { isSettled, proposed, stays, word } from './item.ts';
import { intoTrash } from './trash.ts';

/** A run that ended this recently may still be letting go of its processes. */
const ENDED_MS = 3_600_000;

/** What runs without a reason to: agents of settled tickets, each with the command that ends it, since `clean` ends no agent;
 *  the processes that ended runs have left; and the marks of processes that are dead. */
export async function runtimes(here: Here): Promise<Found> {
  const { board, places, tmux, now_ms } = here;
  const me = lookAtSelf(hostId(places.state) ?? '');
  const advice: Advice[] = [];
  const live = await board.liveRuntimes();
  for (const row of live) {
    const ticket = row.ticket_id === null ? null : await board.ticket(row.ticket_id);
    if (ticket === null || !isSettled(ticket.status)) continue;
    const verdict = judgeRow(row, me)?.verdict;
    if (verdict === 'alive')
      advice.push({
        command: `mc-pickup stop ${ticket.id}`,
        ticket: ticket.id,
        says: `its agent lives (process ${row.pid}), and the ticket is ${ticket.status}`,
      });
  }
  const ended = async (run: string): Promise<Runtime | null> => {
    const row = await board.runtimeByMark(run);
    return row?.ended_at_ms != null && now_ms - row.ended_at_ms >= ENDED_MS ? row : null;
  };
  const view = await viewServer(tmux);
  const left = await leftoversOf(places.state, endedRow(board));
  // A living agent may bear any mark in its pane: it is known by its process.
  const shown = new Set([...left.map(({ pid }) => pid), ...live.flatMap(({ pid }) => pid ?? [])]);
  for (const pane of panesOf(view)) {
    const row = !isLiving(pane) || pane.run === '' || shown.has(pane.pid) ? null : await ended(pane.run);
    if (row === null) continue;
    advice.push({
      command: `tmux -S ${word(places.socket)} kill-pane -t ${pane.pane}`,
      ticket: row.ticket_id,
      says: `this pane lives (process ${pane.pid}), and its run has ended`,
    });
  }
  const found = left.map((one) => processProposal(one, here));
  for (const mark of readMarks(places.marks))
    if (await isLeftover(mark, here)) found.push(markProposal(mark, here));
  return { ...together(found), advice };
}

/** The mark of a process that is certainly dead and whose run the board has ended, or has lost. */
async function isLeftover(mark: Mark, { board, places }: Here): Promise<boolean> {
  const me = lookAtSelf(hostId(places.state) ?? '');
  if (judge(mark, me, lookAt(mark.pid)).verdict !== 'dead') return false;
  const row = await board.runtimeByMark(mark.run);
  return row === null || row.ended_at_ms !== null;
}

const GRACE_MS = 5000;

/** A tool that an agent had started and that outlived its run. Only a person's yes ends it. */
function processProposal(one: Leftover, { places, board }: Here): Found {
  const { pid, run, ticket } = one;
  const says = `${leftoverWords(one)}, left by run ${run}, which has ended`;
  return proposed(
    { group: 'runtimes', kind: 'process', name: `process ${pid}`, ticket, because: 'leftover', says },
    'nothing',
    async () => {
      if ((await endedRow(board)(run)) === null || !isStillLeft(one, places.state))
        return stays('changed', 'it has ended meanwhile');
      step('process-judged');
      const alive = await endLeftovers([one], places.state, GRACE_MS);
      return alive.length === 0
        ? { result: 'done', restore: null }
        : { result: 'failed', error: `process ${pid} did not end` };
    },
  );
}

function markProposal({ ticket, pid, run }: Mark, here: Here): Found {
  const path = join(here.places.marks, `${ticket}.json`);
  const says = `the mark of process ${pid}, which is dead`;
  return proposed(
    { group: 'runtimes', kind: 'mark', name: path, ticket, because: 'process_dead', says },
    'mv, from trash/ in the state dir, for 7 days',
    async () => {
      const [now] = marksOf(here.places.marks, [ticket]);
      if (now?.run !== run || !(await isLeftover(now, here)))
        return stays('changed', 'it has changed meanwhile');
      step('mark-judged');
      return { result: 'done', restore: intoTrash(path, here) };
    },
  );
}
