/*
 * What every tick knows of itself, whole or not: when it came, how it ended, whether it is halted. The file of the figures begins with it; a tick
 * that the killswitch halts, or that could not work, writes nothing else, so that no figure is of a time before it. Loaded by
 * the gate: it imports nothing but the file system.
 */

import { existsSync, rmSync } from 'node:fs';
import { textIn } from '../machine/killswitch.ts';
import { METRICS_FILE, refuseFile, replaceFile } from '../machine/named-file.ts';
import type { Places } from '../machine/paths.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { attempt, objectIn } from '../model/json.ts';
import type { Switch } from '../model/world.ts';

const OUTCOMES = ['ok', 'partial', 'unavailable', 'halted', 'refused'] as const;

/** How a tick ended: as the board has it, or halted by the killswitch, or refused (exit 78) before it could begin. */
export type TickOutcome = (typeof OUTCOMES)[number];

/** Of a tick that did not come to its work, by its exit code. */
export function outcomeOf(code: ExitCode): TickOutcome {
  return code === EXIT.config ? 'refused' : 'unavailable';
}

export interface TickFacts {
  readonly interval_seconds: number;
  readonly switches: readonly Pick<Switch, 'level' | 'scope'>[];
  /** null = no tick ever came. */
  readonly last: { readonly at_ms: number; readonly outcome: string } | null;
}

/** Those figures as text. No label has a name that anybody could choose. */
export function tickFigures({ interval_seconds, switches, last }: TickFacts): string {
  const on = (level: Switch['level']): number =>
    switches.some((one) => one.level === level && one.scope === '*') ? 1 : 0;
  const times: Figure[] =
    last === null
      ? []
      : [
          [
            'last_tick_timestamp_seconds',
            'When the last tick of this host ended, halted ones included',
            [['', last.at_ms / 1000]],
          ],
          [
            'last_tick_outcome',
            'How it ended: 1 for the outcome that it had',
            OUTCOMES.map((one) => [`{outcome="${one}"}`, last.outcome === one ? 1 : 0]),
          ],
        ];
  const figures: Figure[] = [
    ['tick_interval_seconds', 'How often a tick is due', [['', interval_seconds]]],
    [
      'halted',
      'Whether the killswitch ends ticks at the gate: then there is little else here',
      [['', on('all')]],
    ],
    [
      'killswitch_on',
      'Whether a switch for everything is on',
      (['dispatch', 'all'] as const).map((level) => [`{level="${level}"}`, on(level)]),
    ],
    ...times,
  ];
  return figures.map(linesOf).join('');
}

type Figure = readonly [
  name: string,
  help: string,
  samples: readonly (readonly [labels: string, value: number])[],
];

function linesOf([name, help, samples]: Figure): string {
  const full = `mc_pickup_${name}`;
  const lines = samples.map(([labels, value]) => `${full}${labels} ${value}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} gauge\n${lines.join('')}`;
}

/** Which file ticks write their figures into, for those that read no configuration, or a broken one. */
export interface MetricsNote {
  readonly file: string;
  readonly interval_seconds: number;
}

function noteFile({ state }: Pick<Places, 'state'>): string {
  return `${state}/metrics.json`;
}

/** What the last tick that wrote them has noted; null = ticks write none. */
export function notedMetrics(places: Pick<Places, 'state'>): MetricsNote | null {
  const path = noteFile(places);
  if (!existsSync(path)) return null;
  const { file, interval_seconds } = objectIn(attempt(() => textIn(path))) ?? {};
  const known = typeof file === 'string' && typeof interval_seconds === 'number';
  return known ? { file, interval_seconds } : null;
}

/** Notes it, or with null that there is no such file any more. */
export function noteMetrics(places: Pick<Places, 'state'>, note: MetricsNote | null): void {
  const path = noteFile(places);
  const before = notedMetrics(places);
  if (note === null) rmSync(path, { force: true });
  else if (before?.file !== note.file || before.interval_seconds !== note.interval_seconds)
    replaceFile(path, `${JSON.stringify(note)}\n`);
}

/** Writes what a tick knows that did not come to its work, into the file that was noted. False = there is none, or it can't be
 *  written: a halt, or an error that is told, is no place for another one. */
export function writeBrief(
  places: Pick<Places, 'state'>,
  facts: Pick<TickFacts, 'switches' | 'last'>,
): boolean {
  const note = notedMetrics(places);
  if (note === null) return false;
  try {
    refuseFile(note.file, METRICS_FILE);
    // Not waited for until it is on the disk: the next tick writes it again.
    replaceFile(note.file, tickFigures({ ...facts, interval_seconds: note.interval_seconds }), {
      mode: 0o644,
      flush: false,
    });
    return true;
  } catch {
    return false;
  }
}
