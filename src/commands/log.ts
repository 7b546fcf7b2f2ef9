import { setTimeout as pause } from 'node:timers/promises';
import { type OpenedBoard, ticketOrFail, withMade } from '../board/open.ts';
import type { ActivityRow } from '../board/port/index.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode, usageError } from '../model/errors.ts';
import { oneLine } from '../model/text.ts';
import { columnsOf, wrap } from '../report/table.ts';
import { type LogFilter, matcherOf, newestThatFit } from './log-filter.ts';

const FOLLOW_EVERY_MS = 1000;
const BATCH = 500;

interface Options extends LogFilter {
  readonly ticket?: string;
  readonly follow?: boolean;
  readonly limit?: number;
}

/** Of the newest, where nothing else is asked for; of what is asked for. */
const NEWEST = 50;
const MOST = 10_000;

/** The newest that happened on the board and fits, in the order of time; `--follow` goes on from there until it is
 *  interrupted. */
export async function log(context: Context, o: Options): Promise<ExitCode> {
  const match = matcherOf(o, Date.now());
  const of = o.ticket === undefined ? {} : { ticket: o.ticket.toUpperCase() };
  const print = (rows: readonly ActivityRow[]): void => {
    for (const row of rows) {
      if (context.json) context.out.json(row);
      else for (const line of shownLines(row, columnsOf(context.env))) context.out.line(line);
    }
  };
  if (o.limit === 0 && o.follow !== true)
    throw usageError(
      '--limit 0 leaves nothing to print: name 1 or more, or --follow for what is still to come',
    );
  const limit = o.limit ?? (match.all && o.ticket === undefined ? NEWEST : MOST);
  const { rows, newest } = await withMade(context, async (board, opened) => {
    // One more tells whether any are left out.
    const found = await newestThatFit(board, of, match, limit + 1);
    if (!found.any && o.ticket !== undefined) await ticketOrFail(opened, o.ticket);
    if (found.rows.length === 0 && o.run !== undefined) await runOrFail(opened, o.run);
    return found;
  });
  print(rows.slice(Math.max(0, rows.length - limit)));
  // Whoever names a limit, or follows, knows.
  if (rows.length > limit && o.limit === undefined && o.follow !== true && !context.out.quiet)
    context.out.warn(
      `older lines are left out, only the newest ${limit} are shown: --limit ${10 * limit} shows more`,
    );
  let after = newest;
  // What is still to come cannot be before a time that is over.
  while (o.follow === true && !context.out.closed && Date.now() <= match.until_ms) {
    const more = await withMade(context, (board) => board.activity({ ...of, after, limit: BATCH }));
    print(more.filter((row) => match.fits(row)));
    after = more.at(-1)?.id ?? after;
    if (more.length < BATCH) await pause(FOLLOW_EVERY_MS);
  }
  return EXIT.ok;
}

/** A run that nobody has ever heard of is a slip of the pen; one without a line that fits is not. */
async function runOrFail({ board, name }: OpenedBoard, run: string): Promise<void> {
  if ((await board.runtime(run)) !== null || (await board.runtimeByMark(run)) !== null) return;
  throw usageError(
    `no run "${oneLine(run, 100)}" on the board ${name}; mc-pickup ticket show TICKET lists a ticket's runs`,
  );
}

/** On a terminal nothing breaks in the middle of a word, and names that are the same as what stands beside them are short. */
function shownLines(row: ActivityRow, columns: number): string[] {
  if (columns === Number.POSITIVE_INFINITY) return [activityLine(row)];
  const actor = row.actor.replace(/^(tick|run):.*$/s, '$1');
  const [first = '', ...more] = wrap(activityLine({ ...row, actor }), columns);
  return [first, ...more.flatMap((line) => wrap(line.trimStart(), columns - 4)).map((line) => `    ${line}`)];
}

function activityLine(row: ActivityRow): string {
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
