/** What a pane shows, with its styles (`capture-pane -e`), and where its cursor is. */
export interface Screen {
  readonly rows: readonly string[];
  readonly x: number;
  readonly y: number;
  /** The program draws the whole screen itself, and says so. */
  readonly full?: boolean;
}

/** Where a client takes a text: whether one stands there that had no Enter yet. */
export type Composer = 'empty' | 'filled';
