import type { Sighted } from '../../model/evidence.ts';
import { sameHands } from '../../model/runtime.ts';
import type { TicketFacts } from '../../model/ticket.ts';
import type { Sighting, TicketView } from '../../model/world.ts';
import { answerBusy } from '../busy.ts';
import {
  type Cell,
  guardOf,
  isPersons,
  moved,
  NOTHING,
  retry,
  type Scene,
  sightingOf,
  skip,
  stopOf,
} from './cell.ts';

/** A ticket without a live row: a retry that a crash left undone, or a runtime that the board has lost. */
export function withoutRow({ ticket, ended }: TicketView, scene: Scene): Cell {
  if (ticket.status !== 'todo' && ticket.status !== 'in_progress') return NOTHING;
  const seen = sighted(ticket, scene);
  if (seen !== null) return seen;
  if (ticket.status === 'todo') return NOTHING;
  const { worker_pid, owner } = ticket;
  // No run of this epoch: a person took it; or a run was there, and its row was taken away.
  if (ended === null)
    return skip(ticket.id, null, {
      because: worker_pid === null ? 'taken_by_person' : 'run_lost',
      evidence: { worker_pid },
    });
  // Given to another profile while it ran: the ticket waits for that one. A person's is left to the person.
  if (!sameHands(ended, owner) && isPersons(ticket, scene))
    return skip(ticket.id, ended.id, { because: 'owner_changed', evidence: { owner } });
  if (ended.host_id !== scene.world.host_id)
    return skip(ticket.id, ended.id, { because: 'not_mine', evidence: { host: ended.host_id } });
  const stop = stopOf(ticket, ended.agent, scene);
  if (stop !== null)
    return skip(ticket.id, ended.id, {
      because: 'killswitch',
      evidence: { scope: stop.scope, reason: stop.reason },
    });
  return retry(ended, ticket, 'ended_without_release', null, null, scene);
}

/** A dead row is ended in this pass, but another run's process carries the ticket's mark: no launch beside it.
 *  The next tick, with the row gone, adopts it. */
export function besideDead({ ticket }: TicketView, scene: Scene): Cell {
  const busy = sightingOf(ticket, scene);
  if (busy === null) return NOTHING;
  const answer = answerBusy(ticket, busy);
  const because = 'because' in answer ? answer.because : 'runtime_busy_elsewhere';
  return skip(ticket.id, busy.run, { because, evidence: evidenceOf(busy) });
}

/** A process that carries the ticket's mark while the board has no live row for it: the board has lost it
 *  (restored from a backup, a row ended by hand). null = there is none in the way. */
function sighted(ticket: TicketFacts, scene: Scene): Cell | null {
  const busy = sightingOf(ticket, scene);
  if (busy === null) return null;
  const answer = answerBusy(ticket, busy);
  if (answer.do === 'launch') return null;
  const evidence = evidenceOf(busy);
  const stop = stopOf(ticket, busy.agent, scene);
  if (stop !== null)
    return skip(ticket.id, busy.run, {
      because: 'killswitch',
      evidence: { ...evidence, reason: stop.reason },
    });
  if (answer.do !== 'adopt') return skip(ticket.id, busy.run, { because: answer.because, evidence });
  return {
    after: moved(ticket, 'in_progress'),
    speaks: true,
    steps: [
      {
        ...{ kind: 'adopt', ticket: ticket.id, because: 'runtime_busy', evidence },
        ...{ guard: guardOf(ticket), sighting: busy },
      },
    ],
  };
}

function evidenceOf(busy: Sighting): Sighted {
  return { run: busy.run, pid: busy.pid, pane: busy.pane, verdict: busy.judgement.because };
}
