import type { Board, Starter } from '../board/port/index.ts';
import type { Places } from '../machine/paths.ts';
import type { Policy } from '../model/policy.ts';
import type { Tmux } from '../tmux/tmux.ts';

/** This machine, and what a tick knows of itself. */
export interface Here {
  readonly places: Places;
  readonly board: Board;
  readonly tmux: Tmux;
  readonly policy: Policy;
  readonly env: NodeJS.ProcessEnv;
  /** The Node and the script that launchers and agents call back. */
  readonly node: string;
  readonly bin: string;
  readonly tick_id: string;
  readonly clock: () => number;
  /** Who starts the runtimes; absent = we do. */
  readonly starter?: Starter | null;
}
