import { join, resolve } from 'node:path';
import { type Context, serverOf } from '../context.ts';
import { hostId } from '../machine/process.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { showing } from '../report/showing.ts';
import { betweenTicks } from '../tick/between.ts';

/** A checked copy of the board, made while ticks and agents go on. */
export async function backup(
  context: Context,
  o: { readonly to?: string; readonly keep: number },
): Promise<ExitCode> {
  if (o.keep < 1) throw new UserError(EXIT.usage, '--keep must be at least 1');
  const { places, out } = context;
  await refuseServer(context);
  const { backupBoard } = await import('../board/sqlite/care.ts');
  const dir = resolve(o.to ?? join(places.state, 'backups'));
  const made = await showing(context, 'copying and checking the board', () =>
    backupBoard(places.board, dir, o.keep, Date.now()),
  );
  if (context.json) out.json(made);
  else {
    const gone = made.removed.length === 0 ? '' : `; ${made.removed.length} older removed`;
    out.line(`${made.file} (${made.bytes} bytes, checked${gone})`);
  }
  return EXIT.ok;
}

/** Puts a backup in the board's place. Agents that were started since are found by the next ticks and adopted. */
export async function restore(context: Context, file: string): Promise<ExitCode> {
  const { places, out } = context;
  await refuseServer(context);
  const { restoreBoard } = await import('../board/sqlite/care.ts');
  const { kept } = await betweenTicks(context, 'checking and restoring the board', async () =>
    restoreBoard(places.board, resolve(file), Date.now()),
  );
  if (context.json) out.json({ board: places.board, kept });
  else {
    out.line(
      `${places.board} is now ${resolve(file)}${kept === null ? '' : `; the board before it is kept as ${kept}`}`,
    );
    if (hostId(places.state) !== null)
      out.line('the next tick looks at what lives, and adopts what the board has lost');
  }
  return EXIT.ok;
}

async function refuseServer(context: Context): Promise<void> {
  const server = await serverOf(context);
  if (server !== null)
    throw new UserError(EXIT.usage, `the board is ${server.url}: it is backed up and restored there`);
}
