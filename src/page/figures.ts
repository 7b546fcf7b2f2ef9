import type { HistoryTick } from '../board/port/index.ts';
import { axis, drawn, ink, isNarrow, label } from './chart.ts';
import type { PageData } from './data.ts';
import {
  type Bin,
  bins,
  type Gap,
  gaps,
  type Reason,
  reasons,
  throughput,
  type Used,
  used,
  utcDays,
} from './derive.ts';
import { Html, html } from './html.ts';
import { type Clock, DAY, SECOND, span } from './time.ts';
import { dollars, figure, key, literal, many, meaning, plain, said, short, table } from './words.ts';

const WIDE = 560;
const HEIGHT = 210;
const SERIES = ['var(--s1)', 'var(--s2)', 'var(--s3)', 'var(--s4)'] as const;

const square = (color: string): Html =>
  new Html(
    `<svg class="key" viewBox="0 0 14 14" aria-hidden="true" focusable="false"><rect width="14" height="14" rx="2" fill="${color}"/></svg>`,
  );
const sum = (all: readonly number[]): number => all.reduce((total, one) => total + one, 0);

const grid = { left: 46, right: 12, top: 14, bottom: 26 };
const category = (data: readonly string[]) => ({
  xAxis: { type: 'category', data, ...axis.label({ hideOverlap: true }), ...axis.line },
});
const whole = (formatter?: (n: number) => string) => ({
  yAxis: {
    type: 'value',
    splitNumber: 4,
    ...(formatter === undefined ? { minInterval: 1 } : {}),
    ...axis.label(formatter === undefined ? {} : { formatter }),
    ...axis.split,
  },
});

/** Tickets that came to review, and that were done. */
export function throughputFigure({ history, days }: PageData, clock: Clock): Html {
  const all = throughput(history.events, clock, days);
  const [review, done] = [sum(all.map((one) => one.in_review)), sum(all.map((one) => one.done))];
  const unit = days <= 2 ? 'hour' : 'day';
  const bars = (name: 'in_review' | 'done', color: string) => ({
    type: 'bar',
    silent: true,
    barGap: '15%',
    barMaxWidth: 26,
    itemStyle: { color, borderRadius: [2, 2, 0, 0] },
    data: all.map((one) => one[name]),
  });
  return figure({
    id: 'throughput',
    title: `Throughput by ${unit}`,
    wide: true,
    says:
      review + done === 0
        ? `Nothing came to review and nothing was done in the last ${many(days, 'day')}.`
        : html`${many(review, 'ticket')} to review and ${done} done in the last ${many(days, 'day')}.`,
    chart:
      review + done === 0
        ? null
        : drawn(
            {
              ...{ id: 'throughput', wide: 1190, height: () => HEIGHT },
              option: () => ({
                ...{ grid, ...category(all.map((one) => one.label)), ...whole() },
                series: [bars('in_review', SERIES[0]), bars('done', SERIES[2])],
              }),
            },
            `Tickets by ${unit}: to review, and done. The table below has the numbers.`,
          ),
    legend: html`<ul class="legend">${key(square(SERIES[0]), 'to review (left bar)')}${key(square(SERIES[2]), 'done (right bar)')}</ul>`,
    table: table(
      `throughput by ${unit}`,
      [
        { head: unit === 'day' ? 'Day' : 'Hour', cell: (one) => one.label },
        { head: 'To review', cell: (one) => one.in_review, number: true },
        { head: 'Done', cell: (one) => one.done, number: true },
      ],
      [...all].reverse(),
    ),
  });
}

/** What was used by day, in tokens or in money, each profile a part of the bar. */
export function usageFigure(data: PageData, what: 'tokens' | 'usd'): Html {
  const all = used(data.usage);
  const of = (one: Used): number => one[what] ?? 0;
  const days = utcDays(data.now_ms, data.days);
  const total = sum(all.map(of));
  const say = what === 'tokens' ? short : dollars;
  // One profile has one colour, whatever is counted.
  const profiles = partsOf(all);
  const names = profiles.filter((name) => all.some((one) => partOf(one, profiles) === name && of(one) > 0));
  const color = (name: string): string => SERIES[profiles.indexOf(name)] ?? '';
  const today = sum(all.filter(({ day }) => day === days.at(-1)).map(of));
  const value = (day: string, name: string): number =>
    sum(all.filter((one) => one.day === day && partOf(one, profiles) === name).map(of));
  const title = what === 'tokens' ? 'Tokens by day' : 'Money by day';
  const silent = all.filter(({ usd }) => usd === null).map(({ agent }) => agent);
  const untold = what === 'usd' ? [...new Set(silent)] : [];
  const nothing =
    what === 'tokens'
      ? `No client has recorded any use in the last ${many(data.days, 'day')}.`
      : `No client has told what it cost in the last ${many(data.days, 'day')}.`;
  return figure({
    id: what,
    title,
    says:
      total === 0
        ? nothing
        : html`${say(total)} in the last ${many(data.days, 'day')}, ${say(today)} of it today (UTC)${
            what === 'tokens' && ': input, output and cache writes, as budgets count'
          }.${untold.length > 0 && html` Without ${untold.map((name, n) => html`${n > 0 && ', '}${said(name, 40)}`)}, which tells no money.`}`,
    chart:
      total === 0
        ? null
        : drawn(
            {
              ...{ id: what, wide: WIDE, height: () => HEIGHT },
              option: () => ({
                ...{
                  grid,
                  ...category(days.map(shortDay)),
                  ...whole(what === 'tokens' ? short : (n) => `$${n}`),
                },
                series: names.map((name) => ({
                  type: 'bar',
                  stack: 'all',
                  barMaxWidth: 30,
                  silent: true,
                  itemStyle: { color: color(name), borderColor: 'var(--card)', borderWidth: 1 },
                  data: days.map((day) => value(day, name)),
                })),
              }),
            },
            `${title}, by profile. The table below has the numbers.`,
          ),
    legend: html`<ul class="legend">${names.map((name, n) =>
      key(square(color(name)), html`${said(name, 40)}${names.length > 1 && n === 0 ? ' (lowest)' : ''}`),
    )}</ul>`,
    ...(all.length > 0 && {
      table: table(
        `${title.toLowerCase()} (UTC) and profile`,
        [
          { head: 'Day', cell: (one) => html`<time datetime="${one.day}">${one.day}</time>` },
          { head: 'Profile', cell: (one) => said(one.agent, 40) },
          { head: 'Tokens', cell: (one) => one.tokens.toLocaleString('en'), number: true },
          { head: 'Read from cache', cell: (one) => one.cache_read.toLocaleString('en'), number: true },
          { head: 'Turns', cell: (one) => one.turns, number: true },
          { head: 'Money', cell: (one) => (one.usd === null ? 'not told' : dollars(one.usd)), number: true },
        ],
        [...all].reverse(),
      ),
    }),
  });
}

const OTHERS = 'others';

/** The profiles that used most, and all others as one. */
function partsOf(all: readonly Used[]): string[] {
  const totals = new Map<string, number>();
  for (const { agent, tokens } of all) totals.set(agent, (totals.get(agent) ?? 0) + tokens);
  const names = [...totals].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  return names.length <= SERIES.length ? names : [...names.slice(0, SERIES.length - 1), OTHERS];
}

function partOf({ agent }: Used, profiles: readonly string[]): string {
  return profiles.includes(agent) ? agent : OTHERS;
}

function shortDay(day: string): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', day: 'numeric', month: 'short' }).format(
    new Date(`${day}T00:00:00Z`),
  );
}

export function failuresFigure({ history, days }: PageData, clock: Clock): Html {
  const all = reasons(history.events.filter(({ kind }) => kind === 'retry'));
  return reasonFigure(all, clock, {
    id: 'failures',
    title: 'Given back, by reason',
    color: 'var(--failed)',
    none: `No ticket was given back in the last ${many(days, 'day')}.`,
    says: (n) => `${many(n, 'time')} in the last ${many(days, 'day')} a ticket was given back or blocked.`,
  });
}

export function healsFigure({ history, days }: PageData, clock: Clock): Html {
  const all = reasons(
    history.events.filter(({ kind }) => kind === 'heal' || kind === 'adopted' || kind === 'parked'),
  );
  return reasonFigure(all, clock, {
    id: 'heals',
    title: 'Heals by reason',
    color: 'var(--s1)',
    none: `Nothing had to be healed in the last ${many(days, 'day')}: the board said what was so.`,
    says: (n) =>
      `${many(n, 'time')} in the last ${many(days, 'day')} the board was brought back in line with what lives.`,
  });
}

const MOST_REASONS = 10;

function reasonFigure(
  all: readonly Reason[],
  clock: Clock,
  o: {
    readonly id: string;
    readonly title: string;
    readonly color: string;
    readonly none: string;
    readonly says: (n: number) => string;
  },
): Html {
  const shown = all.slice(0, MOST_REASONS);
  return figure({
    id: o.id,
    title: o.title,
    says: all.length === 0 ? o.none : o.says(sum(all.map(({ count }) => count))),
    chart:
      all.length === 0
        ? null
        : drawn(
            {
              id: o.id,
              wide: WIDE,
              height: () => shown.length * 28 + 16,
              option: (width) => ({
                grid: { left: isNarrow(width) ? 128 : 168, right: 40, top: 4, bottom: 4 },
                xAxis: { type: 'value', show: false, min: 0 },
                yAxis: {
                  type: 'category',
                  inverse: true,
                  data: shown.map(({ because }) => label(plain(because), isNarrow(width) ? 19 : 26)),
                  ...axis.label({ color: 'var(--ink)' }),
                  ...axis.line,
                },
                series: [
                  {
                    type: 'bar',
                    silent: true,
                    barWidth: 16,
                    itemStyle: { color: o.color, borderRadius: [0, 2, 2, 0] },
                    label: { show: true, position: 'right', ...ink },
                    data: shown.map(({ count }) => count),
                  },
                ],
              }),
            },
            `${o.title}: ${shown.map(({ because, count }) => `${plain(because)} ${count}`).join(', ')}.`,
          ),
    ...(all.length > 0 && {
      table: table(
        o.title.toLowerCase(),
        [
          { head: 'Reason', cell: ({ because }) => html`<code>${literal(because)}</code>` },
          { head: 'Means', cell: ({ because }) => meaning(because) },
          { head: 'Times', cell: ({ count }) => count, number: true },
          { head: 'Last', cell: ({ last }) => clock.at(last.at_ms) },
          { head: 'Ticket', cell: ({ last }) => said(last.ticket_id ?? '', 20) },
        ],
        all,
      ),
    }),
  });
}

/** How long this host's ticks took over the last day, and when there were none. */
export function ticksFigure({ history, host, limits, days }: PageData, clock: Clock): Html {
  const from_ms = clock.now_ms - Math.min(days * DAY, DAY);
  const own = history.ticks.filter(({ host_id }) => host_id === host.id);
  const ticks = own.filter(({ started_at_ms }) => started_at_ms >= from_ms);
  const holes = gaps(own, limits.interval_seconds * SECOND, clock.now_ms).filter(
    ({ to_ms }) => to_ms > from_ms,
  );
  const took = ticks.map((one) => one.finished_at_ms - one.started_at_ms).sort((a, b) => a - b);
  const middle = took[Math.floor((took.length - 1) / 2)] ?? 0;
  return figure({
    id: 'ticks',
    title: 'Ticks: how long, and gaps',
    wide: true,
    says:
      ticks.length === 0
        ? html`No ticks in the last day. <code>mc-pickup dispatch</code> makes one; a scheduler makes one a minute.`
        : html`${many(ticks.length, 'tick')} in the last day; half of them took at most ${span(middle)}, the longest ${span(took.at(-1) ?? 0)}.
${holes.length === 0 ? 'No gap was longer than three intervals.' : html`Without a tick: ${gapWords(holes, clock)}.`}`,
    chart:
      ticks.length === 0
        ? null
        : drawn(
            {
              ...{ id: 'ticks', wide: 1190, height: () => 200 },
              option: (width) =>
                ticksOption(bins(ticks, from_ms, clock.now_ms, isNarrow(width) ? 48 : 96), holes, {
                  ...{ clock, from_ms, narrow: isNarrow(width) },
                }),
            },
            `How long ticks took over the last day${holes.length > 0 ? `, with ${many(holes.length, 'gap')}` : ''}. The table below has them by hour.`,
          ),
    legend: html`<ul class="legend">${key(LINES.longest, 'longest of a quarter of an hour')}${key(LINES.median, 'median')}${
      holes.length > 0 && key(LINES.gap, 'no ticks')
    }</ul>`,
    ...(ticks.length > 0 && { table: tickTable(ticks, from_ms, clock) }),
  });
}

function gapWords(holes: readonly Gap[], clock: Clock): Html {
  const shown = holes.slice(-6);
  return html`${shown.map(
    ({ from_ms, to_ms, open }, n) =>
      html`${n > 0 && '; '}${clock.at(from_ms)} to ${open ? 'now' : clock.at(to_ms)} (${span(to_ms - from_ms)})`,
  )}${holes.length > shown.length && html`; and ${holes.length - shown.length} more before`}`;
}

function ticksOption(
  all: readonly Bin[],
  holes: readonly Gap[],
  { clock, from_ms, narrow }: { readonly clock: Clock; readonly from_ms: number; readonly narrow: boolean },
) {
  const width = (all[1]?.from_ms ?? 0) - (all[0]?.from_ms ?? 0);
  const line = (name: 'median' | 'longest', color: string, more: object) => ({
    type: 'line',
    silent: true,
    symbol: name === 'median' ? 'circle' : 'diamond',
    symbolSize: name === 'median' ? 4 : 6,
    itemStyle: { color },
    data: all.map((one) => [one.from_ms + width / 2, one[name] ?? '-']),
    ...more,
  });
  return {
    grid: { left: 52, right: 14, top: 12, bottom: 26 },
    xAxis: {
      type: 'time',
      min: from_ms,
      max: clock.now_ms,
      splitNumber: narrow ? 3 : 10,
      ...axis.label({
        hideOverlap: true,
        formatter: (ms: number) => (clock.time(ms) === '00:00' ? clock.day(ms) : clock.time(ms)),
      }),
      ...axis.line,
      ...axis.noSplit,
    },
    yAxis: { type: 'log', logBase: 10, min: lowest(all), ...axis.label({ formatter: span }), ...axis.split },
    series: [
      line('longest', 'var(--s2)', { lineStyle: { width: 0 } }),
      line('median', 'var(--s1)', {
        lineStyle: { color: 'var(--s1)', width: 2 },
        markArea: {
          silent: true,
          itemStyle: { color: 'var(--gap)' },
          label: { ...ink, color: 'var(--ink)', position: 'inside', fontSize: 11 },
          data: holes.map(({ from_ms: start, to_ms }) => [
            {
              xAxis: Math.max(start, from_ms),
              name: to_ms - start > DAY / (narrow ? 6 : 24) ? `no ticks\n${span(to_ms - start)}` : '',
            },
            { xAxis: to_ms },
          ]),
        },
      }),
    ],
  };
}

/** The power of ten below the shortest: a logarithmic axis has no zero. */
function lowest(all: readonly Bin[]): number {
  const least = Math.min(...all.map(({ median }) => median ?? Number.POSITIVE_INFINITY));
  return 10 ** Math.floor(Math.log10(Math.max(1, least)));
}

const lines = (inside: string): Html =>
  new Html(`<svg class="key" viewBox="0 0 26 14" aria-hidden="true" focusable="false">${inside}</svg>`);
const LINES = {
  longest: lines('<path d="M13 2l5 5-5 5-5-5z" fill="var(--s2)"/>'),
  median: lines(
    '<path d="M0 7h26" stroke="var(--s1)" stroke-width="2"/><circle cx="13" cy="7" r="3" fill="var(--s1)"/>',
  ),
  gap: lines('<rect width="26" height="14" fill="var(--gap)"/>'),
};

function tickTable(ticks: readonly HistoryTick[], from_ms: number, clock: Clock): Html {
  const hours = bins(ticks, from_ms, clock.now_ms, 24).map((one, n) => {
    const of = ticks.filter(
      ({ started_at_ms }) => Math.min(23, Math.floor((started_at_ms - from_ms) / (DAY / 24))) === n,
    );
    const total = (name: 'launched' | 'reconciled') => sum(of.map((tick) => tick[name]));
    const outcomes = [...new Set(of.map(({ outcome }) => outcome))];
    return { ...one, launched: total('launched'), reconciled: total('reconciled'), outcomes };
  });
  return table(
    'ticks by hour, the newest first',
    [
      { head: 'From', cell: (one) => clock.at(one.from_ms) },
      { head: 'Ticks', cell: (one) => one.count, number: true },
      { head: 'Median', cell: (one) => (one.median === null ? 'none' : span(one.median)), number: true },
      { head: 'Longest', cell: (one) => (one.longest === null ? 'none' : span(one.longest)), number: true },
      { head: 'Launched', cell: (one) => one.launched, number: true },
      { head: 'Reconciled', cell: (one) => one.reconciled, number: true },
      { head: 'Outcomes', cell: (one) => said(one.outcomes.join(', '), 60) },
    ],
    hours.reverse(),
  );
}
