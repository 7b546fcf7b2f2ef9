/** What `clean` proposes, what it leaves, and what came of it. */
export const GROUPS = ['worktrees', 'runs', 'activity', 'runtimes', 'branches'] as const;

export type Group = (typeof GROUPS)[number];

export interface Item {
  readonly group: Group;
  readonly kind:
    | 'worktree'
    | 'cut_off'
    | 'branch'
    | 'run'
    | 'trash'
    | 'mark'
    | 'process'
    | 'activity'
    | 'ticks'
    | 'deliveries';
  /** A path, a branch, or the name of a table. */
  readonly name: string;
  readonly ticket: string | null;
  /** Why it may go, a literal. */
  readonly because: string;
  /** The same in words. */
  readonly says: string;
  readonly bytes: number | null;
  /** Rows of the board. */
  readonly rows: number | null;
}

/** Something that was looked at and stays. */
export interface Left {
  readonly group: Group;
  readonly name: string;
  readonly ticket: string | null;
  readonly because: string;
  readonly says: string;
}

/** A command for a person: `clean` ends no agent. */
export interface Advice {
  readonly command: string;
  readonly ticket: string | null;
  readonly says: string;
}

export type Acted =
  /** `restore`: what brings it back; null = nothing has to. `later`: what remains to be done once ticks may run again. */
  | { readonly result: 'done'; readonly restore: string | null; readonly later?: () => void }
  /** Something has changed since it was proposed. */
  | { readonly result: 'left'; readonly because: string; readonly says: string }
  | { readonly result: 'failed'; readonly error: string };

export interface Proposal {
  readonly item: Item;
  /** How it could be brought back, as far as that can be said beforehand. */
  readonly restorable: string;
  /** What of the user's own comes first, while ticks still run; what went wrong with it, in words. It keeps nothing from going. */
  before?(): Promise<string | null>;
  /** Looks again, and only then does it. The caller holds the tick lock. */
  act(): Promise<Acted>;
}

export interface Found {
  readonly proposals: readonly Proposal[];
  readonly left: readonly Left[];
  readonly advice: readonly Advice[];
}

export const NOTHING: Found = { proposals: [], left: [], advice: [] };

export function together(all: readonly Found[]): Found {
  return {
    proposals: all.flatMap(({ proposals }) => proposals),
    left: all.flatMap(({ left }) => left),
    advice: all.flatMap(({ advice }) => advice),
  };
}
