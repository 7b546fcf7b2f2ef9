import { spawn } from 'node:child_process';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { attachArgs } from '../runtime/tmux.ts';
import { type Context, ticketOrFail, withReader } from './context.ts';

/** Hands the terminal over to the agent's own. */
export async function attach(context: Context, id: string): Promise<ExitCode> {
  const session = await withReader(context, async (board) => {
    const ticket = await ticketOrFail(board, id, context);
    const row = await board.liveRuntime(ticket.id);
    if (row?.tmux_session == null) {
      throw new UserError(
        EXIT.unavailable,
        `${ticket.id} has no living agent to attach to; see mc-pickup explain ${ticket.id}`,
      );
    }
    return row.tmux_session;
  });
  if (!process.stdin.isTTY) throw new UserError(EXIT.usage, 'attach needs a terminal');
  // From inside a tmux of the user's own, nesting is what was asked for: ours is another server.
  const { TMUX: _, ...env } = context.env;
  const child = spawn(context.tmux.binary, attachArgs(context.tmux, session), { stdio: 'inherit', env });
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', (code) => done(code === 0 ? EXIT.ok : EXIT.unavailable));
  });
}
