import { basename, dirname, join } from 'node:path';
import {
  at,
  type Dir,
  inDir,
  inMadeDir,
  isPlainDir,
  isPlainFile,
  textAt,
  writeIn,
} from '../machine/foreign.ts';
import { objectIn } from '../model/json.ts';

/*
 * A run has two directories. `runs/<run>` is the agent's as much as ours: it is told of it (MC_RUN_DIR), finds its prompt there and
 * leaves its events. `own/<run>` holds what only this program reads, and the agent is not told of: who registered, what was
 * started and where, the launcher, the last screen, the logs. Runs of 0.1 have it all in the first one: read from there
 * it is foreign.
 */

export const RUN_ID = /^[A-Za-z0-9_-]+$/;

/** The directory that the agent of a run is told of. */
export function runDir(runs: string, run: string): string {
  return join(runs, checked(run));
}

/** The directory of the same run that its agent is not told of, beside the directory of all runs. */
export function ownDir(dir: string): string {
  return join(dirname(dirname(dir)), 'own', basename(dir));
}

function checked(run: string): string {
  if (!RUN_ID.test(run)) throw new Error(`not a run id: ${JSON.stringify(run)}`);
  return run;
}

/** Makes both directories of a run, none of them through a link; throws where something else is in their place. */
export function makeRunDirs(dir: string): void {
  inMadeDir(stateOf(dir), `own/${basename(dir)}`, () => null);
  inMadeDir(stateOf(dir), `runs/${basename(dir)}/events`, () => null);
}

/** Writes a file for the agent of a run into its directory, or into a directory there. */
export function writeForAgent(dir: string, path: string, text: string): void {
  const run = `runs/${basename(dir)}`;
  const write = (open: Dir): true => {
    writeIn(open, basename(path), text);
    return true;
  };
  const done = inDir(stateOf(dir), run, (open) =>
    dirname(path) === '.' ? write(open) : inMadeDir(stateOf(dir), `${run}/${dirname(path)}`, write),
  );
  if (done === null) throw new Error(`${dir} is no directory of its own any more`);
}

/** Writes a file of our own about a run that there is. */
export function writeOwn(dir: string, name: string, text: string, mode = 0o600): void {
  const write = (open: Dir): void => writeIn(open, name, text, mode);
  const own = `own/${basename(dir)}`;
  // A run of 0.1 has none.
  if (isPlainDir(dir)) inMadeDir(stateOf(dir), own, write);
  else if (inDir(stateOf(dir), own, (open) => write(open) ?? true) === null)
    throw new Error(`there is no run ${basename(dir)}`);
}

/** Where a file that we have noted of a run is, or would be. */
export function placeOfRun(dir: string, name: string): string {
  const old = !isPlainFile(join(ownDir(dir), 'run.json')) && isPlainFile(join(dir, name)) && isPlainDir(dir);
  return join(old ? dir : ownDir(dir), name);
}

/** What we have noted of a run under a name; of a run of 0.1, what stands where it was noted then. null = nothing that can be read. */
export function textOfRun(dir: string, name: string): string | null {
  const own = ownDir(dir);
  const text = textAt(join(own, name));
  // A run that has its own `run.json` has all there: what lies beside its events is the agent's.
  if (text !== null || isPlainFile(join(own, 'run.json'))) return text;
  return inDir(stateOf(dir), `runs/${basename(dir)}`, (open) => textAt(at(open, name)));
}

/** The same as an object. */
export function objectOfRun(dir: string, name: string): Record<string, unknown> | null {
  return objectIn(textOfRun(dir, name));
}

function stateOf(dir: string): string {
  return dirname(dirname(dir));
}
