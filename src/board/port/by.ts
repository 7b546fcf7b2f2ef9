/** Losing a race is a result, not an error. */
export type Cas = 'won' | 'lost';

/** Who changes something, for the activity log: `alice`, `tick:<id>`, `run:<run id>`. */
export type Actor = string;

/** Who writes, and when: the board reads no clock. */
export interface By {
  readonly actor: Actor;
  readonly now_ms: number;
}

/** When, of a write whose request says by itself who writes. */
export type At = Pick<By, 'now_ms'>;
