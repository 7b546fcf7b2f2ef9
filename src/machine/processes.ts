import { lstatSync, readdirSync, statSync } from 'node:fs';
import { attempt } from '../model/json.ts';
import {
  allPids,
  fileId,
  isHidden,
  PROC,
  type Proc,
  procId,
  procLink,
  procNames,
  procText,
  runIn,
  shownOf,
} from './proc.ts';

export interface Marked {
  readonly pid: number;
  readonly run: string;
}

export interface Processes {
  /** false = there is no /proc to look at: then nobody knows who works where. */
  readonly seen: boolean;
  /** Processes of ours, by the run in their environment. */
  readonly marked: readonly Marked[];
  /** How many do not show what they use: those of other users, unless root looks. */
  readonly hidden: number;
  /** Processes that use a directory or anything below it: work there, have a file of it open or mapped, have it as their root. */
  inside(dir: string): readonly number[];
}

/** What a process uses: by its name there, and by device and inode, since in a container it goes by another name. */
interface Use {
  readonly pid: number;
  readonly path: string;
  readonly id: string | null;
}

/** One pass over /proc: where each process works, and for which run of this state dir. What they have open is looked at when it is
 *  first asked for. */
export function lookAtProcesses(state: string, proc: Proc = PROC): Processes {
  const places: Use[] = [];
  const marked: Marked[] = [];
  let hidden = 0;
  let open: readonly Use[] | undefined;
  const all = allPids(proc);
  for (const pid of all) {
    const shown = attempt(() => shownOf(pid, proc));
    const from = [shown?.at ?? String(pid), ...threadsOf(pid, proc)];
    const uses = from
      .flatMap((one) => ['cwd', 'root'].map((link) => useOf(pid, `${one}/${link}`, proc)))
      .filter((one) => one !== null);
    places.push(...uses);
    if (uses.length === 0 && isHidden(`${from[0]}/cwd`, proc)) hidden += 1;
    const run = pid === process.pid || shown === null ? null : runIn(shown.environ, state);
    if (run !== null) marked.push({ pid, run: run.run });
  }
  return {
    seen: places.length > 0,
    marked,
    hidden,
    inside: (dir) => {
      const working = placesIn(dir, places);
      if (working.length > 0) return working;
      open ??= all.flatMap((pid) => [...openFiles(pid, proc), ...mapped(pid, proc)]);
      return placesIn(dir, open);
    },
  };
}

/** The same, looked at when it is first asked for, and once. */
export function inTime(state: string): () => Processes {
  let seen: Processes | undefined;
  return () => {
    seen ??= lookAtProcesses(state);
    return seen;
  };
}

/** A thread may have a working directory of its own. */
function threadsOf(pid: number, proc: Proc): string[] {
  return procNames(`${pid}/task`, proc)
    .filter((tid) => tid !== String(pid))
    .map((tid) => `${pid}/task/${tid}`);
}

function placesIn(dir: string, uses: readonly Use[]): number[] {
  const found = uses.filter(({ path }) => path === dir || path.startsWith(`${dir}/`));
  const elsewhere = found.length === 0 ? uses.filter((one) => isElsewhere(one, dir)) : [];
  const ids = elsewhere.length === 0 ? new Set<string>() : idsBelow(dir);
  return [
    ...new Set([...found, ...elsewhere.filter(({ id }) => id !== null && ids.has(id))].map(({ pid }) => pid)),
  ];
}

/** On the file system of the directory, by a name that is none of it here: in a container it goes by another one. */
function isElsewhere({ path, id }: Use, dir: string): boolean {
  if (id === null || path.endsWith(' (deleted)')) return false;
  const device = attempt(() => `${statSync(dir).dev}:`);
  return device !== null && id.startsWith(device) && fileId(path) !== id;
}

/** The directory, and all that lies in it. */
function idsBelow(dir: string): ReadonlySet<string> {
  const ids = new Set([fileId(dir) ?? '']);
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
    const stat = attempt(() => lstatSync(`${dir}/${name}`));
    if (stat !== null) ids.add(`${stat.dev}:${stat.ino}`);
  }
  return ids;
}

/** A thread may have files of its own, and has all of them where the main thread has ended; mostly they are those of its process. */
function openFiles(pid: number, proc: Proc): Use[] {
  const known = new Set<string | null>();
  return [String(pid), ...threadsOf(pid, proc)].flatMap((at) =>
    procNames(`${at}/fd`, proc).flatMap((name) => {
      const link = `${at}/fd/${name}`;
      const path = procLink(link, proc);
      if (known.has(path)) return [];
      known.add(path);
      return useOf(pid, link, proc) ?? [];
    }),
  );
}

/** Files that are mapped into its memory: programs and libraries that it runs, for one. */
function mapped(pid: number, proc: Proc): Use[] {
  const text = procText(`${pid}/maps`, proc) ?? '';
  const paths = new Set(
    text.split('\n').flatMap((line) => /^\S+ \S+ \S+ \S+ [1-9]\d* +(\/.*)$/.exec(line)?.[1] ?? []),
  );
  return [...paths].map((path) => ({ pid, path: path.replaceAll('\\012', '\n'), id: null }));
}

/** What a link of /proc leads to; null = nothing that has a path, or it is not shown. */
function useOf(pid: number, link: string, proc: Proc): Use | null {
  const path = procLink(link, proc);
  return path?.startsWith('/') ? { pid, path, id: procId(link, proc) } : null;
}
