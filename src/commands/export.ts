import { resolve } from 'node:path';
import { withReader } from '../board/open.ts';
import type { ActivityRow, Board } from '../board/port/index.ts';
import type { Context } from '../context.ts';
import type { Exported, Portable, Written } from '../import/index.ts';
import { refuseFile, replaceFile } from '../machine/named-file.ts';
import { EXIT, type ExitCode, usageError } from '../model/errors.ts';
import type { Ticket } from '../model/ticket.ts';
import { showing } from '../report/showing.ts';
import { statusOf } from './names.ts';

const MOST = 1_000_000;
const PAGE = 1000;

interface ExportOptions {
  readonly format: Written;
  readonly status: readonly string[];
  readonly project?: string;
}

/** Writes tickets to a file or to stdout, in the order in which they were made. */
export async function exportTickets(
  context: Context,
  file: string,
  { format, status: words, project }: ExportOptions,
): Promise<ExitCode> {
  const status = words.map(statusOf);
  const toStdout = file === '-';
  const { json, out } = context;
  if (toStdout && format !== 'jsonl' && (json || out.quiet))
    throw usageError(
      `${json ? '--json prints JSON Lines' : '--quiet prints nothing'}: name a file for --format ${format}`,
    );
  const late = await import('../import/index.ts');
  const path = resolve(file);
  if (!toStdout)
    refuseFile(path, { marks: late.MARKS, what: 'export of mc-pickup', example: 'tickets.jsonl' }); // before the work
  const tickets = await showing(context, 'reading the board', () =>
    withReader(context, async (board) => {
      const own = await board.boardId();
      const all = await board.tickets({ limit: MOST });
      const chosen = all.filter(
        (one) =>
          (status.length === 0 || status.includes(one.status)) &&
          (project === undefined || one.project === project),
      );
      const met = new Set<string>();
      const made: Portable[] = [];
      const byId = new Map(all.map((one) => [one.id, one]));
      const ids = new Set(chosen.map(({ id }) => id));
      for (const ticket of chosen) {
        const names = dependencies(ticket, {
          all: byId,
          chosen: ids,
          met,
          name: (one) => late.sourceOf(one, own),
        });
        made.push(
          late.portable({ ticket, comments: await comments(board, ticket.id), depends_on: names }, own),
        );
      }
      if (met.size > 0)
        out.warn(`${met.size} tickets that are done are not in this export, so nothing in it waits for them`);
      return made;
    }),
  );
  if (toStdout) {
    if (format === 'jsonl') for (const ticket of tickets) out.json(ticket);
    else out.line(late.written(format, tickets).trimEnd());
    return EXIT.ok;
  }
  const made = { file: replaceFile(path, late.written(format, tickets)), format, tickets: tickets.length };
  if (json) out.json(made);
  else out.line(`${made.file} (${made.tickets} tickets)`);
  return EXIT.ok;
}

interface Around {
  readonly all: ReadonlyMap<string, Ticket>;
  readonly chosen: ReadonlySet<string>;
  /** Gathers what was left out. */
  readonly met: Set<string>;
  readonly name: (ticket: Ticket) => string;
}

/** By the ids of the file. A ticket outside of it is named by its source, unless it is done: then it is waited for no more. */
function dependencies({ depends_on }: Ticket, { all, chosen, met, name }: Around): string[] {
  if (all.size === chosen.size) return [...depends_on];
  return depends_on.flatMap((id) => {
    if (chosen.has(id)) return [id];
    const other = all.get(id);
    if (other === undefined) return [id];
    if (other.status !== 'done') return [name(other)];
    met.add(id);
    return [];
  });
}

async function comments(board: Board, ticket: string): Promise<Exported['comments']> {
  const found: ActivityRow[] = [];
  for (let after = 0; ; ) {
    const rows = await board.activity({ ticket, after, limit: PAGE });
    found.push(...rows.filter(({ kind }) => kind === 'comment'));
    if (rows.length < PAGE) return found;
    after = rows.at(-1)?.id ?? after;
  }
}
