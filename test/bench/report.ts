/** One run of the bench: what is wanted, how often it is measured, and what came of it. */
import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, release } from 'node:os';
import { emptyNode, ratios, rounds, type Subject } from './measure.ts';
import type { Memory } from './memory.ts';
import type { Scratch } from './scratch.ts';
import {
  type Budgets,
  COMPARISON_HEAD,
  type Comparison,
  comparisonLine,
  overBudget,
  ROW_HEAD,
  type Row,
  ratioOf,
  rowLine,
  rowOf,
} from './table.ts';
import type { Counted, Strace } from './trace.ts';

/** How often: as asked; less often where a run takes long; only a few times where no promise depends on it. */
export type How = 'full' | 'slow' | 'few';

export interface Measured {
  readonly subjects: readonly Subject[];
  readonly times: readonly (readonly number[])[];
}

export interface More {
  readonly budgets: Budgets;
  readonly how?: How;
  /** One run under strace and one for the memory is enough, since each takes long. */
  readonly once?: true;
  /** After a traced run: ends the daemons that it has left. */
  readonly ended?: () => void;
}

const WARM_UP: Readonly<Record<How, number>> = { full: 3, slow: 1, few: 1 };

export class Report {
  readonly scratch: Scratch;
  readonly rows: Row[] = [];
  readonly comparisons: Comparison[] = [];
  readonly notes: string[] = [];
  readonly quick: boolean;
  readonly #memory: Memory;
  readonly #strace: Strace;
  readonly #only: ReadonlySet<string> | null;
  readonly #counts: Readonly<Record<How, number>>;
  #basePeak: number | null = null;

  constructor(
    parts: { readonly scratch: Scratch; readonly memory: Memory; readonly strace: Strace },
    wanted: { readonly only: ReadonlySet<string> | null; readonly quick: boolean },
    counts: Readonly<Record<How, number>>,
  ) {
    this.scratch = parts.scratch;
    this.#memory = parts.memory;
    this.#strace = parts.strace;
    this.#only = wanted.only;
    this.quick = wanted.quick;
    this.#counts = counts;
    if (parts.strace.missing !== null)
      this.note(`child processes and system calls are not counted: ${parts.strace.missing}`);
    console.log(ROW_HEAD);
  }

  wants(row: string): boolean {
    return this.#only === null || this.#only.has(row);
  }

  note(text: string): void {
    this.notes.push(text);
  }

  async measured(subjects: readonly Subject[], how: How): Promise<Measured> {
    return { subjects, times: await rounds(subjects, this.#counts[how], WARM_UP[how], this.scratch) };
  }

  /** Measures a subject against its base, and adds the row. */
  async row(subject: Subject, base: Subject, more: More): Promise<void> {
    await this.add(subject, base, await this.measured([base, subject], more.how ?? 'full'), more);
  }

  /** Adds the row of a subject that was measured, with what else it costs. */
  async add(subject: Subject, base: Subject, measured: Measured, more: More): Promise<Counted | null> {
    this.#basePeak ??= await this.#memory.peakMib(emptyNode({ PATH: process.env.PATH }), 5);
    const peak = await this.#memory.peakMib(subject, more.once ? 1 : 3);
    const counted = await this.#strace.count(subject, more.ended);
    const ratio = ratioOf(subject.name, base.name, pick(measured, subject, base), more.budgets.ratio);
    const row = rowOf(ratio, { peak, basePeak: this.#basePeak, counted, budgets: more.budgets });
    this.rows.push(row);
    console.log(rowLine(row));
    return counted;
  }

  compare(subject: Subject, base: Subject, measured: Measured, budget: number | null, note: string): void {
    const ratio = ratioOf(subject.name, base.name, pick(measured, subject, base), budget ?? undefined);
    this.comparisons.push({ ...ratio, note });
  }

  /** Every promise that is not kept. */
  over(): string[] {
    return [...this.rows, ...this.comparisons].flatMap(overBudget);
  }

  /** What the rows, which were shown as they came, leave to be said. */
  showRest(): void {
    if (this.comparisons.length > 0) console.log(`\n${COMPARISON_HEAD}`);
    for (const one of this.comparisons) console.log(comparisonLine(one));
    const notes = new Set([...this.comparisons.map(({ note }) => note), ...this.notes]);
    console.log([...notes].flatMap(wrapped).join('\n'));
    const over = this.over();
    console.log(over.length === 0 ? '\nevery budget is kept' : ['\nOVER BUDGET', ...over].join('\n! '));
  }

  json(): string {
    const { rows, comparisons, notes } = this;
    return `${JSON.stringify({ machine: machine(), rows, comparisons, notes, over: this.over() }, null, 2)}\n`;
  }
}

/** A note as a point of a list, 118 columns wide. */
function wrapped(note: string): string[] {
  const lines = ['-'];
  for (const word of note.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (longer.length <= 118) lines.splice(-1, 1, longer);
    else lines.push(`  ${word}`);
  }
  return lines;
}

function pick({ subjects, times }: Measured, subject: Subject, base: Subject) {
  const of = (one: Subject): readonly number[] => times[subjects.indexOf(one)] ?? [];
  return { times: of(subject), base: of(base), spread: ratios(of(subject), of(base)) };
}

function machine(): Record<string, unknown> {
  const version = (program: string, word: string): string | null =>
    spawnSync(program, [word], { encoding: 'utf8' }).stdout?.trim().split('\n')[0] ?? null;
  return {
    at: new Date().toISOString(),
    node: process.version,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? null,
    kernel: `${process.platform} ${release()}`,
    tmux: version('tmux', '-V'),
    git: version('git', '--version'),
    strace: version('strace', '-V'),
  };
}
