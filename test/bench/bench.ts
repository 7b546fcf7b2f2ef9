/**
 * `npm run bench`: what the program costs, as ratios to an empty program (`node -e 0`) on the same binary, to the same tmux
 * and git commands in a shell script, and to other ways of doing the same. Without a network; nothing of it is left.
 *
 *   --json FILE   writes the rows and comparisons
 *   --pairs N     how often each row is measured (15)
 *   --only A,B    these rows alone
 *   --quick       fewer runs, and nothing that takes long
 *   --strict      exit 1 when a median, the peak memory or the number of child processes is over its budget
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Memory } from './memory.ts';
import { Report } from './report.ts';
import { type Interrupted, Scratch } from './scratch.ts';
import { SECTIONS, warmUp } from './sections.ts';
import { Strace } from './trace.ts';

const PAIRS = 15;
const LEAST_SLOW = 9;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      pairs: { type: 'string' },
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
    },
  });
  const { quick } = values;
  const only = values.only === undefined ? null : new Set(values.only.split(','));
  const known = SECTIONS.flatMap(({ rows }) => rows);
  const strange = [...(only ?? [])].find((name) => !known.includes(name));
  if (strange !== undefined) throw new Error(`no row "${strange}"; there are ${known.join(', ')}`);
  const full = Number(values.pairs ?? (quick ? LEAST_SLOW : PAIRS));
  if (!Number.isInteger(full) || full < 1) throw new Error(`--pairs: "${values.pairs}" is no number of runs`);
  const counts = {
    full,
    slow: quick ? 3 : Math.max(LEAST_SLOW, Math.round(full / 2)),
    few: quick ? 3 : Math.min(full, LEAST_SLOW),
  };

  const scratch = new Scratch();
  try {
    const report = new Report(
      { scratch, memory: new Memory(scratch), strace: new Strace(scratch) },
      { only, quick },
      counts,
    );
    await warmUp(report);
    for (const { rows, slow, run } of SECTIONS) {
      const wanted = only === null ? !(quick && slow) : rows.some((name) => only.has(name));
      if (wanted) await run(report);
    }
    report.showRest();
    if (values.json !== undefined) writeFileSync(values.json, report.json());
    return values.strict && report.over().length > 0 ? 1 : 0;
  } catch (error) {
    // A Ctrl-C ends what is being measured as well: which of the two is it?
    await pause(20);
    if (!scratch.signal.aborted) throw error;
    const { message } = scratch.signal.reason as Interrupted;
    console.error(message);
    return 130;
  } finally {
    scratch.close();
  }
}

process.exitCode = await main();
