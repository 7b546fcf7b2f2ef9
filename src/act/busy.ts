import type { AdoptRequest } from '../board/port.ts';
import { answerBusy } from '../decide/busy.ts';
import type { Ticket } from '../model/ticket.ts';
import type { Sighting, World } from '../model/world.ts';
import { lookAtSelf } from '../runtime/identity.ts';
import { sightPane } from '../runtime/sighting.ts';
import { viewServer } from '../runtime/tmux.ts';
import type { Hands } from './index.ts';

export type Busy =
  | { readonly do: 'adopt'; readonly sighting: Sighting; readonly request: AdoptRequest }
  | { readonly do: 'release'; readonly because: string }
  | { readonly do: 'leave'; readonly because: string };

/**
 * The last look before a launch: does a runtime work on this ticket, or in its worktree, already? This is the
 * 409 of the embedded board. The observation that the plan was made on may be old by the time the worktree
 * stands, so tmux and the kernel are asked again. null = nothing stands in the way.
 */
export async function findBusy(
  ticket: Ticket,
  run: string,
  worktree: string,
  world: World,
  hands: Hands,
): Promise<Busy | null> {
  const view = await viewServer(hands.tmux, { repair: true });
  if (view.kind === 'unknown') return { do: 'leave', because: view.error };
  if (view.kind === 'none') return null;
  const me = lookAtSelf(world.host_id);
  for (const pane of view.panes) {
    if (pane.dead || pane.run === '' || pane.run === run) continue;
    const sighting = sightPane(pane, me, hands.places.runs);
    if (sighting.ticket !== ticket.id && sighting.worktree !== worktree) continue;
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
