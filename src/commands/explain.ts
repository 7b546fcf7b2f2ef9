import type { Board, Handed, WordsRow } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import { type Context, serverOf, ticketOrFail, withReader } from '../context.ts';
import { monotonicMs } from '../machine/clock.ts';
import { EXPLAINED_TICKS } from '../model/activity.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { leftoverFacts, leftoverWords } from '../model/leftover.ts';
import type { Runtime } from '../model/runtime.ts';
import { sentence } from '../model/sentences.ts';
import { oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { ago, utc } from '../model/times.ts';
import { type Hint, hintsOf, statusHints } from '../report/hints.ts';
import { evidenceWords, historyOf, type Told, toldLine } from '../report/history.ts';
import { reviewWords } from '../report/review.ts';
import { runJson } from '../report/run.ts';
import { columnsOf, cutTo, paint, wrap } from '../report/table.ts';
import { endedRow, leftoversOf } from '../runs/leftovers.ts';
import { decided } from '../tick/decided.ts';
import { earlierTicks } from '../tick/earlier.ts';
import { observe } from '../tick/observe/index.ts';
import { ticketLine } from './ticket.ts';

/** The newest lines of a ticket's log that are shown. */
const MOST_LINES = 200;
const MOST_RUNS = 50;
const MOST_WORDS = 10;

/** What happened to a ticket in order, and what a tick would do with it now: the very plan, made without hands. */
export async function explain(context: Context, id: string): Promise<ExitCode> {
  return withReader(context, async (board) => {
    const ticket = await ticketOrFail(board, id, context);
    const past = await pastOf(board, ticket);
    const next = await nextOf(context, board, ticket, past.runs);
    const left = (await leftoversOf(context.places.state, endedRow(board, ticket.id))).map(leftoverFacts);
    if (context.json) {
      const { history, runs, told, reviews, words } = past;
      context.out.json({
        ticket,
        history,
        runs: runs.map(runJson),
        told,
        reviews,
        words,
        next: { steps: next.steps, skipped: next.skips },
        leftovers: left,
      });
      return EXIT.ok;
    }
    const now_ms = Date.now();
    context.out.painted(paint(cutTo(ticketLine(ticket), columnsOf(context.env)), 'head', context.out.color));
    for (const line of pastLines(past.told, now_ms, context)) context.out.painted(line);
    for (const one of past.words.slice(-MOST_WORDS)) say(context, 'said', saidWords(one, now_ms));
    const review = past.reviews.at(-1);
    if (review !== undefined) say(context, 'review', reviewWords(review, now_ms));
    for (const [label, text] of nowWords(ticket, next, now_ms)) say(context, label, text);
    for (const one of left) say(context, 'left', `${leftoverWords(one)}, by run ${one.run}, which has ended`);
    const hints = hintsFor(ticket, next, left.length > 0);
    const width = Math.max(0, ...hints.map(([line]) => line.length));
    for (const [line, says] of hints) context.out.line(`you can:  ${line.padEnd(width)}  ${says}`);
    return EXIT.ok;
  });
}

async function pastOf(board: Board, ticket: Ticket) {
  const [history, runs, ticks, reviews, words] = await Promise.all([
    board.activity({ ticket: ticket.id, limit: MOST_LINES }),
    board.runtimesOf({ ticket: ticket.id, limit: MOST_RUNS }),
    board.ticksAbout({ ticket: ticket.id, limit: EXPLAINED_TICKS }),
    board.reviews([ticket.id]),
    board.words(ticket.id),
  ]);
  const since = history.length < MOST_LINES ? Number.NEGATIVE_INFINITY : (history[0]?.at_ms ?? 0);
  // What ticks said before the first line that is shown belongs to nothing that is.
  const told = historyOf(
    history,
    runs,
    ticks.filter(({ at_ms }) => at_ms >= since),
  );
  return { history, runs, told, reviews: reviews ?? [], words };
}

type Next = Awaited<ReturnType<typeof nextOf>>;

async function nextOf(context: Context, board: Board, ticket: Ticket, runs: readonly Runtime[]) {
  const { places, env, tmux } = context;
  const { policy } = loadPolicy(places.config, env);
  const sends = (await serverOf(context))?.sends === true;
  const { claimersEnded, beingMade } = earlierTicks(context, policy, { locked: false, sends });
  const seen = await observe({
    ...{ places, board, tmux, policy, env, project: null, also: [ticket.id], repair: false, claimersEnded },
    now_ms: Date.now(),
    mono_ms: monotonicMs(),
  });
  const options = { dispatch: true, max: null, project: null };
  const { world, plan } = await decided(seen, policy, options, beingMade);
  const steps = [...plan.reconcile, ...plan.dispatch].filter((step) => step.ticket === ticket.id);
  const live = world.runtimes.find(({ row }) => row.ticket_id === ticket.id) ?? null;
  const since = live === null ? {} : { since: new Date(live.row.claimed_at_ms).toISOString() };
  const skips = plan.skipped
    .filter((skip) => skip.ticket === ticket.id)
    .map((skip) =>
      skip.because === 'launching' ? { ...skip, evidence: { ...skip.evidence, ...since } } : skip,
    );
  const [newest] = runs;
  const sent =
    newest === undefined
      ? null
      : await board.lastDelivery({
          run: newest.id,
          kinds: ['prompt', 'send', 'answer', 'nudge', 'permission'],
        });
  return { steps, skips, live, sent, newest };
}

function pastLines(told: readonly Told[], now_ms: number, { env, out }: Context): string[] {
  const columns = columnsOf(env);
  let day = '';
  return told.flatMap((one) => {
    const [date = '', time = ''] = utc(one.at_ms).split(' ');
    const head = date === day ? [] : [paint(`${date} (UTC)`, 'dim', out.color)];
    day = date;
    const when = `  ${time.slice(0, 8)}  ${ago(one.at_ms, now_ms).padStart(7)}  `;
    const text = wrap(oneLine(toldLine(one), 1000), Math.max(30, columns - when.length));
    return [...head, ...text.map((line, n) => `${n === 0 ? when : ' '.repeat(when.length)}${line}`)];
  });
}

const HANDED: Record<Handed, string> = {
  prompt: 'in the prompt of',
  delivered: 'delivered to',
  indeterminate: 'maybe delivered to',
};

/** A person's words, which runs had them, and whether one has honoured them. */
function saidWords({ text, author, at_ms, had, honoured_by }: WordsRow, now_ms: number): string {
  const runs = had.map(({ run_id, outcome }) => `${HANDED[outcome]} run ${run_id}`);
  const end =
    honoured_by === null ? 'not honoured yet: the next attempt gets it' : `honoured by ${honoured_by}`;
  return `${author}, ${ago(at_ms, now_ms)}: "${oneLine(text, 200)}" (${[...runs, end].join('; ')})`;
}

/** What its agent does now, and what the next tick would do. */
function nowWords(ticket: Ticket, { steps, skips, live, sent }: Next, now_ms: number): [string, string][] {
  const words: [string, string][] = [];
  if (live !== null) {
    const { row, judgement, seen } = live;
    const verdict = judgement?.verdict ?? 'being launched';
    const what =
      row.phase === 'parked' ? ', parked' : seen.activity === 'unknown' ? '' : `, ${seen.activity}`;
    const facts = { pid: row.pid, agent: row.agent, attempt: row.attempt, silent_ms: row.silent_ms };
    words.push(['now', `its agent is ${verdict}${what} (${evidenceWords(facts)}, run ${row.id})`]);
    if (seen.question !== null) words.push(['now', `it asks: ${seen.question}`]);
  }
  if (sent !== null && live !== null)
    words.push([
      'now',
      `the last text for it: ${sent.kind}, ${sent.outcome} ${ago(sent.at_ms, now_ms)}${sent.ack_source === null ? '' : ` (by ${sent.ack_source})`}`,
    ]);
  for (const { kind, because, evidence } of steps) {
    const facts = evidenceWords(evidence);
    words.push([
      'next tick',
      `${kind}, because ${sentence(because, evidence)} [${because}]${facts === '' ? '' : ` (${facts})`}`,
    ]);
  }
  for (const { because, evidence } of skips) {
    const facts = evidenceWords(evidence);
    words.push([
      'now',
      `nothing, because ${sentence(because, evidence)} [${because}]${facts === '' ? '' : ` (${facts})`}`,
    ]);
  }
  if (steps.length + skips.length === 0) words.push(['now', `nothing to do while it is ${ticket.status}`]);
  return words;
}

function hintsFor(ticket: Ticket, { skips, live, newest }: Next, hasLeft: boolean): readonly Hint[] {
  const alive = live?.judgement?.verdict === 'alive';
  const agent = {
    alive,
    dialog: live?.seen.activity === 'waiting',
    branch: (newest?.branch ?? null) !== null,
  };
  const all = [
    ...skips.flatMap(({ because }) => hintsOf(because, ticket.id, ticket.depends_on)),
    ...statusHints(ticket.status, ticket.id, agent),
    ...(hasLeft ? [[`mc-pickup stop ${ticket.id} --leftovers`, 'end what its runs have left'] as const] : []),
  ];
  const seen = new Set<string>();
  return all.filter(([line]) => !seen.has(line) && seen.add(line));
}

function say({ env, out }: Context, label: string, text: string): void {
  const head = `${label}: `;
  const lines = wrap(oneLine(text, 1000), Math.max(30, columnsOf(env) - head.length));
  for (const [n, line] of lines.entries()) out.line(`${n === 0 ? head : ' '.repeat(head.length)}${line}`);
}
