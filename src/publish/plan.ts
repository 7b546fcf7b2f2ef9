import type { ReviewRow } from '../board/port/index.ts';
import type { Policy, Project, ReviewSpec } from '../model/policy.ts';
import { readsFor } from '../model/reader.ts';
import type { Ticket } from '../model/ticket.ts';
import { reviewDue } from '../model/wait.ts';
import { blocks, type Switch } from '../model/world.ts';

export interface PublishStep {
  readonly ticket: Ticket;
  readonly project: Project;
  readonly spec: ReviewSpec;
  /** Of this claim; null = nothing was done yet. */
  readonly row: ReviewRow | null;
  /** Of the claims before it. */
  readonly earlier: readonly ReviewRow[];
  readonly because: 'in_review' | 'changed' | 'retry_due' | 'check_due';
  /** `read`: another agent is asked to; `look`: at the pull request that is open. */
  readonly does: readonly ('read' | 'push' | 'open' | 'look')[];
}

export interface PublishWorld {
  /** Tickets in review. */
  readonly tickets: readonly Ticket[];
  readonly rows: readonly ReviewRow[];
  readonly policy: Policy;
  readonly switches: readonly Switch[];
  /** Of this project only; null = of all. */
  readonly project: string | null;
  readonly now_ms: number;
  /** What has changed since then is for the next tick: so a dry run shows what a tick does. */
  readonly before_ms: number;
}

/** What is to be done with tickets in review, the longest due first. Pure. */
export function planPublish(world: PublishWorld): PublishStep[] {
  const found = world.tickets.flatMap((ticket) => {
    const project = world.policy.projects.get(ticket.project);
    const spec = project?.review ?? null;
    if (project === undefined || spec === null || readsFor(ticket) !== null) return [];
    // Its agent has found nothing to do, and has committed nothing.
    if (ticket.reason === 'nothing_to_do') return [];
    if (world.project !== null && world.project !== project.name) return [];
    if (ticket.status !== 'in_review' || isNewer(ticket.updated_at_ms, world)) return [];
    // Nothing goes out of a project that is held back.
    if (blocks(world.switches, project.name, undefined) !== null) return [];
    const of = world.rows.filter(({ ticket_id }) => ticket_id === ticket.id);
    const row = of.find(({ claim_epoch }) => claim_epoch === ticket.claim_epoch) ?? null;
    const because = dueBecause(ticket, row, world.now_ms);
    if (because === null) return [];
    const earlier = of.filter(({ claim_epoch }) => claim_epoch < ticket.claim_epoch);
    const step = { ticket, project, spec, row, earlier, because };
    return [{ ...step, does: doesOf(step) }].filter(({ does }) => does.length > 0);
  });
  const since = ({ row, ticket }: PublishStep): number => row?.next_at_ms ?? ticket.updated_at_ms;
  return found.sort((a, b) => since(a) - since(b));
}

/** What was changed since the look began. A ticket that was changed in a far future was so by a clock that ran ahead: it would
 *  be waited for until then. */
function isNewer(updated_at_ms: number, { before_ms, now_ms }: PublishWorld): boolean {
  return updated_at_ms >= before_ms && updated_at_ms - now_ms < 3_600_000;
}

function dueBecause(ticket: Ticket, row: ReviewRow | null, now_ms: number): PublishStep['because'] | null {
  if (row === null) return 'in_review';
  if (row.stage === 'merged' || row.stage === 'closed') return null; // reopened later: a person's
  if (row.ticket_version !== ticket.version) return 'changed';
  const { next_at_ms, updated_at_ms } = row;
  if (next_at_ms === null || !reviewDue({ next_at_ms, updated_at_ms }, now_ms)) return null;
  return row.error === null && row.stage === 'open' ? 'check_due' : 'retry_due';
}

function doesOf({ ticket, spec, row, because }: Omit<PublishStep, 'does'>): PublishStep['does'] {
  const known = row?.url != null;
  return [
    // A reader is launched without a person: what nobody vouches for is read by a person alone.
    ...(spec.reviewer !== null && ticket.trusted && row?.reader == null ? (['read'] as const) : []),
    ...(spec.push && because !== 'check_due' ? (['push'] as const) : []),
    ...(spec.pull_request === 'none' ? [] : [known ? ('look' as const) : ('open' as const)]),
  ];
}
