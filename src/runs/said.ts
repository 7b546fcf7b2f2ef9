import { dirname } from 'node:path';
import {
  at,
  type Dir,
  fillIn,
  inDir,
  moveIn,
  removeIn,
  syncIn,
  textAt,
  writeIn,
} from '../machine/foreign.ts';
import { isDiskFault } from '../model/errors.ts';
import { uniqueName } from '../model/hash.ts';
import { attempt, objectIn } from '../model/json.ts';
import { REPORTS, reportedTo, reportMessage, type Said } from '../model/said.ts';
import { RUN_ID } from './dirs.ts';

/** The kind of event that a report is, by the name of its file. */
export const REPORT_EVENT = 'mc-report';
/** Room of a run that is set aside at its launch, so that a report can be kept on a disk without any. */
export const RESERVE = '.reserve';
export const RESERVED_BYTES = 8192;

/** Escaped, sixteen thousand characters take at most six times as many bytes. */
const MOST_BYTES = 128 * 1024;

/** Keeps a report by file, among the events of its run. The name of the file; null = it can't be kept here. */
export function keepSaid(runs: string, run: string, said: Omit<Said, 'name' | 'turn'>): string | null {
  const name = `${REPORT_EVENT}.${uniqueName()}`;
  const keep = (events: Dir): string => {
    try {
      writeIn(events, name, textOf(said));
    } catch (error) {
      if (!isDiskFault(error)) throw error;
      inRun(runs, run, '', (dir) => {
        fillIn(dir, RESERVE, fitting(said, RESERVED_BYTES));
        moveIn(dir, RESERVE, events, name);
      });
    }
    return name;
  };
  return attempt(() => inRun(runs, run, '/events', keep));
}

/** Sees to it that a kept report outlives a loss of power. */
export function secureSaid(runs: string, run: string, name: string): void {
  inRun(runs, run, '/events', (events) => syncIn(events, name));
}

/** Takes a report away that the board was told of, or has refused. */
export function dropSaid(runs: string, run: string, name: string): void {
  inRun(runs, run, '/events', (events) => removeIn(events, name));
}

/** What a report file says; null = it is no report. What it says is cut to what the command can say. */
export function saidIn(
  events: Dir,
  { name, mtimeNs }: { readonly name: string; readonly mtimeNs: bigint },
): Omit<Said, 'turn'> | null {
  const told = objectIn(textAt(at(events, name), { most: MOST_BYTES }));
  const to = reportedTo(told?.report);
  const { message = '', at_ms = Number(mtimeNs / 1_000_000n) } = told ?? {};
  if (to === null || typeof message !== 'string' || !Number.isSafeInteger(at_ms)) return null;
  return { name, to, message: reportMessage(message), at_ms: at_ms as number };
}

function inRun<T>(runs: string, run: string, below: string, use: (dir: Dir) => T): T | null {
  return RUN_ID.test(run) ? inDir(dirname(runs), `runs/${run}${below}`, use) : null;
}

function textOf({ to, message, at_ms }: Omit<Said, 'name' | 'turn'>): string {
  const report = Object.entries(REPORTS).find(([, status]) => status === to)?.[0];
  return JSON.stringify({ report, message, at_ms });
}

/** The same in exactly so many bytes: a message that does not fit is cut. */
function fitting(said: Omit<Said, 'name' | 'turn'>, bytes: number): string {
  let text = textOf(said);
  for (let { length } = said.message; Buffer.byteLength(text) > bytes; length = Math.floor(length * 0.9))
    text = textOf({ ...said, message: `${said.message.slice(0, length)} [cut: the disk is full]` });
  return text + ' '.repeat(bytes - Buffer.byteLength(text));
}
