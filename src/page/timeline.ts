import type { HistoryRun } from '../board/port/index.ts';
import { axis, drawn, isNarrow, label, type Option } from './chart.ts';
import type { PageData } from './data.ts';
import { type Ending, endingOf, type Placed, slots } from './derive.ts';
import { Html, html } from './html.ts';
import { type Clock, DAY, span } from './time.ts';
import { figure, key, literal, many, meaning, said, table } from './words.ts';

const ROWS = 24;
const ROW = 24;

const WORDS: Readonly<Record<Ending, string>> = {
  lives: 'lives now',
  finished: 'finished',
  failed: 'failed',
  stopped: 'stopped, and no failure',
  ended: 'ended',
};

const LEGEND = [
  ['lives', WORDS.lives],
  ['finished', WORDS.finished],
  ['failed', WORDS.failed],
  ['stopped', 'stopped or ended, and no failure'],
] as const;

/** Who worked on what, when, and how it came out: the runs of the last day by worker slot. */
export function timeline(data: PageData, clock: Clock): Html {
  const from_ms = clock.now_ms - DAY;
  const placed = slots(data.history.runs.filter(({ ticket_id }) => ticket_id !== null)).filter(
    ({ run }) => (run.ended_at_ms ?? clock.now_ms) >= from_ms,
  );
  const count = (ending: Ending) => placed.filter(({ run }) => endingOf(run) === ending).length;
  const lanes = lanesOf(placed, data);
  const says =
    placed.length === 0
      ? html`No runs in the last day. The next tick launches what is ready; <code>mc-pickup dispatch --dry-run</code> tells what that is.`
      : html`${many(placed.length, 'run')} in the last day: ${count('finished')} finished, ${count('failed')} failed,
${count('stopped')} stopped, ${count('ended') > 0 && `${count('ended')} ended for a reason of another program, `}${many(count('lives'), 'lives', 'live')} now.`;
  const shown = lanes.slice(0, ROWS);
  const chart =
    placed.length === 0
      ? null
      : drawn(
          {
            id: 'timeline',
            wide: 1190,
            height: () => shown.length * ROW + 34,
            option: (width) => optionOf(placed, shown, { from_ms, clock, narrow: isNarrow(width), data }),
          },
          `Runs of the last day in ${many(lanes.length, 'worker slot')}. The table below has each run.`,
        );
  const more = lanes.length - shown.length;
  return figure({
    id: 'timeline',
    title: 'Runs by worker slot',
    wide: true,
    says: html`${says}${more > 0 && html` ${more} more slots are in the table alone.`}`,
    chart,
    legend: html`<ul class="legend">${LEGEND.map(([ending, words]) => key(SAMPLES[ending], words))}</ul>`,
    ...(placed.length > 0 && { table: runTable(placed, data, clock) }),
  });
}

interface Lane {
  readonly host: string;
  readonly slot: number;
  readonly name: string;
}

/** This host's first, free ones included, so that it is seen how much was unused. */
function lanesOf(placed: readonly Placed[], { host, limits }: PageData): Lane[] {
  const most = new Map([[host.id, Math.min(limits.max_agents, ROWS)]]);
  for (const { run, slot } of placed) most.set(run.host_id, Math.max(most.get(run.host_id) ?? 0, slot + 1));
  return [...most].flatMap(([id, n]) =>
    Array.from({ length: n }, (_, slot) => ({
      host: id,
      slot,
      name: laneName(id, slot, host.id, most.size > 1),
    })),
  );
}

function laneName(id: string, slot: number, own: string, several: boolean): string {
  if (!several) return `slot ${slot + 1}`;
  return `${id === own ? 'here' : label(id, 10)} ${slot + 1}`;
}

function optionOf(
  placed: readonly Placed[],
  lanes: readonly Lane[],
  o: { readonly from_ms: number; readonly clock: Clock; readonly narrow: boolean; readonly data: PageData },
): Option {
  const { from_ms, clock } = o;
  const now = clock.now_ms;
  const rows = new Map(lanes.map(({ host, slot }, row) => [`${host} ${slot}`, row]));
  const bars = placed.flatMap(({ run, slot }) => {
    const row = rows.get(`${run.host_id} ${slot}`);
    return row === undefined ? [] : [{ run, row }];
  });
  return {
    grid: { left: o.narrow ? 44 : 52, right: 14, top: 6, bottom: 26 },
    xAxis: {
      type: 'time',
      min: from_ms,
      max: now,
      splitNumber: o.narrow ? 3 : 10,
      ...axis.label({
        hideOverlap: true,
        formatter: (ms: number) => (clock.time(ms) === '00:00' ? clock.day(ms) : clock.time(ms)),
      }),
      ...axis.line,
      splitLine: { show: true, lineStyle: { color: 'var(--line)' } },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: lanes.map(({ name }) => name),
      ...axis.label({ interval: 0 }),
      ...axis.line,
      splitLine: { show: false },
    },
    series: [
      {
        type: 'custom',
        silent: true,
        clip: true,
        data: bars.map(({ run, row }) => [Math.max(run.claimed_at_ms, from_ms), row, run.ended_at_ms ?? now]),
        encode: { x: [0, 2], y: 1 },
        renderItem: (
          { dataIndex }: { readonly dataIndex: number },
          api: { value(n: number): number; coord(at: readonly number[]): number[] },
        ) => {
          const run = bars[dataIndex]?.run;
          const [x = 0, y = 0] = api.coord([api.value(0), api.value(1)]);
          const [end = 0] = api.coord([api.value(2), api.value(1)]);
          return run === undefined ? null : bar(run, { x, y, width: Math.max(3, end - x - 1) });
        },
      },
    ],
  };
}

/** Each way to come out has a shape of its own, besides its colour. */
function bar(
  run: HistoryRun,
  { x, y, width }: { readonly x: number; readonly y: number; readonly width: number },
) {
  const ending = endingOf(run);
  const slim = ending === 'stopped' || ending === 'ended';
  const color = `var(--${slim ? 'stopped' : ending})`;
  const tall = slim ? 8 : 18;
  const hollow = ending === 'failed';
  const text = label(run.ticket_id ?? '', 12);
  const room = width - (hollow || ending === 'lives' ? 16 : 4);
  const box = {
    type: 'rect',
    shape: {
      x: hollow ? x + 0.75 : x,
      y: y - tall / 2,
      width: hollow ? Math.max(2, width - 1.5) : width,
      height: tall,
      r: 2,
    },
    style: hollow ? { fill: 'var(--card)', stroke: color, lineWidth: 1.5 } : { fill: color },
  };
  const children: object[] = [box];
  if (hollow && width >= 12) children.push(cross(x + width - 8, y, color));
  if (ending === 'lives' && width >= 12)
    children.push({
      type: 'polygon',
      shape: {
        points: [
          [x + width - 10, y - 4],
          [x + width - 4, y],
          [x + width - 10, y + 4],
        ],
      },
      style: { fill: 'var(--on-mark)' },
    });
  if (!slim && room > text.length * 7 + 4)
    children.push({
      type: 'text',
      style: {
        text,
        x: x + 5,
        y,
        fill: hollow ? 'var(--ink)' : 'var(--on-mark)',
        fontSize: 11,
        align: 'left',
        verticalAlign: 'middle',
      },
    });
  return { type: 'group', children };
}

function cross(x: number, y: number, stroke: string): object {
  const line = (dy: number) => ({
    type: 'line',
    shape: { x1: x - 3.5, y1: y - dy, x2: x + 3.5, y2: y + dy },
    style: { stroke, lineWidth: 2 },
  });
  return { type: 'group', children: [line(3.5), line(-3.5)] };
}

/** The same shapes for the legend; fixed markup. */
const sample = (inside: string): Html =>
  new Html(`<svg class="key" viewBox="0 0 26 14" aria-hidden="true" focusable="false">${inside}</svg>`);
const SAMPLES: Readonly<Record<Exclude<Ending, 'ended'>, Html>> = {
  lives: sample(
    '<rect width="26" height="14" rx="2" fill="var(--lives)"/><path d="M16 3l6 4-6 4z" fill="var(--on-mark)"/>',
  ),
  finished: sample('<rect width="26" height="14" rx="2" fill="var(--finished)"/>'),
  failed: sample(
    '<rect x="1" y="1" width="24" height="12" rx="2" fill="none" stroke="var(--failed)" stroke-width="1.5"/><path d="M15 4l6 6m0-6l-6 6" stroke="var(--failed)" stroke-width="2"/>',
  ),
  stopped: sample('<rect y="4" width="26" height="6" rx="2" fill="var(--stopped)"/>'),
};

function runTable(placed: readonly Placed[], { host }: PageData, clock: Clock): Html {
  const several = new Set(placed.map(({ run }) => run.host_id)).size > 1;
  const exit = ({ exit_code, exit_signal }: HistoryRun): string =>
    exit_signal !== null ? `, signal ${exit_signal}` : exit_code !== null ? `, exit code ${exit_code}` : '';
  return table(
    'runs of the last day, the newest first',
    [
      { head: 'Ticket', cell: ({ run }) => said(run.ticket_id ?? '', 20) },
      { head: 'Title', cell: ({ run }) => said(run.title ?? '', 80) },
      { head: 'Agent', cell: ({ run }) => said(run.agent, 40) },
      { head: 'Project', cell: ({ run }) => said(run.project, 40) },
      { head: 'Slot', cell: ({ run, slot }) => laneName(run.host_id, slot, host.id, several) },
      { head: 'Attempt', cell: ({ run }) => run.attempt, number: true },
      { head: 'Started', cell: ({ run }) => clock.at(run.claimed_at_ms) },
      {
        head: 'Ended',
        cell: ({ run }) => (run.ended_at_ms === null ? 'not yet' : clock.at(run.ended_at_ms)),
      },
      {
        head: 'Took',
        cell: ({ run }) => span((run.ended_at_ms ?? clock.now_ms) - run.claimed_at_ms),
        number: true,
      },
      {
        head: 'How it came out',
        cell: ({ run }) =>
          run.ended_at_ms === null
            ? html`${WORDS.lives}: ${said(run.activity, 20)}`
            : html`${WORDS[endingOf(run)]}: <code title="${meaning(run.end_reason)}">${literal(run.end_reason)}</code>${exit(run)}`,
      },
    ],
    [...placed].reverse(),
  );
}
