/*
 * The clock of the growth benchmark. The program reads two clocks, `Date.now()` and `process.hrtime.bigint()`; both are
 * replaced, here and (by a file that Node loads first) in whole processes, so that a month of minutes passes in minutes.
 * Within a minute time runs on as it really does: what a tick takes is seen by the tick too.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const realNow = Date.now;
const realHr = process.hrtime.bigint;

export class Clock {
  #at_ms: number;
  #begun_ms = performance.now();
  /** By how much the simulated monotonic clock is ahead of the real one. */
  #ahead_ns = 0n;
  #mono_ns = realHr();
  readonly #preload: string;

  constructor(at_ms: number, dir: string) {
    this.#at_ms = at_ms;
    this.#preload = join(dir, 'clock.cjs');
    writeFileSync(this.#preload, PRELOAD);
    Date.now = () => Math.floor(this.#at_ms + performance.now() - this.#begun_ms);
    process.hrtime.bigint = () => realHr() + this.#ahead_ns;
  }

  /** Begins another minute, `step_ms` after the begin of this one, on both clocks. */
  advance(step_ms: number): void {
    this.#at_ms += step_ms;
    this.#begun_ms = performance.now();
    this.#mono_ns += BigInt(step_ms) * 1_000_000n;
    this.#ahead_ns = this.#mono_ns - realHr();
  }

  /** What a process that is started now needs to live in the same time. */
  environment(): NodeJS.ProcessEnv {
    return {
      NODE_OPTIONS: `--require ${JSON.stringify(this.#preload)}`,
      MC_GROWTH_SHIFT_MS: String(Date.now() - realNow()),
      MC_GROWTH_AHEAD_NS: String(this.#ahead_ns),
    };
  }

  restore(): void {
    Date.now = realNow;
    process.hrtime.bigint = realHr;
  }
}

const PRELOAD = `'use strict';
const now = Date.now;
const hr = process.hrtime.bigint;
const shift = Number(process.env.MC_GROWTH_SHIFT_MS);
const ahead = BigInt(process.env.MC_GROWTH_AHEAD_NS);
Date.now = () => now() + shift;
process.hrtime.bigint = () => hr() + ahead;
`;
