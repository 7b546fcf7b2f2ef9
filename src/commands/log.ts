import { setTimeout as pause } from 'node:timers/promises';
import type { ActivityRow } from '../board/port.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { oneLine } from '../text.ts';
import { type Context, ticketOrFail, withReader } from './context.ts';

const FOLLOW_EVERY_MS = 1000;
const BATCH = 500;

/** The newest that happened on the board, in the order of time; `--follow` goes on from there until it is
 *  interrupted. */
export async function log(
  context: Context,
  o: { readonly ticket?: string; readonly follow?: boolean; readonly limit: number },
): Promise<ExitCode> {
  const of = o.ticket === undefined ? {} : { ticket: o.ticket.toUpperCase() };
  const print = (rows: readonly ActivityRow[]): void => {
    for (const row of rows) {
      if (context.json) context.out.json(row);
      else context.out.line(activityLine(row));
    }
  };
  const first = await withReader(context, async (board) => {
    // One at least, to know where `--follow` begins.
    const rows = await board.activity({ ...of, limit: Math.max(1, o.limit) });
    if (rows.length === 0 && o.ticket !== undefined) await ticketOrFail(board, o.ticket, context);
    return rows;
  });
  print(o.limit === 0 ? [] : first);
  let after = first.at(-1)?.id ?? 0;
  while (o.follow === true && !context.out.closed) {
    const rows = await withReader(context, (board) => board.activity({ ...of, after, limit: BATCH }));
    print(rows);
    after = rows.at(-1)?.id ?? after;
    if (rows.length < BATCH) await pause(FOLLOW_EVERY_MS);
  }
  return EXIT.ok;
}

export function activityLine(row: ActivityRow): string {
  const at = new Date(row.at_ms).toISOString().slice(0, 19).replace('T', ' ');
  const why = [
    row.because === null ? '' : `[${oneLine(row.because, 60)}]`,
    row.text === null ? '' : oneLine(row.text, 160),
  ];
  return [
    at,
    oneLine(row.ticket_id ?? '-', 20).padEnd(8),
    oneLine(row.kind, 20).padEnd(10),
    oneLine(row.actor, 40),
    ...why.filter(Boolean),
  ].join('  ');
}
