import { setTimeout as pause } from 'node:timers/promises';
import { busyError, messageOf, unavailableError } from '../model/errors.ts';
import { cron } from './cron.ts';
import { launchd } from './launchd.ts';
import {
  ask,
  type Change,
  failed,
  type Look,
  type Scheduler,
  type State,
  type Step,
  type With,
} from './scheduler.ts';
import { systemd } from './systemd.ts';
import { type Here, wishOf } from './wish.ts';

export type { Here } from './wish.ts';
export { scheduleId, steering } from './wish.ts';

/** What one scheduler has of a state dir. */
export interface Installed {
  readonly with: With;
  readonly state: State;
  readonly says: string;
  /** What a person should know before relying on it. */
  readonly notes: readonly string[];
}

/** A scheduler and what was seen there; null = it could not be looked at, `says` has why. */
export interface Seen extends Installed {
  readonly scheduler: Scheduler;
  readonly look: Look | null;
}

/** What is installed for this state dir in each scheduler that this machine has: up to date, not as it would be written
 *  now, nothing, or not to be told. Writes nothing, and throws only where a path can't be scheduled at all. */
export async function installedSchedules(context: Here): Promise<Installed[]> {
  return lookAtAll(schedulersOf(context).all)
    .filter(({ scheduler }) => scheduler.here)
    .map(({ with: name, state, says, notes }) => ({ with: name, state, says, notes }));
}

/** The PATH that an installed entry gives to its ticks; null = none is installed, or it is not as it would be written now. */
export async function installedPath(context: Here): Promise<string | null> {
  const there = (await installedSchedules(context)).some(({ state }) => state === 'installed');
  return there ? wishOf(context).wish.path : null;
}

/** The three schedulers as seen from here, and what a person should know whichever is used. */
export function schedulersOf(here: Here): {
  readonly id: string;
  readonly all: readonly Scheduler[];
  readonly notes: readonly string[];
} {
  const { wish, notes } = wishOf(here);
  const { env } = here;
  return { id: wish.id, all: [cron(wish, env), systemd(wish, env), launchd(wish, env)], notes };
}

/** A crontab that can't be read hides nothing of what the others have. */
export function lookAtAll(schedulers: readonly Scheduler[]): Seen[] {
  return schedulers.map((scheduler) => {
    const { with: name } = scheduler;
    const none = { scheduler, with: name, look: null, notes: [] };
    if (!scheduler.here) return { ...none, state: 'none', says: scheduler.fault() ?? '' };
    try {
      const look = scheduler.look();
      return { scheduler, with: name, look, state: look.state, says: look.says, notes: scheduler.notes() };
    } catch (error) {
      const says = messageOf(error);
      return { ...none, state: 'unknown', says };
    }
  });
}

/** The scheduler to install into: the one that was asked for; else the one that has it already, so that there is one and
 *  not two; else the machine's own. Exit 69 where there is none. */
export function chosen(seen: readonly Seen[], wanted: With | undefined): Scheduler {
  const usable = (name: With): Scheduler | null => {
    const one = seen.find(({ with: is }) => is === name)?.scheduler;
    return one !== undefined && one.fault() === null ? one : null;
  };
  const asked = seen.find(({ with: name }) => name === wanted)?.scheduler;
  if (asked !== undefined) {
    const fault = asked.fault();
    if (fault !== null) throw unavailableError(`${asked.with}: ${fault}`);
    return asked;
  }
  const has = seen.find(({ state, scheduler }) => isThere(state) && scheduler.fault() === null);
  const found = has?.scheduler ?? usable('launchd') ?? usable('systemd') ?? usable('cron');
  if (found !== null) return found;
  const faults = seen
    .filter(({ with: name }) => name !== 'launchd')
    .map((one) => `${one.with}: ${one.scheduler.fault()}`);
  throw unavailableError(`no scheduler was found here. ${faults.join('. ')}`);
}

/** Whether something of ours is there, in whatever shape. */
export function isThere(state: State): boolean {
  return state === 'installed' || state === 'differs';
}

/** Whether there is anything to do. */
export function isEmpty({ first, documents, last }: Change): boolean {
  return first.length + documents.length + last.length === 0;
}

/** How long a tick that is at work is waited for. */
const PATIENCE_MS = 120_000;

/** Carries a change out, in its order. A step that fails stops it: a later run sees what is left to do. Gives the files
 *  in which a text before it is kept. */
export async function carryOut(scheduler: Scheduler, change: Change): Promise<string[]> {
  for (const step of change.first) await take(step, scheduler.env);
  const kept = change.documents.map((document) => scheduler.write(document));
  for (const step of change.last) await take(step, scheduler.env);
  return kept.filter((file) => file !== null);
}

async function take({ argv, mayFail, until }: Step, env: NodeJS.ProcessEnv): Promise<void> {
  for (let waited = 0; ; waited += 200) {
    const ran = ask(argv, env);
    if (ran.code !== 0 && mayFail !== true)
      throw unavailableError(`${failed(argv, ran)}; mend that and run this again`);
    if (until === undefined || until.test(ran.out)) return;
    if (waited >= PATIENCE_MS)
      throw busyError('a tick is still at work, no file was changed: run this again when it has ended');
    await pause(200);
  }
}
