import type { AdoptRequest } from '../board/port/index.ts';
import { answerBusy } from '../decide/busy.ts';
import type { Ticket } from '../model/ticket.ts';
import type { Sighting } from '../model/world.ts';
import type { Neighbours } from './outside.ts';

export type Busy =
  | { readonly do: 'adopt'; readonly sighting: Sighting; readonly request: AdoptRequest }
  | { readonly do: 'release'; readonly because: string }
  | { readonly do: 'leave'; readonly because: string };

/**
 * The last look before a launch: does a runtime work on this ticket, or in its worktree, already? A server that starts
 * runtimes answers 409 then. The observation that the plan was made on may be old by the time the worktree
 * stands, so tmux and the kernel are asked again. null = nothing stands in the way.
 */
export function findBusy(ticket: Ticket, run: string, seen: Neighbours): Busy | null {
  if (!seen.ok) return { do: 'leave', because: seen.error };
  for (const sighting of seen.sightings) {
    const answer = answerBusy(ticket, sighting);
    if (answer.do === 'launch') continue;
    if (answer.do !== 'adopt') return answer;
    const { status, owner, claim_epoch, version } = ticket;
    return {
      do: 'adopt',
      sighting,
      request: {
        ...sighting,
        guard: { status, owner, claim_epoch, version },
        instead_of: run,
        mark: sighting.run,
        tmux_session: sighting.session,
        tmux_pane: sighting.pane,
      },
    };
  }
  return null;
}
