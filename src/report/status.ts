import { dialogOf } from '../model/choice.ts';
import { type HoldFacts, isTriedByRuns } from '../model/hold.ts';
import { leftoverWords } from '../model/leftover.ts';
import { offText } from '../model/sentences.ts';
import type { LiveFacts, StatusFacts, Ticks, Used } from '../model/status.ts';
import { oneLine } from '../model/text.ts';
import { TICKET_STATUSES } from '../model/ticket.ts';
import { age, ago, utc } from '../model/times.ts';
import { unreachable } from '../model/unreachable.ts';
import { notComingWords } from '../model/waits-for.ts';
import type { Switch } from '../model/world.ts';
import type { Out } from './out.ts';
import { type Cell, type Column, columnsOf, flow, paint, type Tone, table, width, wrap } from './table.ts';

export interface Shown {
  readonly now_ms: number;
  /** Infinite = nothing is cut. */
  readonly columns: number;
  readonly color: boolean;
  /** For paths below it: `~`. */
  readonly home: string;
}

const LABEL = 11;
/** From here on a runtime is one line. */
const WIDE = 132;

/** The facts in lines, as wide as what they are printed on. */
export function statusText(
  { env, out }: { readonly env: NodeJS.ProcessEnv; readonly out: Out },
  facts: StatusFacts,
  now_ms: number,
): string[] {
  return statusLines(facts, { now_ms, columns: columnsOf(env), color: out.color, home: env.HOME ?? '' });
}

/** The whole board in lines; what needs a person comes before what does not. */
function statusLines(facts: StatusFacts, shown: Shown): string[] {
  return [
    ...facts.holds.flatMap((one) => holdLines(one, shown)),
    ...ticketLines(facts, shown),
    ...slotLines(facts, shown),
    ...facts.switches.flatMap((one) => [
      ...labelled('killswitch', switchText(one, shown.now_ms), shown, 'bad'),
      ...labelled('', `to release it: ${offText(one)}`, shown, 'dim'),
    ]),
    ...launchLines(facts, shown),
    ...configLines(facts, shown),
    ...(facts.clock === null ? [] : labelled('clock', facts.clock, shown, 'bad')),
    ...facts.accounts.flatMap((one) => labelled('account', accountText(one, shown.now_ms), shown, 'ask')),
    ...tickLines(facts, shown),
    ...section('agents', liveLines(facts.live, shown), shown),
    ...section('asks, and has no agent', askLines(facts, shown), shown),
    ...section('in review', reviewLines(facts, shown), shown),
    ...section('wait for what will not come', inVainLines(facts, shown), shown),
    ...section('tried again later', retryLines(facts, shown), shown),
    ...section('left by runs that have ended', leftoverLines(facts, shown), shown),
  ];
}

/** First of all: while it stands nothing of it is launched. */
function holdLines(
  { scope, because, says, todo, since_at_ms, next_at_ms }: HoldFacts,
  shown: Shown,
): string[] {
  const { now_ms } = shown;
  const what = scope === 'host' ? 'this host' : scope.replace(':', ' ');
  const next = next_at_ms <= now_ms ? 'by the next tick' : ago(next_at_ms, now_ms);
  const again = isTriedByRuns({ because })
    ? `one run tries it ${next_at_ms <= now_ms ? 'now' : ago(next_at_ms, now_ms)}`
    : `looked at again ${next}, or at once by mc-pickup doctor`;
  const when = `since ${age(now_ms - since_at_ms)}; ${again}`;
  return [
    ...labelled('held', `${what}: ${says}`, shown, 'bad'),
    ...labelled('', `to do: ${todo}`, shown),
    ...labelled('', when, shown, 'dim'),
  ];
}

function ticketLines({ counts }: StatusFacts, shown: Shown): string[] {
  const words = TICKET_STATUSES.map((status): Cell => {
    const n = counts[status];
    const asks = status === 'needs_input' || status === 'blocked';
    return { text: `${status} ${n}`, ...(n === 0 ? { tone: 'dim' } : asks ? { tone: 'ask' } : {}) };
  });
  const none = Object.values(counts).every((n) => n === 0);
  return [
    ...under('tickets', flow(words, shown.columns - LABEL, '', shown.color), shown),
    ...(none ? labelled('', 'none yet: mc-pickup ticket add --title "..."', shown) : []),
  ];
}

function slotLines({ slots }: StatusFacts, shown: Shown): string[] {
  const one = (name: string, { used, max }: Used): Cell => {
    const full = max !== null && used >= max;
    return {
      text: `${name}${used}${max === null ? '' : ` of ${max}`}${full ? ' (full)' : ''}`,
      ...(full ? { tone: 'ask' } : {}),
    };
  };
  const named = (kind: string, all: Readonly<Record<string, Used>>): Cell[] =>
    Object.entries(all)
      .filter(([, { used, max }]) => max !== null || used > 0)
      .map(([name, used]) => one(`${kind} ${name} `, used));
  const lives = slots.living.used > slots.used ? [one('living ', slots.living)] : [];
  const words = [
    one('', slots),
    ...lives,
    ...named('project', slots.projects),
    ...named('agent', slots.agents),
  ];
  return under('slots', flow(words, shown.columns - LABEL, '', shown.color), shown);
}

/** A release is told for a day. */
const RELEASED_MS = 86_400_000;

function launchLines(
  { launches: { released_at_ms, held, lacks }, switches }: StatusFacts,
  shown: Shown,
): string[] {
  const { now_ms } = shown;
  const lines: string[] = [];
  if (held !== null) {
    const each =
      held.tickets.length === 0
        ? 'no run lived each time'
        : `runs of ${held.tickets.join(', ')} lived each time`;
    const says = `held: the tmux server was lost ${held.losses} times in half an hour, ${each}; they go on ${ago(held.until_ms, now_ms)} (${utc(held.until_ms)})`;
    lines.push(...labelled('launches', says, shown, 'bad'));
  }
  if (lacks !== null) lines.push(...labelled('launches', `they wait: ${lacks}`, shown, 'bad'));
  const since_ms = released_at_ms === null ? Number.POSITIVE_INFINITY : now_ms - released_at_ms;
  if (switches.length === 0 && since_ms < RELEASED_MS)
    lines.push(
      ...labelled(
        'launches',
        `switched on again ${age(since_ms)} ago: agents that died early before that no longer count for mass_death`,
        shown,
        'dim',
      ),
    );
  return lines;
}

function configLines({ config_errors: errors }: StatusFacts, shown: Shown): string[] {
  if (errors.length === 0) return [];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return labelled('config', `broken, nothing is launched: ${errors[0] ?? ''}${more}`, shown, 'bad');
}

function tickLines({ ticks, last_tick }: StatusFacts, shown: Shown): string[] {
  const last = ticks.last_at_ms === null ? 'never' : ago(ticks.last_at_ms, shown.now_ms);
  const outcome = ticks.because === 'halted' ? 'halted by the killswitch' : last_tick?.outcome;
  const words = `${last}${ticks.last_at_ms !== null && outcome !== undefined ? `, ${outcome}` : ''}`;
  return labelled(
    'last tick',
    `${words}${ticksText(ticks, shown.now_ms)}`,
    shown,
    ticks.coming ? undefined : 'bad',
  );
}

function ticksText({ because, interval_ms, running_since_ms, overdue }: Ticks, now_ms: number): string {
  if (overdue !== null)
    return `; TICKS HAVE STOPPED: process ${overdue.pid} (${overdue.what}) has the tick lock for ${age(overdue.held_ms)} and does not end`;
  const running = running_since_ms === null ? '' : `; one runs since ${age(now_ms - running_since_ms)}`;
  switch (because) {
    case 'ticks_come':
    case 'halted':
    case 'running':
      return running;
    case 'stopped':
      return `; TICKS HAVE STOPPED: one is due every ${age(interval_ms)}; see mc-pickup doctor`;
    case 'in_the_future':
      return '; THE CLOCK WAS SET BACK: whether ticks come cannot be told';
    case 'never':
      return ': mc-pickup dispatch is one, a scheduler starts them';
    default:
      return unreachable(because);
  }
}

function liveLines(live: readonly LiveFacts[], shown: Shown): string[] {
  const all = live.toSorted((a, b) => rank(a) - rank(b) || a.since_ms - b.since_ms);
  const wide = shown.columns >= WIDE;
  const path = (text: string | null): string =>
    text !== null && shown.home !== '' && text.startsWith(`${shown.home}/`)
      ? `~${text.slice(shown.home.length)}`
      : (text ?? '');
  const rows = all.map((one): Cell[] => {
    const { mark, tone } = markOf(one);
    const place: Cell[] = [
      { text: one.branch ?? '', tone: 'dim' },
      { text: path(one.worktree), tone: 'dim' },
    ];
    return [
      { text: one.ticket ?? 'chat', tone: 'head' },
      { text: `${mark} ${isOver(one) ? 'ended' : one.verdict.replace('_', ' ')}`, ...tone },
      { text: doing(one), ...tone },
      { text: age(shown.now_ms - one.since_ms) },
      { text: one.agent },
      ...(wide ? place : []),
      { text: one.title },
    ];
  });
  const shape: Column[] = [
    {},
    {},
    {},
    { right: true },
    { max: 16 },
    ...(wide
      ? [
          { max: Math.max(24, Math.floor(shown.columns / 5)) },
          { max: Math.max(30, Math.floor(shown.columns / 4)), cut: 'start' as const },
        ]
      : []),
    { grows: true },
  ];
  const lines = table(rows, shape, { columns: shown.columns, color: shown.color, indent: '  ' });
  const inner = '          ';
  const more = { columns: shown.columns, color: shown.color, indent: inner };
  return all.flatMap((one, n) => {
    const where = [one.branch ?? '', path(one.worktree)].filter(Boolean);
    const place: Cell[] = where.map((text) => ({ text, tone: 'dim' }));
    const cols: Column[] = where.map((_, i) =>
      i === where.length - 1 && i > 0 ? { grows: true, cut: 'start' } : {},
    );
    const question = one.question === null ? [] : table(questionRows(one.question), [{ grows: true }], more);
    return [lines[n] ?? '', ...question, ...(wide || place.length === 0 ? [] : table([place], cols, more))];
  });
}

/** The options of a choice are to be told apart; what else an agent asks is a line. */
function questionRows(question: string): Cell[][] {
  const lines = dialogOf(question) === 'choice' ? question.split('\n') : [question];
  return lines.map((text, n): Cell[] => [{ text: n === 0 ? `asks: ${text}` : text, tone: 'ask' }]);
}

/** A dead agent of one of these is missed. */
const MEANT_TO_RUN: ReadonlySet<string> = new Set(['todo', 'in_progress']);

/** What needs a person first, then what cannot be told, then what works. */
function rank(one: LiveFacts): number {
  if (one.question !== null || one.phase === 'parked') return 0;
  if (isOver(one)) return 3;
  if (one.verdict !== 'alive') return 1;
  return one.activity === 'busy' ? 2 : 3;
}

/** It ended after its report or its question, and waits for the next tick to see it: nothing has gone wrong. */
function isOver({ verdict, phase, status }: LiveFacts): boolean {
  return verdict === 'dead' && phase !== 'parked' && status !== null && !MEANT_TO_RUN.has(status);
}

function doing(one: LiveFacts): string {
  const what =
    one.phase === 'parked'
      ? 'parked'
      : one.verdict === 'alive' && one.activity !== 'unknown'
        ? one.activity
        : '';
  // A settled ticket whose agent is still there is no mistake, but worth knowing.
  const at = one.status === null || one.status === 'in_progress' ? '' : one.status;
  return [what, at].filter(Boolean).join(', ');
}

/** The mark says without any colour what the colour says. */
function markOf(one: LiveFacts): { readonly mark: string; readonly tone: { readonly tone?: Tone } } {
  if (one.phase === 'parked' || one.question !== null) return { mark: '!', tone: { tone: 'ask' } };
  switch (one.verdict) {
    case 'alive':
      return one.activity === 'idle' ? { mark: '-', tone: {} } : { mark: '>', tone: { tone: 'good' } };
    case 'dead':
      if (isOver(one)) return { mark: '-', tone: {} };
      return { mark: 'x', tone: { tone: 'bad' } };
    case 'launching':
      return { mark: '~', tone: {} };
    case 'unknown':
    case 'not_mine':
    // A row that waits for a look at its process.
    case 'registered':
    case 'running':
    case 'parked':
    case 'ended':
      return { mark: '?', tone: { tone: 'ask' } };
    default:
      return unreachable(one.verdict);
  }
}

function askLines({ counts, live, waiting }: StatusFacts, shown: Shown): string[] {
  const seen = new Set(live.map(({ ticket }) => ticket));
  const rows = waiting
    .filter(({ id }) => !seen.has(id))
    .map(({ id, question, title }): Cell[] => [
      { text: id, tone: 'head' },
      { text: `! ${question === '' ? title : question}`, tone: 'ask' },
    ]);
  const beyond = counts.needs_input - waiting.length;
  const more = beyond > 0 ? [`  and ${beyond} more: mc-pickup ticket list --status needs_input`] : [];
  return [...table(rows, [{}, { grows: true }], { ...shown, indent: '  ' }), ...more];
}

function reviewLines({ reviews }: StatusFacts, shown: Shown): string[] {
  const rows = reviews.map(({ id, title, stage, url, error, next_at_ms }): Cell[] => {
    const again = next_at_ms === null ? 'left for you' : `again ${ago(next_at_ms, shown.now_ms)}`;
    return [
      { text: id, tone: 'head' },
      { text: error === null ? stage : '!', ...(error === null ? {} : { tone: 'ask' as const }) },
      error === null ? { text: url ?? title } : { text: `${error} (${again})`, tone: 'ask' },
    ];
  });
  return table(rows, [{}, {}, { grows: true }], { ...shown, indent: '  ' });
}

function inVainLines({ in_vain }: StatusFacts, shown: Shown): string[] {
  const rows = in_vain.map((one): Cell[] => [
    { text: one.id, tone: 'head' },
    { text: one.for.map(notComingWords).join(', '), tone: 'ask' },
    { text: one.title },
  ]);
  const [first] = in_vain.flatMap((one) => one.for.filter(({ status }) => status !== null));
  const offer = `  mc-pickup ticket move ${first?.id} ${first?.status} --dependants release (or cancel) settles those of one`;
  return [
    ...table(rows, [{}, {}, { grows: true }], { ...shown, indent: '  ' }),
    ...(first === undefined ? [] : [offer]),
  ];
}

function retryLines({ retries }: StatusFacts, shown: Shown): string[] {
  const rows = retries.map(({ id, title, attempts, not_before_at_ms }): Cell[] => [
    { text: id, tone: 'head' },
    { text: ago(not_before_at_ms, shown.now_ms), tone: 'dim' },
    { text: `at ${utc(not_before_at_ms).slice(11)}` },
    { text: `attempt ${attempts + 1}` },
    { text: title },
  ]);
  const why = retries.flatMap(({ id, why }) =>
    why === null ? [] : wrap(oneLine(`${id}: ${why}`, 300), Math.max(30, shown.columns - 4)),
  );
  return [
    ...table(rows, [{}, {}, {}, {}, { grows: true }], { ...shown, indent: '  ' }),
    ...why.map((line) => `    ${line}`),
  ];
}

function leftoverLines({ leftovers }: StatusFacts, shown: Shown): string[] {
  const rows = leftovers.map((one): Cell[] => [
    { text: one.ticket ?? 'chat', tone: 'head' },
    { text: leftoverWords(one) },
  ]);
  const [first] = leftovers;
  return [
    ...table(rows, [{}, { grows: true }], { ...shown, indent: '  ' }),
    ...(first === undefined ? [] : [`  to end them: mc-pickup stop ${first.ticket ?? 'TICKET'} --leftovers`]),
  ];
}

function accountText(
  { name, limited_until_ms, limited_by, not_ready }: StatusFacts['accounts'][number],
  now_ms: number,
): string {
  if (not_ready !== null) return `${name} is NOT READY: ${not_ready} (then: mc-pickup agents ready ${name})`;
  const until = limited_until_ms ?? now_ms;
  const why = limited_by === null ? '' : `: ${limited_by}`;
  return `${name} is limited, next launch ${ago(until, now_ms)} (${utc(until)})${why}`;
}

function switchText({ level, scope, expires_at_ms, author, reason }: Switch, now_ms: number): string {
  const until = expires_at_ms === null ? '' : `, ends ${ago(expires_at_ms, now_ms)} (${utc(expires_at_ms)})`;
  const what = level === 'all' ? 'every tick is halted' : 'no launches';
  return `ON for ${scope === '*' ? 'everything' : scope}: ${what}${until}; by ${author}: ${reason}`;
}

function section(title: string, lines: readonly string[], shown: Shown): string[] {
  return lines.length === 0 ? [] : ['', paint(title, 'head', shown.color), ...lines];
}

function labelled(label: string, text: string, shown: Shown, tone?: Tone): string[] {
  const lines = wrap(text.replace(/\s+/g, ' '), Math.max(20, shown.columns - LABEL));
  return under(
    label,
    lines.map((one) => paint(one, tone, shown.color)),
    shown,
  );
}

function under(label: string, lines: readonly string[], { color }: Shown): string[] {
  const head = `${paint(label, 'head', color)}${' '.repeat(LABEL - width(label))}`;
  return lines.map((one, n) => `${n === 0 ? head : ' '.repeat(LABEL)}${one}`);
}
