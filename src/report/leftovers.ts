import type { Leftover } from '../runs/leftovers.ts';
import { size } from './clean.ts';
import { age } from './times.ts';

/** What `status --json` and `explain --json` print of a process that a run has left. */
export type LeftoverFacts = Omit<Leftover, 'start'>;

export function leftoverFacts({ pid, run, ticket, program, age_ms, rss_bytes }: Leftover): LeftoverFacts {
  return { pid, run, ticket, program, age_ms, rss_bytes };
}

/** For people: `node server.js (pid 4242, 3h old, 80 MB)`. */
export function leftoverWords({ pid, program, age_ms, rss_bytes }: LeftoverFacts): string {
  const old = age_ms === null ? '' : `, ${age(age_ms)} old`;
  return `${program} (pid ${pid}${old}${rss_bytes === null ? '' : `, ${size(rss_bytes)}`})`;
}
