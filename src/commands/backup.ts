import { join, resolve } from 'node:path';
import { knownBoard } from '../board/open.ts';
import type { Upkeep } from '../board/port/index.ts';
import type { Context } from '../context.ts';
import { hostId } from '../machine/process.ts';
import { EXIT, type ExitCode, usageError } from '../model/errors.ts';
import { showing } from '../report/showing.ts';
import { betweenTicks } from '../tick/between.ts';

/** A checked copy of the board, made while ticks and agents go on. */
export async function backup(
  context: Context,
  o: { readonly to?: string; readonly keep: number },
): Promise<ExitCode> {
  if (o.keep < 1) throw usageError('--keep must be at least 1');
  const { places, out } = context;
  const upkeep = await upkeepOf(context);
  const dir = resolve(o.to ?? join(places.state, 'backups'));
  const made = await showing(context, 'copying and checking the board', () =>
    upkeep.backup({ dir, keep: o.keep, now_ms: Date.now() }),
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
  const upkeep = await upkeepOf(context);
  const { kept } = await betweenTicks(context, 'checking and restoring the board', () =>
    upkeep.restore({ file: resolve(file), now_ms: Date.now() }),
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

async function upkeepOf(context: Context): Promise<Upkeep> {
  const { upkeep, name } = await knownBoard(context);
  if (upkeep !== null) return upkeep;
  throw usageError(`the board is ${name}: it is backed up and restored there`);
}
