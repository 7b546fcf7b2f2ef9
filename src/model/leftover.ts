import { size } from './text.ts';
import { age } from './times.ts';

/** A process that a run has left: a tool that it had started, or its client. What `status --json` and `explain --json` print of it. */
export interface LeftoverFacts {
  readonly pid: number;
  /** What it has in its environment. */
  readonly run: string;
  readonly ticket: string | null;
  readonly program: string;
  readonly age_ms: number | null;
  readonly rss_bytes: number | null;
}

export function leftoverFacts({
  pid,
  run,
  ticket,
  program,
  age_ms,
  rss_bytes,
}: LeftoverFacts): LeftoverFacts {
  return { pid, run, ticket, program, age_ms, rss_bytes };
}

/** For people: `node server.js (pid 4242, 3h old, 80 MB)`. */
export function leftoverWords({ pid, program, age_ms, rss_bytes }: LeftoverFacts): string {
  const old = age_ms === null ? '' : `, ${age(age_ms)} old`;
  return `${program} (pid ${pid}${old}${rss_bytes === null ? '' : `, ${size(rss_bytes)}`})`;
}
