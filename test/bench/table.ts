/** The rows, and how they are shown: a line each, 120 columns wide. */
import { type Spread, spreadOf } from './measure.ts';
import type { Counted } from './trace.ts';

/** The widths of the cells that both tables have. */
const NUMBERS = [7, 6, 11, 11, 4, 6, 6];

interface Ratio {
  readonly name: string;
  /** What the ratio is to. */
  readonly against: string;
  readonly ratio_median: number;
  readonly ratio_min: number;
  readonly ratio_max: number;
  readonly ratio_q1: number;
  readonly ratio_q3: number;
  readonly runs: number;
  /** null = nothing is promised. */
  readonly budget: number | null;
  readonly ms_median: number;
  readonly base_ms_median: number;
}

export interface Row extends Ratio {
  /** Of the program itself, its children not counted; the ratio is to `node -e 0`. */
  readonly peak_mib: number | null;
  readonly peak_ratio: number | null;
  readonly peak_budget: number | null;
  /** All descendants; null where they cannot be counted. */
  readonly children: number | null;
  readonly children_direct: number | null;
  readonly children_budget: number | null;
  readonly child_commands: readonly string[] | null;
  /** Of the program and all its descendants. */
  readonly syscalls: number | null;
}

export interface Comparison extends Ratio {
  readonly note: string;
}

export interface Budgets {
  readonly ratio?: number;
  readonly peak?: number;
  readonly children?: number;
}

export function ratioOf(
  name: string,
  against: string,
  measured: { readonly times: readonly number[]; readonly base: readonly number[]; readonly spread: Spread },
  budget: number | undefined,
): Ratio {
  const { times, base, spread } = measured;
  return {
    ...{ name, against, ratio_median: spread.median, ratio_min: spread.min, ratio_max: spread.max },
    ...{ ratio_q1: spread.q1, ratio_q3: spread.q3, runs: times.length, budget: budget ?? null },
    ...{ ms_median: spreadOf(times).median, base_ms_median: spreadOf(base).median },
  };
}

export function rowOf(
  ratio: Ratio,
  cost: {
    readonly peak: number | null;
    readonly basePeak: number | null;
    readonly counted: Counted | null;
    readonly budgets: Budgets;
  },
): Row {
  const { peak, basePeak, counted, budgets } = cost;
  return {
    ...ratio,
    peak_mib: peak,
    peak_ratio: peak === null || basePeak === null ? null : Math.round((peak / basePeak) * 1000) / 1000,
    peak_budget: budgets.peak ?? null,
    children: counted?.children ?? null,
    children_direct: counted?.children_direct ?? null,
    children_budget: budgets.children ?? null,
    child_commands: counted?.commands ?? null,
    syscalls: counted?.syscalls ?? null,
  };
}

/** Each promise that is not kept, in words. */
export function overBudget(one: Row | Comparison): string[] {
  const over = (what: string, value: number | null, budget: number | null, unit: string): string[] =>
    value !== null && budget !== null && value > budget
      ? [`${one.name}: ${what} ${value.toFixed(unit === 'x' ? 2 : 0)}${unit}, budget ${budget}${unit}`]
      : [];
  const ratio = over(`ratio to ${one.against}`, one.ratio_median, one.budget, 'x');
  if (!('peak_mib' in one)) return ratio;
  return [
    ...ratio,
    ...over('peak memory', one.peak_ratio, one.peak_budget, 'x'),
    ...over('child processes', one.children, one.children_budget, ''),
  ];
}

export const ROW_HEAD = rowCells([
  ...['row', 'against', 'median', 'budget', 'quartiles', 'range', 'runs', 'ms', 'base'],
  ...['peak MiB', 'children', 'syscalls'],
]);

export function rowLine(row: Row): string {
  const { children, children_direct: direct, children_budget } = row;
  const kids =
    children === null
      ? '-'
      : `${children}${direct === children ? '' : ` (${direct} own)`}${mark(children, children_budget)}`;
  const peak =
    row.peak_mib === null
      ? '-'
      : `${row.peak_mib.toFixed(0)} ${row.peak_ratio === null ? '' : `${row.peak_ratio.toFixed(2)}x`}${mark(row.peak_ratio, row.peak_budget)}`;
  return rowCells([...ratioCells(row), peak, kids, row.syscalls === null ? '-' : String(row.syscalls)]);
}

export const COMPARISON_HEAD = comparisonCells([
  ...['comparison', 'against', 'median', 'budget', 'quartiles', 'range', 'runs', 'ms', 'base'],
]);

export function comparisonLine(one: Comparison): string {
  return comparisonCells(ratioCells(one));
}

function ratioCells(one: Ratio): string[] {
  const { ratio_median, budget, ratio_q1, ratio_q3, ratio_min, ratio_max } = one;
  const digits = (value: number): string => value.toFixed(value < 9.995 ? 2 : 1);
  return [
    one.name,
    one.against,
    `${digits(ratio_median)}x${mark(ratio_median, budget)}`,
    budget === null ? '-' : `${budget.toFixed(2)}x`,
    `${digits(ratio_q1)}..${digits(ratio_q3)}`,
    `${digits(ratio_min)}..${digits(ratio_max)}`,
    String(one.runs),
    one.ms_median.toFixed(one.ms_median < 99.5 ? 1 : 0),
    one.base_ms_median.toFixed(one.base_ms_median < 99.5 ? 1 : 0),
  ];
}

/** An exclamation mark stands where more was used than is promised. */
function mark(value: number | null, budget: number | null): string {
  return value !== null && budget !== null && value > budget ? '!' : '';
}

function rowCells(cells: readonly string[]): string {
  return line(cells, [-14, -11, ...NUMBERS, 9, 12, 8]);
}

function comparisonCells(cells: readonly string[]): string {
  return line(cells, [-28, -25, ...NUMBERS]);
}

/** To the left what is text, to the right what is a number. */
function line(cells: readonly string[], widths: readonly number[]): string {
  const set = (cell: string, width: number): string =>
    width < 0 ? cell.padEnd(-width) : cell.padStart(width);
  return cells.map((cell, n) => set(cell, widths[n] ?? 0)).join(' ');
}
