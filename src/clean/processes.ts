import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { shownOf } from '../runtime/identity.ts';
import { asBytes, runIn } from '../runtime/members.ts';

export interface Marked {
  readonly pid: number;
  readonly run: string;
}

export interface Processes {
  /** false = there is no /proc to look at: then nobody knows who works where. */
  readonly seen: boolean;
  /** Processes of ours, by the run in their environment. */
  readonly marked: readonly Marked[];
  /** Processes that work in a directory or below it. */
  inside(dir: string): readonly number[];
}

/** One pass over /proc: where each process works, and for which run of this state dir. Another user's processes don't show
 *  it; they have no business in a directory that is this user's alone. */
export function lookAtProcesses(state: string, root = '/proc'): Processes {
  const places: { readonly pid: number; readonly cwd: string; readonly id: string | null }[] = [];
  const marked: Marked[] = [];
  let names: string[];
  try {
    names = readdirSync(root).filter((name) => /^\d+$/.test(name));
  } catch {
    return { seen: false, marked, inside: () => [] };
  }
  for (const name of names) {
    const pid = Number(name);
    const shown = attempt(() => shownOf(pid, { root }));
    const at = shown?.at ?? `${root}/${name}`;
    const cwd = attempt(() => readlinkSync(`${at}/cwd`));
    // In a container it goes by another name, and is the same directory.
    if (cwd !== null) places.push({ pid, cwd, id: attempt(() => idOf(`${at}/cwd`)) });
    const run = pid === process.pid ? null : runOf(shown?.environ ?? null, state);
    if (run !== null) marked.push({ pid, run });
  }
  return {
    seen: places.length > 0,
    marked,
    inside: (dir) => {
      const id = attempt(() => idOf(dir));
      return places
        .filter((one) => one.cwd === dir || one.cwd.startsWith(`${dir}/`) || (id !== null && one.id === id))
        .map(({ pid }) => pid);
    },
  };
}

function runOf(environ: string | null, state: string): string | null {
  const named = environ === null ? null : runIn(environ);
  return named?.state === asBytes(state) ? named.run : null;
}

function idOf(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
}

function attempt<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}
