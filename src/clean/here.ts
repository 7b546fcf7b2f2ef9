import type { Board, Upkeep } from '../board/port/index.ts';
import { type Failpoint, failpoint } from '../machine/failpoint.ts';
import type { Places } from '../machine/paths.ts';
import type { Policy } from '../model/policy.ts';
import type { Tmux } from '../tmux/tmux.ts';

/** What every part of `clean` looks at. */
export interface Here {
  readonly places: Places;
  readonly env: NodeJS.ProcessEnv;
  readonly tmux: Tmux;
  readonly board: Board;
  readonly policy: Policy;
  readonly now_ms: number;
  /** What is older than this is old. */
  readonly older_ms: number;
  /** Of the board, for messages. */
  readonly name: string;
  /** null = the board keeps its own history. */
  readonly upkeep: Upkeep | null;
}

/** Marks a step that `clean` may die at. Never by a plain name in the call: `npm run test:crash` looks for those that a
 *  tick comes by. */
export function step(name: string): void {
  const point: Failpoint = `clean-${name}`;
  failpoint(point);
}
