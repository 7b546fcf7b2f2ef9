/*
 * What happened to one ticket, from three records: the log of the board, its runs, and the reports of ticks. A tick's
 * step is told by the line that it left in the log, which gets the step's evidence; a step that left none (it failed, or
 * lost a race) is told by itself. Ticks that passed the ticket over for the same reason are one line.
 */

import type { ActivityRow, TickMention } from '../board/port/index.ts';
import { cameOut } from '../model/ends.ts';
import type { Evidence } from '../model/evidence.ts';
import { objectIn } from '../model/json.ts';
import type { Runtime } from '../model/runtime.ts';
import { sentence } from '../model/sentences.ts';
import { age, utc, utcTime } from '../model/times.ts';

export interface Told {
  readonly at_ms: number;
  /** Of what follows each other for the same reason: the last. */
  readonly until_ms: number;
  /** How many ticks it stands for; 0 = it is a line of the log. */
  readonly ticks: number;
  readonly kind: string;
  readonly because: string | null;
  readonly text: string;
  readonly evidence: Evidence;
}

/** The step that has left this line: the first of its kind, else of its reason, else the first. */
function taken(steps: Entry[] | undefined, row: ActivityRow): Entry | undefined {
  if (steps === undefined) return undefined;
  const kind = steps.findIndex((one) => one.kind === row.kind);
  const reason = steps.findIndex((one) => one.because === row.because);
  return steps.splice(Math.max(0, kind >= 0 ? kind : reason), 1)[0];
}

interface Entry {
  readonly kind: string;
  readonly because: string;
  readonly result: string;
  readonly error: string | null;
  readonly evidence: Evidence;
}

/** In the order of time. */
export function historyOf(
  log: readonly ActivityRow[],
  runs: readonly Runtime[],
  ticks: readonly TickMention[],
): Told[] {
  const byRun = new Map(runs.map((run) => [run.id, run]));
  const steps = new Map<string, Entry[]>();
  const told: Told[] = [];
  const passes: { readonly tick: TickMention; readonly skipped: readonly Entry[] }[] = [];
  for (const tick of ticks) {
    const { reconcile, dispatch, skipped } = readReport(tick.report);
    steps.set(
      `tick:${tick.tick}`,
      [...reconcile, ...dispatch].filter(({ kind }) => kind !== 'close_pane'),
    );
    passes.push({ tick, skipped });
  }
  /** What a tick has written: it passes a ticket over as it has left it. */
  const written = new Map<string, number>();
  for (const row of log) {
    const step = taken(steps.get(row.actor), row);
    written.set(row.actor, row.at_ms);
    told.push({
      ...{ at_ms: row.at_ms, until_ms: row.at_ms, ticks: 0, kind: row.kind, because: row.because },
      text: lineOf(row, row.run_id === null ? undefined : byRun.get(row.run_id)),
      evidence: { ...evidenceOf(row, byRun), ...step?.evidence },
    });
  }
  for (const { tick, skipped } of passes) {
    const at_ms = Math.max(tick.at_ms, written.get(`tick:${tick.tick}`) ?? 0);
    const at = { at_ms, until_ms: at_ms, ticks: 1 };
    for (const step of steps.get(`tick:${tick.tick}`) ?? []) {
      const text = `${step.kind} ${step.result.replace('_', ' ')}: ${step.error ?? sentence(step)}`;
      told.push({ ...at, kind: step.kind, because: step.because, text, evidence: step.evidence });
    }
    for (const one of skipped) {
      const text = `skipped: ${sentence(one)}`;
      told.push({ ...at, kind: 'skipped', because: one.because, text, evidence: one.evidence });
    }
  }
  return folded(told.sort((a, b) => a.at_ms - b.at_ms));
}

function folded(all: readonly Told[]): Told[] {
  const shown: Told[] = [];
  for (const one of all) {
    const before = shown.at(-1);
    if (
      before !== undefined &&
      one.ticks > 0 &&
      before.ticks > 0 &&
      before.kind === one.kind &&
      before.because === one.because
    )
      // The latest evidence is the one that still holds.
      shown[shown.length - 1] = { ...one, at_ms: before.at_ms, ticks: before.ticks + 1 };
    else shown.push(one);
  }
  return shown;
}

/** One thing that happened, in words; its evidence after it. */
export function toldLine(one: Told): string {
  const many =
    one.ticks > 1
      ? `${one.ticks} ticks ${one.at_ms === one.until_ms ? '' : `until ${utcTime(one.until_ms)} `}`
      : '';
  const why = one.because === null ? '' : ` [${one.because}]`;
  const facts = evidenceWords(one.evidence, one);
  return `${many}${one.text}${why}${facts === '' ? '' : ` (${facts})`}`;
}

/** `pid 4242, exit code 7`: what is null, or was said already, is left out. */
export function evidenceWords(
  evidence: Evidence,
  said: { readonly text: string; readonly because: string | null } = { text: '', because: null },
): string {
  return Object.entries(evidence)
    .filter(([key, value]) => value !== null && value !== '' && key !== 'run' && value !== said.because)
    .filter(([key, value]) => !isSaid(key, value, said.text))
    .map(([key, value]) => {
      if (typeof value === 'number' && (key.endsWith('_at_ms') || key === 'until_ms' || key === 'since_ms'))
        return `${words(key.replace(/(_at)?_ms$/, ''))} ${utc(value)}`;
      if (typeof value === 'number' && key.endsWith('_ms')) return `${words(key.slice(0, -3))} ${age(value)}`;
      return typeof value === 'boolean' ? `${words(key)}: ${value ? 'yes' : 'no'}` : `${words(key)} ${value}`;
    })
    .filter((fact) => !said.text.includes(fact))
    .join(', ');
}

/** A text of more than some words, or a time, that stands in the sentence already. */
function isSaid(key: string, value: Evidence[string], text: string): boolean {
  if (typeof value === 'number' && key.endsWith('_at_ms') && Math.abs(value) <= 8.64e15)
    return text.includes(new Date(value).toISOString());
  return typeof value === 'string' && value.length > 20 && text.includes(value);
}

function words(key: string): string {
  return key.replaceAll('_', ' ');
}

function lineOf(row: ActivityRow, run: Runtime | undefined): string {
  const text = row.text === null || row.text === '' ? '' : `: ${row.text}`;
  const by = row.actor.startsWith('tick:') ? 'by a tick' : `by ${row.actor}`;
  switch (row.kind) {
    case 'claimed':
      return run === undefined
        ? `claimed ${by}`
        : `claimed for attempt ${run.attempt} with agent ${run.agent}`;
    case 'registered':
      return `agent started${text}`;
    case 'report':
      return `the agent reports${text}`;
    case 'asked':
    case 'parked':
      return `${row.kind === 'asked' ? 'the agent asks' : 'parked'}${text}`;
    case 'ended':
      return `run ${cameOut(row.because)}${text}`;
    case 'retry':
      return `${cameOut(row.because) === 'failed' ? 'failed, tried again' : 'given back'}${text}`;
    case 'heal':
      return `healed ${by}${text}`;
    default:
      return `${row.kind} ${by}${text}`;
  }
}

function evidenceOf(row: ActivityRow, runs: ReadonlyMap<string, Runtime>): Evidence {
  const run = row.run_id === null ? undefined : runs.get(row.run_id);
  if (run === undefined) return {};
  if (row.kind === 'claimed') return { run_id: run.id, branch: run.branch };
  if (row.kind !== 'ended' && row.kind !== 'retry') return {};
  const { end_reason, exit_code, exit_signal, ended_at_ms, registered_at_ms, claimed_at_ms } = run;
  return {
    ...{ end_reason, exit_code, exit_signal },
    lived_ms: ended_at_ms === null ? null : ended_at_ms - (registered_at_ms ?? claimed_at_ms),
  };
}

/** Reports of other versions and other programs: what is not as expected is left out. */
function readReport(json: string): Readonly<Record<'reconcile' | 'dispatch' | 'skipped', Entry[]>> {
  const lists = objectIn(json) ?? {};
  const list = (name: string): Entry[] => {
    const found = lists[name];
    return Array.isArray(found) ? found.map(entryOf).filter((one) => one !== null) : [];
  };
  return { reconcile: list('reconcile'), dispatch: list('dispatch'), skipped: list('skipped') };
}

function entryOf(value: unknown): Entry | null {
  if (typeof value !== 'object' || value === null) return null;
  const { kind, because, result, error, evidence } = value as Record<string, unknown>;
  if (typeof because !== 'string') return null;
  const facts = typeof evidence === 'object' && evidence !== null ? Object.entries(evidence) : [];
  const text = (one: unknown): string => (typeof one === 'string' ? one : '');
  return {
    kind: text(kind),
    because,
    result: text(result),
    error: typeof error === 'string' && error !== '' ? error : null,
    evidence: Object.fromEntries(
      facts.filter(([, one]) => one === null || typeof one !== 'object'),
    ) as Evidence,
  };
}
