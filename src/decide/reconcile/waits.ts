import type { Step } from '../../model/plan.ts';
import type { TicketFacts } from '../../model/ticket.ts';
import { accountWaitEnd, ticketWaitEnd } from '../../model/wait.ts';
import type { AccountView } from '../../model/world.ts';
import { type Cell, isPersons, moved, NOTHING, type Scene } from './cell.ts';

/** No wait is longer than its own length, counted from any look at it: a clock that ran ahead may have set its end. */
export function accountWait(account: AccountView, { world }: Scene): Cell {
  const from_ms = account.not_before_at_ms;
  const to_ms = accountWaitEnd(account, world.now_ms);
  if (from_ms === null || to_ms === null || to_ms >= from_ms) return NOTHING;
  return { steps: [shorten({ ticket: '', agent: account.name, from_ms, to_ms })] };
}

/** The same of a ticket in `todo` that nothing else is decided about. */
export function ticketWait(ticket: TicketFacts, scene: Scene): Cell {
  const { now_ms } = scene.world;
  if (ticket.status !== 'todo' || isPersons(ticket, scene)) return NOTHING;
  const from_ms = ticket.not_before_at_ms;
  const to_ms = ticketWaitEnd(ticket, scene.policy.limits, now_ms);
  if (from_ms === null || to_ms === null || to_ms >= from_ms) return NOTHING;
  return {
    after: { ...moved(ticket, 'todo'), not_before_at_ms: to_ms, wait_since_ms: now_ms },
    steps: [shorten({ ticket: ticket.id, agent: null, from_ms, to_ms })],
  };
}

function shorten(what: {
  readonly ticket: string;
  readonly agent: string | null;
  readonly from_ms: number;
  readonly to_ms: number;
}): Step {
  const { agent, from_ms, to_ms } = what;
  return { kind: 'shorten', because: 'wait_too_long', evidence: { agent, from_ms, to_ms }, ...what };
}
