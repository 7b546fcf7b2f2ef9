/** Exit codes of every command (DESIGN.md section 8 is the contract). */
export const EXIT = { ok: 0, bug: 1, usage: 2, partial: 3, unavailable: 69, busy: 75, config: 78 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An error that is the user's to mend: shown as one or more plain lines, without a stack. Its message says
 *  what happened, to what, and what to do next. */
export class UserError extends Error {
  override readonly name: string = 'UserError';
  readonly exit: ExitCode;
  constructor(exit: ExitCode, message: string) {
    super(message);
    this.exit = exit;
  }
}
