/** Peak memory, told by the measured Node itself at its exit, in runs that are not timed. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, type Subject, spreadOf, timed } from './measure.ts';
import type { Scratch } from './scratch.ts';

/** The kernel's word on this very memory. `maxRSS` is the fallback: across fork and exec it also keeps the peak of the
 *  process that started us. */
const PRELOAD = (file: string): string => `process.on('exit', () => {
  const fs = require('node:fs');
  let kib = process.resourceUsage().maxRSS;
  try {
    kib = Number(/^VmHWM:\\s+(\\d+) kB$/m.exec(fs.readFileSync('/proc/self/status', 'latin1'))[1]);
  } catch {}
  fs.writeFileSync(${JSON.stringify(file)}, String(kib));
});
`;

export class Memory {
  readonly #preload: string;
  readonly #answer: string;
  readonly #scratch: Scratch;

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
    this.#preload = join(scratch.dir, 'peak.cjs');
    this.#answer = join(scratch.dir, 'peak.txt');
    writeFileSync(this.#preload, PRELOAD(this.#answer));
  }

  /** MiB, the median of a few runs; null for a program that is no Node. */
  async peakMib(subject: Subject, runs: number): Promise<number | null> {
    const peaks: number[] = [];
    for (let n = 0; n < runs; n++) {
      await this.#scratch.breathe();
      const command = await subject.ready();
      if (command.file !== process.execPath) return null;
      peaks.push(this.#peak(subject.name, command));
      await subject.done?.();
    }
    return Math.round(spreadOf(peaks).median * 10) / 10;
  }

  #peak(name: string, command: Command): number {
    rmSync(this.#answer, { force: true });
    timed(name, { ...command, env: { ...command.env, NODE_OPTIONS: `--require ${this.#preload}` } });
    return Number(readFileSync(this.#answer, 'utf8')) / 1024;
  }
}
