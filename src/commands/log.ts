import { setTimeout as pause } from 'node:timers/promises';
import type { ActivityRow } from '../board/port.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { oneLine } from '../text.ts';
import { type Context, withReader } from './context.ts';

const FOLLOW_EVERY_MS = 1000;

/** What happened on the board, oldest first; `--follow` goes on until it is interrupted. */
export async function log(
  context: Context,
  o: { readonly ticket?: string; readonly follow?: boolean; readonly limit: number },
): Promise<ExitCode> {
  let after = 0;
  for (;;) {
    const rows = await withReader(context, (board) =>
      board.activity({
        limit: o.limit,
        ...(o.ticket === undefined ? {} : { ticket: o.ticket.toUpperCase() }),
        ...(after > 0 ? { after } : {}),
      }),
    );
    for (const row of rows) {
      if (context.json) context.out.json(row);
      else context.out.line(activityLine(row));
      after = Math.max(after, row.id);
    }
    if (o.follow !== true) return EXIT.ok;
    await pause(FOLLOW_EVERY_MS);
  }
}

export function activityLine(row: ActivityRow): string {
  const at = new Date(row.at_ms).toISOString().slice(0, 19).replace('T', ' ');
  const why = [
    row.because === null ? '' : `[${row.because}]`,
    row.text === null ? '' : oneLine(row.text, 160),
  ];
  return [
    at,
    (row.ticket_id ?? '-').padEnd(8),
    row.kind.padEnd(10),
    oneLine(row.actor, 40),
    ...why.filter(Boolean),
  ].join('  ');
}
