import { existsSync, lstatSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { attempt, objectIn } from '../model/json.ts';
import { oneLine } from '../model/text.ts';
import { switchFile, textIn } from './killswitch.ts';
import type { Places } from './paths.ts';
import { runIn, shownOf, statOf } from './proc.ts';

/*
 * Who calls. Whoever has a run id in its environment is the agent of that run, whatever the id says: one that is made up, or has
 * ended, is no person's. Two things more are looked at. A run that has made a state dir of its own is a person to the board in it,
 * so that agents can work on this very program. And an agent that takes the variable away, or writes another run into it, is told by
 * the processes above it, where there is a /proc; one that leaves them behind (a double fork) passes for the person, as SECURITY.md says.
 */

/** `config`: this run is a person here alone, and this is its own configuration; absent = a person anywhere. */
export type Caller =
  | { readonly kind: 'person'; readonly config?: string | null }
  | { readonly kind: 'agent'; readonly run: string };

export const PERSON: Caller = { kind: 'person' };

const MOST_ANCESTORS = 64;

/** `above`: looks at the processes above this one as well. A run of this state dir that is found there has the say. */
export function callerOf(places: Places, env: NodeJS.ProcessEnv, above: boolean): Caller {
  const run = above ? runAbove(places) : null;
  if (run !== null) return { kind: 'agent', run };
  const named = env.MC_RUN_ID;
  if (!named) return PERSON;
  return (isWithin(places, env) ? notedOf(places, named) : null) ?? { kind: 'agent', run: named };
}

/** Nothing has been made there: this state dir can be anybody's own. */
export function isFresh({ state, board, elsewhere, host, runs }: Places): boolean {
  return [board, elsewhere, host, runs, join(state, 'bin')].every((path) => !existsSync(path));
}

/** From here on this run is a person to the board of this state dir, which it has just made. The configuration is its own only
 *  where there was none before. */
export function noteAsPerson(places: Places, run: string): Caller {
  const config = existsSync(places.config) ? null : places.config;
  writeFileSync(places.people, `${JSON.stringify({ run, config })}\n`, { mode: 0o600 });
  return { kind: 'person', config };
}

/** One line that says what it may do instead. */
export function forbidden(what: string, run: string): string {
  return `an agent (run ${oneLine(run, 100)}) may not use ${what}: it may read, report on its own run, comment on its own ticket, and add tickets; a person is asked by mc-pickup report needs-input --message "..."`;
}

/** Only what lies in the state dir that it has made is its own: not a board that a link leads to, nor another's switch. */
function isWithin({ state, board, killswitch }: Places, env: NodeJS.ProcessEnv): boolean {
  const plain = [board, killswitch].every((path) => {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    return stat === undefined || (stat.isFile() && stat.nlink === 1);
  });
  return plain && dirname(switchFile({ killswitch }, env)) === state;
}

/** A run that this very board has started is never a person to it. */
function notedOf(places: Places, run: string): Caller | null {
  if (isRunOf(places, run)) return null;
  const noted = objectIn(attempt(() => textIn(places.people)));
  if (noted?.run !== run) return null;
  return { kind: 'person', config: typeof noted.config === 'string' ? noted.config : null };
}

function isRunOf({ runs }: Places, run: string): boolean {
  return /^[\w.-]{1,255}$/.test(run) && existsSync(join(runs, run));
}

/** The run of the farthest process above this one that was started as an agent of this state dir: what is between, it has started, with
 *  whatever run it liked. */
function runAbove(places: Places): string | null {
  if (process.platform !== 'linux') return null;
  let found: string | null = null;
  let pid = process.ppid;
  for (let n = 0; pid > 1 && n < MOST_ANCESTORS; n++) {
    const of = pid;
    // Another user's process, or one that is gone, is not seen.
    const run = attempt(() => runIn(shownOf(of).environ))?.run;
    if (run !== undefined && isRunOf(places, run)) found = run;
    pid = attempt(() => statOf(of).ppid) ?? 0;
  }
  return found;
}
