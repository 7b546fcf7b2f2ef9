import { rmSync, statSync } from 'node:fs';
import type { Context } from '../context.ts';
import { monotonicMs } from '../machine/clock.ts';
import { numberOf, readObject, textOfFile, writeAtomic } from '../machine/files.ts';
import { hasHeard } from '../machine/heard.ts';
import { readSwitches } from '../machine/killswitch.ts';
import { faultNote } from '../machine/paths.ts';
import { EXIT, type ExitCode, messageOf } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';
import { outcomeOf, writeBrief } from '../report/brief.ts';
import { type EndedTick, FOLLOW_UPS, type FollowUp, type Worked } from './follow-ups.ts';
import type { Wish } from './words.ts';

/** What follows one tick. None of it throws. */
export interface After {
  /** The configuration is known: tells of the beginning whoever is to hear of it, and waits for nothing. Nothing follows a tick that
   *  never came here, such as one that gave way to another. */
  begin(policy: Policy): Promise<void>;
  /** The tick is saved and told: looks at what is due, and runs what needs the lock and the board that it still has. */
  locked(worked: Worked, code: ExitCode): Promise<void>;
  /** The rest, once the next tick may begin; of a tick that could not work, all. True = one was cut off, and may still be at it. */
  end(code: ExitCode): Promise<boolean>;
}

/** The follow-ups of this tick. */
export function after(context: Context, wish: Wish, table: readonly FollowUp[] = FOLLOW_UPS): After {
  let begun: Pick<EndedTick, 'policy' | 'began' | 'ping'> | null = null;
  let over: EndedTick | null = null;
  let due: readonly FollowUp[] = [];
  let cut = false;
  const look = async (worked: Worked | null, code: ExitCode): Promise<void> => {
    if (begun === null) return;
    over = { ...begun, context, wish, worked, code };
    due = await dueOf(table, over);
  };
  const run = async (some: readonly FollowUp[]): Promise<void> => {
    if (over !== null) for (const one of some) cut = (await follow(one, over)) || cut;
  };
  return {
    begin: async (policy) => {
      begun = { policy, ...(await beginning(policy, context)) };
    },
    locked: async (worked, code) => {
      await look(worked, code);
      await run(due.filter(({ locked }) => locked === true));
      due = due.filter(({ locked }) => locked !== true);
    },
    end: async (code) => {
      if (over === null) await look(null, code);
      if (begun === null && code !== EXIT.ok && wish.dryRun !== true) toldBriefly(context, code);
      await run(due);
      if (hasHeard() && wish.dryRun !== true) (await import('./clock.ts')).tellClock(context);
      return cut;
    },
  };
}

/** A tick that has failed before it knew its configuration (a state dir that can't be written, a lock that can't be opened): the figures
 *  tell that one came. */
function toldBriefly({ places, env }: Context, code: ExitCode): void {
  const at_ms = Date.now();
  writeBrief(places, {
    switches: readSwitches(places, env, at_ms),
    last: { at_ms, outcome: outcomeOf(code) },
  });
}

/** Most configurations ask for none of this, and pay nothing. */
async function beginning(
  { ping, notify }: Policy,
  { places }: Context,
): Promise<Pick<EndedTick, 'began' | 'ping'>> {
  // Read before the tick takes it away.
  const gate = notify.length === 0 ? null : readObject(places.gate);
  const [first_ms, last_ms] = [numberOf(gate, 'first_halted_at_ms'), numberOf(gate, 'last_halted_at_ms')];
  const halts = first_ms === null || last_ms === null ? null : { first_ms, last_ms };
  return {
    began: { started_at_ms: Date.now(), mono_ms: monotonicMs(), halts },
    ping: ping === null ? null : (await import('../notify/ping.ts')).beginPing(ping, places),
  };
}

/** Which of them are due, in their order. Where that can't be told it counts as due: running it says what is wrong. */
async function dueOf(table: readonly FollowUp[], over: EndedTick): Promise<FollowUp[]> {
  const due: FollowUp[] = [];
  for (const one of table) {
    if (over.worked === null && one.always !== true) continue;
    try {
      if (await one.due(over)) due.push(one);
    } catch {
      due.push(one);
    }
  }
  return due;
}

/** Runs one, for as long as it may take at most. What goes wrong is said. True = it was cut off. */
async function follow(one: FollowUp, over: EndedTick): Promise<boolean> {
  const { places, out } = over.context;
  const note = faultNote(places, one.name);
  const end = new AbortController();
  const bound_ms = one.bound_ms(over);
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<never>((_, refuse) => {
    timer = setTimeout(() => {
      end.abort();
      refuse(new Error(`it was not through after ${Math.round(bound_ms / 1000)} s`));
    }, bound_ms);
  });
  try {
    await Promise.race([one.run(over, end.signal), bound]);
    rmSync(note, { force: true });
  } catch (error) {
    const why = oneLine(messageOf(error), 400);
    if (isNews(note, why)) out.warn(`${one.failed}: ${why}`);
  } finally {
    clearTimeout(timer);
  }
  return end.signal.aborted;
}

/** A scheduler mails what a tick says: the same once an hour is enough. */
function isNews(note: string, why: string): boolean {
  try {
    // A file's time has fractions of a millisecond, which the clock has not.
    const age_ms = Date.now() - Math.floor(statSync(note, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    if (age_ms >= 0 && age_ms < 3_600_000 && textOfFile(note) === why) return false;
    writeAtomic(note, why);
  } catch {
    // A state dir that takes no more: said each time.
  }
  return true;
}
