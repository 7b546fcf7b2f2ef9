import { join } from 'node:path';
import { lookAtName, namesAt } from '../machine/foreign.ts';

/* Which runs the things in common are noted of. Each tick asks this: it imports nothing of what compares them. */

const RUN = /^run-(.+)\.json$/;
/** Its time is when runs that live were last compared. */
export const COMPARED = 'compared';

export function noteOf(run: string): string {
  return `run-${run}.json`;
}

/** The runs of which it is noted. */
export function notedRuns(notes: string): string[] {
  return namesAt(notes).flatMap((name) => RUN.exec(name)?.[1] ?? []);
}

/** When runs that live were last compared; 0 = never. */
export function comparedAt(notes: string): number {
  return lookAtName(join(notes, COMPARED))?.mtimeMs ?? 0;
}
