import { spawn, spawnSync } from 'node:child_process';
import { ticketOrFail, withReader } from '../board/open.ts';
import type { Context } from '../context.ts';
import { hostId } from '../machine/process.ts';
import { EXIT, type ExitCode, type UserError, unavailableError, usageError } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import { oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { attachArgs } from '../tmux/tmux.ts';

interface Options {
  /** A new window of the user's own tmux, in place of this terminal. */
  readonly window?: boolean;
  readonly readOnly?: boolean;
}

const ASK_MS = 5000;
/** Ours has no configuration: its prefix is tmux's own. */
const PREFIX = 'C-b';

/** Hands the terminal over to the agent's own. The agent goes on whatever the person does with it. */
export async function attach(context: Context, id: string, o: Options = {}): Promise<ExitCode> {
  const { ticket, session } = await withReader(context, async (board, opened) => {
    const found = await ticketOrFail(opened, id);
    const row = await board.liveRuntime(found.id);
    return { ticket: found, session: sessionOf(found, row, context) };
  });
  const words = attachArgs(context.tmux, session, o.readOnly === true);
  return o.window === true ? inWindow(context, ticket, words) : here(context, ticket, words);
}

/** The session to attach to, or why there is none. */
function sessionOf({ id }: Ticket, row: Runtime | null, { places }: Context): string {
  const no = (why: string): UserError => unavailableError(why);
  if (row === null)
    throw no(
      `${id} has no living agent to attach to; what it did: mc-pickup transcript ${id}, and why it is not running: mc-pickup explain ${id}`,
    );
  if (row.host_id !== hostId(places.state))
    throw no(`the agent of ${id} runs on another host (${oneLine(row.host_id, 64)}): attach to it there`);
  if (row.headless)
    throw no(
      `the agent of ${id} is headless, there is nothing to attach to: mc-pickup transcript ${id} --follow`,
    );
  if (row.phase === 'launching') throw no(`${id} is being launched: try again in a moment`);
  if (row.tmux_session === null)
    throw no(
      `the agent of ${id} (pid ${row.pid}) has no terminal that is known: mc-pickup transcript ${id} --follow`,
    );
  return row.tmux_session;
}

async function here(context: Context, { id }: Ticket, words: readonly string[]): Promise<ExitCode> {
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw usageError(
      `attach needs a terminal: run it in one, or read along with mc-pickup transcript ${id} --follow`,
    );
  const { TMUX: nested, ...env } = context.env;
  context.out.line(`${id}: ${detachWords(nested, context)}; the agent works on`);
  // From inside a tmux of the user's own, nesting is what was asked for: ours is another server.
  const child = spawn(context.tmux.binary, words, { stdio: 'inherit', env });
  return new Promise((done, fail) => {
    child.once('error', (error: NodeJS.ErrnoException) => fail(error.code === 'ENOENT' ? noTmux() : error));
    child.once('exit', (code) => done(code === 0 ? EXIT.ok : EXIT.unavailable));
  });
}

/** The keys that lead out again. The outer tmux keeps its own prefix for itself: pressed twice it sends it on. */
function detachWords(nested: string | undefined, { tmux, env }: Context): string {
  if (!nested) return `leave it with ${PREFIX} d`;
  const asked = spawnSync(tmux.binary, ['show-options', '-gv', 'prefix'], {
    env,
    encoding: 'utf8',
    timeout: ASK_MS,
  });
  const outer = asked.status === 0 ? asked.stdout.trim() : PREFIX;
  const keys = outer === PREFIX ? `${PREFIX} ${PREFIX} d` : `${PREFIX} d`;
  return `leave it with ${keys} (tmux in tmux; or use --window)`;
}

/** Only because it was asked for: the server is the user's. */
async function inWindow(context: Context, { id }: Ticket, words: readonly string[]): Promise<ExitCode> {
  if (!context.env.TMUX) throw usageError('--window opens a window of the tmux you are in, and this is none');
  const name = id.replace(/[^\w-]/g, '').slice(0, 40) || 'agent';
  // Several words, so that tmux asks no shell; a `;` at the end of one would end its command.
  const argv = ['env', '-u', 'TMUX', '-u', 'TMUX_PANE', context.tmux.binary, ...words];
  const child = spawn(
    context.tmux.binary,
    ['new-window', '-n', name, '--', ...argv.map((word) => word.replace(/;$/, '\\;'))],
    { stdio: ['ignore', 'ignore', 'inherit'], env: context.env },
  );
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', (error: NodeJS.ErrnoException) => fail(error.code === 'ENOENT' ? noTmux() : error));
    child.once('exit', done);
  });
  if (code !== 0) throw unavailableError(`your tmux opened no window for ${id}`);
  context.out.line(`${id}: in a window of your tmux; leave it with ${PREFIX} ${PREFIX} d, or close it`);
  return EXIT.ok;
}

function noTmux(): UserError {
  return unavailableError(
    'tmux is not installed or not on PATH: install it, for example apt-get install tmux',
  );
}
