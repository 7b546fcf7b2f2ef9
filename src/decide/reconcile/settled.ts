import type { QuitStep, Step } from '../../model/plan.ts';
import type { Policy } from '../../model/policy.ts';
import type { TicketFacts, TicketStatus } from '../../model/ticket.ts';
import type { ObservedRuntime, World } from '../../model/world.ts';
import { type Cell, type Decides, guardOf, guardOfRow, sameClaim, silenceOf, skip } from './cell.ts';

/** Observed silence after which a client whose ticket is settled is asked to quit though nobody needs its room. */
const SETTLED_MS = 10 * 60_000;
/** And after which a program that tells no end of its turns is taken to be through. */
const QUIET_MS = 60_000;
/** A ticket that is `blocked` waits for a person, who may want its agent. */
const OVER: ReadonlySet<TicketStatus> = new Set(['in_review', 'done', 'cancelled']);

/** What is done about a living client whose ticket is settled. Whether it may be asked to quit was looked at where it is due. */
export const settled: Decides = ({ seen, view: { ticket } }, scene): Cell => {
  const { row, may_quit } = seen;
  const { status } = ticket;
  const due = quitDue(seen, ticket, { ...scene, delta_ms: scene.world.delta_ms });
  if (due === null || may_quit === null)
    return skip(ticket.id, row.id, { because: 'alive_though_settled', evidence: { status } });
  if (may_quit !== 'yes')
    return skip(ticket.id, row.id, {
      because: 'alive_though_settled',
      evidence: { status, stays: may_quit },
    });
  const step: QuitStep = {
    ...{ kind: 'quit', ticket: ticket.id, because: due, guard: guardOf(ticket), runtime: guardOfRow(row) },
    evidence: { activity: seen.seen.activity, pid: row.pid, silent_ms: silenceOf(seen, scene.world) },
  };
  if (due === 'settled_for_long') return { speaks: true, steps: [step] };
  return {
    ...skip(ticket.id, row.id, { because: 'alive_though_settled', evidence: { status } }),
    offers: step,
  };
};

/**
 * Whether a living client has nothing to do any more: its turn is over, nothing of it works in the background, and its ticket is settled.
 * `settled_for_long`: it goes whether or not anybody needs its room; null = it stays.
 */
export function quitDue(
  seen: Pick<ObservedRuntime, 'row' | 'pane' | 'seen' | 'judgement' | 'survivor'>,
  ticket: TicketFacts,
  { policy, delta_ms }: Pick<World, 'delta_ms'> & { readonly policy: Policy },
): QuitStep['because'] | null {
  const { row, judgement, survivor } = seen;
  if (!OVER.has(ticket.status) || !sameClaim(row, ticket)) return null;
  if (judgement?.verdict !== 'alive' || survivor !== null || row.headless) return null;
  // What can't be read may have wanted to keep it.
  if (policy.broken.length > 0) return null;
  if ((policy.agents.get(row.agent)?.settled ?? policy.limits.settled) !== 'end') return null;
  const silent_ms = silenceOf(seen, { delta_ms });
  const { activity, level } = seen.seen;
  const through =
    row.kind === 'command'
      ? activity !== 'waiting' && activity !== 'busy' && silent_ms >= QUIET_MS
      : activity === 'idle' && (level === null || level === 'idle');
  if (!through) return null;
  return silent_ms >= SETTLED_MS ? 'settled_for_long' : 'launch_waits';
}

/** Those that give way to launches: no more than are needed, the longest silent first. */
export function givingWay(
  offers: readonly QuitStep[],
  steps: readonly Step[],
  wants_room: number,
): readonly QuitStep[] {
  const going = steps.filter(({ kind }) => kind === 'quit').length;
  const most = Math.max(0, wants_room - going);
  return offers.toSorted((a, b) => b.evidence.silent_ms - a.evidence.silent_ms).slice(0, most);
}
