import { setTimeout as pause } from 'node:timers/promises';
import { ticketOrFail, withReader } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { hostId } from '../machine/process.ts';
import { endWords } from '../model/ends.ts';
import { EXIT, type ExitCode, unavailableError, usageError } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import { oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { ago, utc } from '../model/times.ts';
import { columnsOf, paint, type Tone, wrap } from '../report/table.ts';
import { kindOf } from '../runs/run-file.ts';
import type { Transcript, Turn } from '../runs/transcript/index.ts';

interface Options {
  readonly run?: string;
  readonly follow?: boolean;
}

const FOLLOW_EVERY_MS = 1000;
const MOST_RUNS = 50;
const TONES: Readonly<Record<Turn['who'], Tone | undefined>> = {
  ...{ user: 'ask', assistant: 'good', tool: 'dim', result: 'dim', note: 'dim', output: undefined },
};

/** The conversation of a run, as far as its client has recorded it: who said and did what, and when. */
export async function transcript(context: Context, id: string, o: Options = {}): Promise<ExitCode> {
  const { places, env, tmux, out } = context;
  const { ticket, row } = await withReader(context, async (board, opened) => {
    const found = await ticketOrFail(opened, id);
    return { ticket: found, row: await runOf(board, found, o.run) };
  });
  if (row.host_id !== hostId(places.state))
    throw unavailableError(
      `${row.id} is a run of another host (${oneLine(row.host_id, 64)}): its record is there`,
    );
  const kind = kindOf(row, places, loadPolicy(places.config, env).policy);
  const { readTranscript } = await import('../runs/transcript/index.ts');
  const read = (now: Runtime): Promise<Transcript> => readTranscript(now, kind, { runs: places.runs, tmux });
  const first = await read(row);
  if (!first.found && (o.follow !== true || row.ended_at_ms !== null))
    throw unavailableError(
      `nothing is recorded of ${ticket.id}, run ${row.id} (${kind}); looked at ${first.looked.join(', ')}`,
    );
  if (!context.json) {
    const end =
      row.ended_at_ms === null
        ? 'not ended'
        : `ended ${ago(row.ended_at_ms, Date.now())}, ${oneLine(endWords(row.end_reason), 100)}`;
    const head = `${ticket.id}  run ${row.id}  attempt ${row.attempt} with ${oneLine(row.agent, 64)} (${kind})  ${end}`;
    for (const line of wrap(head, columnsOf(env))) out.painted(paint(line, 'head', out.color));
  }
  const last: Last = { day: '', from: null, printed: 0 };
  show(context, first, last);
  for (let now = row; o.follow === true && now.ended_at_ms === null && !out.closed; ) {
    await pause(FOLLOW_EVERY_MS);
    now = (await withReader(context, (board) => board.runtime(row.id))) ?? {
      ...now,
      ended_at_ms: Date.now(),
    };
    show(context, await read(now), last);
  }
  return EXIT.ok;
}

async function runOf(board: Board, { id }: Ticket, run: string | undefined): Promise<Runtime> {
  const runs = await board.runtimesOf({ ticket: id, limit: MOST_RUNS });
  const found = run === undefined ? runs[0] : runs.find((one) => one.id === run || one.mark === run);
  if (found !== undefined) return found;
  const known = runs.slice(0, 5).map((one) => one.id);
  throw run === undefined
    ? unavailableError(`no agent has worked on ${id} yet; see mc-pickup explain ${id}`)
    : usageError(
        `--run: ${id} has no run "${oneLine(run, 64)}"${known.length > 0 ? `; its newest: ${known.join(', ')}` : ''}`,
      );
}

interface Last {
  day: string;
  from: string | null;
  printed: number;
}

/** Prints what is new. A client begins its record after its terminal has shown something: then it is told from the
 *  record's own beginning. */
function show(context: Context, found: Transcript, last: Last): void {
  if (!found.found) return;
  const { json, out } = context;
  if (found.from !== last.from) {
    last.from = found.from;
    last.printed = 0;
    if (!json) out.painted(paint(oneLine(found.from, 1000), 'dim', out.color));
  }
  for (const turn of found.turns.slice(last.printed)) {
    if (json) out.json(turn);
    else for (const line of linesOf(turn, last, context)) out.painted(line);
  }
  last.printed = found.turns.length;
}

function linesOf({ at_ms, who, text }: Turn, last: Last, { env, out }: Context): string[] {
  if (who === 'output') return [text];
  const columns = Math.max(30, columnsOf(env));
  const [day = '', time = ''] = at_ms === null ? ['', ''] : utc(at_ms).split(' ');
  const date = day !== '' && day !== last.day ? [paint(`${day} (UTC)`, 'dim', out.color)] : [];
  if (day !== '') last.day = day;
  const head = `${time.slice(0, 8).padEnd(8)}  ${who.padEnd(9)}  `;
  if (who === 'tool' || who === 'result' || who === 'note') {
    const lines = wrap(text, columns - head.length);
    return [
      ...date,
      ...lines.map((line, n) =>
        paint((n === 0 ? head : ' '.repeat(head.length)) + line, TONES[who], out.color),
      ),
    ];
  }
  // Its own paragraph: what was said may be long.
  const lines = wrap(text, columns - 2).map((line) => (line === '' ? '' : `  ${line}`));
  return ['', ...date, paint(head.trimEnd(), TONES[who], out.color), ...lines];
}
