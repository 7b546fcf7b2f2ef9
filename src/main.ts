import { callerOf } from './machine/caller.ts';
import { placesOf } from './machine/paths.ts';
import { bePrivate } from './machine/umask.ts';
import { halt, tellHalt } from './tick/gate.ts';
import { type Depth, parsePlainTick } from './tick/words.ts';

/** The whole program. Sets `process.exitCode`; never throws. A tick is stopped at the gate before the board, tmux,
 *  or even the command-line parser is loaded. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<Depth> {
  bePrivate();
  const tick = parsePlainTick(argv);
  const places = tick === null ? null : placesOf(tick, env);
  // Of an agent the command line says what it may do instead.
  // A scheduler has none of these, and pays for no look at the processes above it.
  const above = env.MC_RUN_DIR !== undefined || env.MC_TICKET_ID !== undefined;
  if (tick !== null && places !== null && callerOf(places, env, above).kind === 'person') {
    const halts = halt(places, env, { dry: false });
    if (halts !== null) {
      process.exitCode = tellHalt(halts, tick);
      return 0;
    }
    // Certainly right as it stands: the command-line parser would cost as much as the tick.
    const { code, depth, cut } = await (await import('./tick/plain.ts')).plainTick(tick, env);
    process.exitCode = code;
    if (cut) endSoon();
    return depth;
  }
  const { cli } = await import('./cli/index.ts');
  process.exitCode = await cli(argv, env);
  return 0;
}

const LAST_WORDS_MS = 1000;

/** Ends the process whatever still holds it, such as something that was cut off: what was said is given a moment to be written. */
export function endSoon(): void {
  setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
}
