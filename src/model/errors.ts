/** Exit codes of every command ("Exit codes" in README.md is the contract). */
export const EXIT = {
  ...{ ok: 0, bug: 1, usage: 2, partial: 3, unavailable: 69, busy: 75 },
  /** Sent, and nobody has acknowledged it. */
  indeterminate: 4,
  /** An agent may not do that. */
  noperm: 77,
  config: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const MARK = Symbol.for('mc-pickup.user-error');

/** An error that is the user's to mend: shown as one or more plain lines, without a stack. Its message says
 *  what happened, to what, and what to do next. */
export class UserError extends Error {
  override readonly name: string = 'UserError';
  readonly exit: ExitCode;
  readonly [MARK] = true;
  /** Each bundle has a class of its own; an error that comes from another one is one all the same. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && MARK in value;
  }
  constructor(exit: ExitCode, message: string) {
    super(message);
    this.exit = exit;
  }
}

/** The command was called in a way that can't work. */
export function usageError(message: string): UserError {
  return new UserError(EXIT.usage, message);
}

/** What a person has set up can't be used as it is. */
export function configError(message: string): UserError {
  return new UserError(EXIT.config, message);
}

/** Something that is needed is not there just now. */
export function unavailableError(message: string): UserError {
  return new UserError(EXIT.unavailable, message);
}

/** Somebody else is at it: the same may do in a moment. */
export function busyError(message: string): UserError {
  return new UserError(EXIT.busy, message);
}

/** What an error says, without its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The code of an error of the system or of SQLite, such as `ENOENT`; undefined = it has none. */
export function codeOf(error: unknown): string | undefined {
  return (error as { readonly code?: string }).code;
}

/** What a file system says when it is full or failing: nothing is wrong with the configuration. */
const DISK: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO', 'EMFILE', 'ENFILE']);

export function isDiskFault(error: unknown): boolean {
  return error instanceof Error && DISK.has(String((error as NodeJS.ErrnoException).code));
}
