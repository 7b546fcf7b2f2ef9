import type { Step } from '../../model/plan.ts';
import type { Said } from '../../model/said.ts';
import type { TicketFacts } from '../../model/ticket.ts';
import {
  type Cell,
  type Decides,
  guardOf,
  guardOfRow,
  moved,
  type Pair,
  sameClaim,
  together,
} from './cell.ts';

/** What an agent has reported by file is said before its run is judged: who has reported has finished, and is no failed attempt. Where
 *  the reports change nothing any more they are only dealt with, and the row is judged as ever. */
export function reportedFirst(decides: Decides): Decides {
  return (pair, scene) => {
    if (pair.seen.seen.said === undefined) return decides(pair, scene);
    const { said, ...seen } = pair.seen.seen;
    let { ticket } = pair.view;
    const steps: Step[] = [];
    for (const one of said) {
      steps.push(stepOf(one, pair));
      if (takes(one, ticket, pair)) ticket = moved(ticket, one.to);
    }
    const cell: Cell = { steps };
    return ticket === pair.view.ticket
      ? together(cell, decides({ ...pair, seen: { ...pair.seen, seen } }, scene))
      : { ...cell, after: ticket, speaks: true };
  };
}

/** Whether the report can move the ticket: the board has the last word. */
function takes({ to, turn }: Said, ticket: TicketFacts, { seen: { row }, view }: Pair): boolean {
  if (!sameClaim(row, view.ticket) && view.ticket.owner !== null) return false;
  if (row.claim_epoch !== ticket.claim_epoch) return false;
  const { status, reason, reason_run, reason_turn } = ticket;
  const asks = status === 'needs_input' && reason === 'asked' && reason_run === row.id;
  if (asks && to === 'needs_input') return turn > (reason_turn ?? 0);
  return status === 'todo' || status === 'in_progress' || status === 'needs_input';
}

function stepOf(said: Said, { seen: { row }, view: { ticket } }: Pair): Step {
  const { to, at_ms } = said;
  return {
    ...{ kind: 'report', ticket: ticket.id, because: 'report_kept', said, to },
    evidence: { run: row.id, to, said_at_ms: at_ms },
    guard: guardOf(ticket),
    runtime: guardOfRow(row),
  };
}
