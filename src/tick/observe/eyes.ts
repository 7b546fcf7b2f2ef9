import type { Board } from '../../board/port/index.ts';
import type { Places } from '../../machine/paths.ts';
import { hostId, lookAtSelf } from '../../machine/process.ts';
import type { ObserverIdentity } from '../../model/identity.ts';
import type { Policy } from '../../model/policy.ts';
import type { TmuxView } from '../../model/world.ts';
import type { Tmux } from '../../tmux/tmux.ts';
import { viewServer } from '../../tmux/view.ts';

/** What a look goes by. */
export interface Eyes {
  readonly places: Places;
  readonly board: Board;
  readonly tmux: Tmux;
  readonly policy: Policy;
  /** Launches are for this project only; null = for all. */
  readonly project: string | null;
  readonly env: NodeJS.ProcessEnv;
  readonly now_ms: number;
  readonly mono_ms: number;
  /** Whether a deleted tmux socket may be restored (SIGUSR1 to the recorded server), and a file say what was found of the
   *  marks: not in a dry run. */
  readonly repair: boolean;
  /** A look that was begun already; who began it holds the tick lock. */
  readonly look?: Look | null;
  /** Tickets that are looked at whatever comes before them in the queue. */
  readonly also?: readonly string[];
  /** Whether whoever has claimed what is `launching` on this host is known to have ended, and nobody else starts panes for it. Asked
   *  after the board was read, and only where something is `launching`. */
  readonly claimersEnded: () => Promise<boolean>;
}

/** Who looks, and what tmux is about to answer. */
export interface Look {
  readonly me: ObserverIdentity;
  readonly tmux: Promise<TmuxView>;
}

/** Asks tmux, so that its answer comes while there is something else to do. `me`: who looks, where that is known already. */
export function beginLook({
  places,
  tmux,
  repair,
  me = lookAtSelf(hostId(places.state) ?? 'h-unknown'),
}: Pick<Eyes, 'places' | 'tmux' | 'repair'> & { readonly me?: ObserverIdentity }): Look {
  const asked = viewServer(tmux, { repair, self: me });
  asked.catch(() => {}); // told where it is waited for, if the tick comes that far
  return { me, tmux: asked };
}
