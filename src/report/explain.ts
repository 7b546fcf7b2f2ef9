import type { DeliveryRow, Handed, ReviewRow, WordsRow } from '../board/port/index.ts';
import { dialogOf } from '../model/choice.ts';
import type { LeftoverFacts } from '../model/leftover.ts';
import { leftoverWords } from '../model/leftover.ts';
import type { Skip, SkipBecause, Step } from '../model/plan.ts';
import type { Runtime } from '../model/runtime.ts';
import { offText, sentence } from '../model/sentences.ts';
import { clean, oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { ago, utc } from '../model/times.ts';
import { type NotComing, notComingWords } from '../model/waits-for.ts';
import type { ObservedRuntime, Switch } from '../model/world.ts';
import { type Hint, hintsOf, inVainHint, statusHints } from './hints.ts';
import { evidenceWords, type Told, toldLine } from './history.ts';
import type { Out } from './out.ts';
import { reviewWords } from './review.ts';
import { columnsOf, cutTo, paint, wrap } from './table.ts';
import { ticketLine } from './ticket.ts';

/** Of a person's words the newest. */
const MOST_WORDS = 10;

/** All that is known of one ticket. */
export interface Explained {
  readonly ticket: Ticket;
  readonly told: readonly Told[];
  readonly words: readonly WordsRow[];
  readonly reviews: readonly ReviewRow[];
  readonly runs: readonly Runtime[];
  /** The last text for its newest run. */
  readonly sent: DeliveryRow | null;
  /** What a tick would do with it. */
  readonly steps: readonly Step[];
  readonly skips: readonly Skip[];
  readonly live: ObservedRuntime | null;
  readonly leftovers: readonly LeftoverFacts[];
  /** Tickets that it waits for in vain. */
  readonly in_vain: readonly NotComing[];
  /** That keep launches of it from going on. */
  readonly switches: readonly Switch[];
  /** What is kept of the output of its newest run, if that is headless. */
  readonly printed: { readonly path: string; readonly left_out_bytes: number } | null;
}

/** What happened to a ticket in order, what it waits for, and what a person may type. */
export function explainedLines(
  it: Explained,
  { env, out }: { readonly env: NodeJS.ProcessEnv; readonly out: Pick<Out, 'color'> },
  now_ms: number,
): string[] {
  const shape = { columns: columnsOf(env), color: out.color };
  const review = it.reviews.at(-1);
  const labelled: (readonly [string, string])[] = [
    ...it.words.slice(-MOST_WORDS).map((one) => ['said', saidWords(one, now_ms)] as const),
    ...(review === undefined ? [] : [['review', reviewWords(review, now_ms)] as const]),
    ...nowWords(it, now_ms),
    ...outputWords(it),
    ...it.in_vain.map((one) => ['now', `${notComingWords(one)}: it waits for that in vain`] as const),
    ...switchWords(it),
    ...endWords(it),
    ...it.leftovers.map(
      (one) => ['left', `${leftoverWords(one)}, by run ${one.run}, which has ended`] as const,
    ),
  ];
  const hints = hintsFor(it);
  const width = Math.max(0, ...hints.map(([line]) => line.length));
  return [
    paint(cutTo(ticketLine(it.ticket), shape.columns), 'head', shape.color),
    ...pastLines(it.told, now_ms, shape),
    ...labelled.flatMap(([label, text]) => under(label, text, shape.columns)),
    ...hints.map(([line, says]) => clean(`you can:  ${line.padEnd(width)}  ${says}`)),
  ];
}

interface Shape {
  readonly columns: number;
  readonly color: boolean;
}

function pastLines(told: readonly Told[], now_ms: number, { columns, color }: Shape): string[] {
  let day = '';
  return told.flatMap((one) => {
    const [date = '', time = ''] = utc(one.at_ms).split(' ');
    const head = date === day ? [] : [paint(`${date} (UTC)`, 'dim', color)];
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

/** What comes of it by itself, where the reason alone leaves that open. */
const THEN: Partial<Record<SkipBecause, string>> = {
  not_before: ': it waits after a failure, and a tick tries it again by itself then',
  no_slot: ': a tick launches it when an agent has ended; max_agents of [limits] says how many there may be',
  no_slot_project: ': a tick launches it when an agent of that project has ended',
  no_slot_agent: ': a tick launches it when an agent of that profile has ended',
  low_memory: ': a tick launches it when there is more',
  under_pressure: ': a tick launches it when there is less of it',
  living_limit:
    ': a tick launches it when one of them has ended; max_living of [limits] says how many there may be, questions that are answered make room, and settled agents give way (of kind command after a minute without output)',
  launch_limit: ': the next ones take it (max_launches_per_tick)',
  account_limited: ': a tick launches it when the limit is over',
};

/** What its agent does now, and what the next tick would do. */
function nowWords({ ticket, steps, skips, live, sent }: Explained, now_ms: number): [string, string][] {
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
    const text = sentence({ because, evidence });
    const facts = evidenceWords(evidence, { text, because });
    words.push(['next tick', `${kind}, because ${text} [${because}]${facts === '' ? '' : ` (${facts})`}`]);
  }
  for (const { because, evidence } of skips) {
    const text = sentence({ because, evidence });
    const facts = evidenceWords(evidence, { text, because });
    words.push([
      'now',
      `nothing, because ${text} [${because}]${facts === '' ? '' : ` (${facts})`}${THEN[because] ?? ''}`,
    ]);
  }
  if (steps.length + skips.length === 0) words.push(['now', `nothing to do while it is ${ticket.status}`]);
  return words;
}

/** Whatever else it waits for, it would wait for these too. */
function switchWords({ switches, skips }: Explained): [string, string][] {
  if (skips.some(({ because }) => because === 'killswitch')) return [];
  return switches.map(({ scope, reason }) => [
    'now',
    `the killswitch is on for ${scope === '*' ? 'everything' : scope}: ${reason}`,
  ]);
}

/** Where the program did well, and its way to be started makes that a failure. */
function endWords({ runs: [newest] }: Explained): [string, string][] {
  if (newest?.end_reason !== 'agent_exited' || newest.exit_code !== 0 || newest.headless) return [];
  return [
    [
      'note',
      `its agent exited with 0 and without a report, which is a failed attempt of an interactive one; with mode = "headless" of agent.${newest.agent} such an end with commits goes to review`,
    ],
  ];
}

/** Said only where not all of it is kept. */
function outputWords({ printed }: Explained): [string, string][] {
  if (printed === null || printed.left_out_bytes === 0) return [];
  const mb = Math.round(printed.left_out_bytes / 1024 / 1024);
  return [['output', `its beginning and its end are kept, ${mb} MB between are left out (${printed.path})`]];
}

function hintsFor({
  ticket,
  skips,
  live,
  runs: [newest],
  leftovers,
  in_vain,
  switches,
}: Explained): readonly Hint[] {
  const alive = live?.judgement?.verdict === 'alive';
  const agent = {
    alive,
    dialog: alive && live.seen.activity === 'waiting' ? dialogOf(live.seen.question) : null,
    branch: (newest?.branch ?? null) !== null,
  };
  const all = [
    ...in_vain.map((one) => inVainHint(one, ticket)),
    ...switches.map((one) => [offText(one), 'launch again'] as const),
    ...skips.flatMap(({ because }) => hintsOf(because, ticket.id, ticket.depends_on)),
    ...statusHints(ticket.status, ticket.id, agent),
    ...(leftovers.length > 0
      ? [[`mc-pickup stop ${ticket.id} --leftovers`, 'end what its runs have left'] as const]
      : []),
  ];
  const seen = new Set<string>();
  return all.filter(([line]) => !seen.has(line) && seen.add(line));
}

function under(label: string, text: string, columns: number): string[] {
  const head = `${label}: `;
  const lines = wrap(oneLine(text, 1000), Math.max(30, columns - head.length));
  return lines.map((line, n) => `${n === 0 ? head : ' '.repeat(head.length)}${line}`);
}
