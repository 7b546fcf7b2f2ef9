/** What a forge knows of one branch. */
export interface PullRequest {
  /** null = the forge has no numbers. */
  readonly number: number | null;
  readonly url: string;
  readonly state: 'open' | 'merged' | 'closed';
  /** The commit that it shows; null = not told. */
  readonly head: string | null;
}

/** What is to be opened. Every text is plain: no forge may take it for a command or for its own markup. */
export interface Wanted {
  readonly ticket: { readonly id: string; readonly title: string; readonly project: string };
  readonly branch: string;
  /** Whose fork the branch is in; null = it is in the repository of the pull request itself. */
  readonly head_owner: string | null;
  readonly base: string;
  readonly head: string;
  readonly title: string;
  readonly body: string;
  readonly draft: boolean;
}

/** Where pull requests are opened and merged. Each call is bounded in time, and throws `ForgeError` and nothing else. */
export interface Forge {
  /** Those of this branch of this owner, whatever their state, the newest first. */
  find(wanted: Wanted): Promise<readonly PullRequest[]>;
  /** Opens one. Where the forge says that there is one already, that one is given. */
  open(wanted: Wanted): Promise<PullRequest>;
  /** One that is known, as it is now. */
  look(known: PullRequest, wanted: Wanted): Promise<PullRequest>;
}

export class ForgeError extends Error {
  override readonly name = 'ForgeError';
  /** Not before this time, as the forge has announced; null = not said. It is no failure of ours then. */
  readonly until_ms: number | null;
  constructor(message: string, until_ms: number | null = null) {
    super(message);
    this.until_ms = until_ms;
  }
}

/** Told by its name: a bundle of its own has a class of its own. */
export function isForgeError(error: unknown): error is ForgeError {
  return error instanceof Error && error.name === 'ForgeError';
}

/** An address that may be shown and opened. */
export function webAddress(text: unknown): string | null {
  if (typeof text !== 'string' || text.length > 500 || !/^https?:\/\/[\x21-\x7e]+$/.test(text)) return null;
  return URL.parse(text) === null ? null : text;
}
