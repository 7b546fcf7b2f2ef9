import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { shownOf } from '../machine/process.ts';
import { asBytes, runIn } from '../runs/members.ts';

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
export function lookAtProcesses(state: string, root = '/proc'): Processes {
  const places: Use[] = [];
  const all: number[] = [];
  let hidden = 0;
  let open: readonly Use[] | undefined;
  const marked: Marked[] = [];
  let names: string[];
  try {
    names = readdirSync(root).filter((name) => /^\d+$/.test(name));
  } catch {
    return { seen: false, marked, hidden: 0, inside: () => [] };
  }
  for (const name of names) {
    const pid = Number(name);
    const shown = attempt(() => shownOf(pid, { root }));
    const shows = shown?.at ?? `${root}/${name}`;
    // A thread may have a working directory of its own.
    const threads = (attempt(() => readdirSync(`${root}/${name}/task`)) ?? []).filter((one) => one !== name);
    const at = [shows, ...threads.map((one) => `${root}/${name}/task/${one}`)]
      .flatMap((from) => ['cwd', 'root'].map((link) => useOf(pid, `${from}/${link}`)))
      .filter((one) => one !== null);
    places.push(...at);
    all.push(pid);
    if (at.length === 0 && isDenied(`${shows}/cwd`)) hidden += 1;
    const run = pid === process.pid ? null : runOf(shown?.environ ?? null, state);
    if (run !== null) marked.push({ pid, run });
  }
  return {
    seen: places.length > 0,
    marked,
    hidden,
    inside: (dir) => {
      const working = placesIn(dir, places);
      if (working.length > 0) return working;
      open ??= all.flatMap((pid) => [...openFiles(pid, root), ...mapped(pid, root)]);
      return placesIn(dir, open);
    },
  };
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
  return device !== null && id.startsWith(device) && attempt(() => idOf(path)) !== id;
}

/** The directory, and all that lies in it. */
function idsBelow(dir: string): ReadonlySet<string> {
  const ids = new Set([idOf(dir)]);
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
    const stat = attempt(() => lstatSync(`${dir}/${name}`));
    if (stat !== null) ids.add(`${stat.dev}:${stat.ino}`);
  }
  return ids;
}

function openFiles(pid: number, root: string): Use[] {
  const names = attempt(() => readdirSync(`${root}/${pid}/fd`)) ?? [];
  return names.map((name) => useOf(pid, `${root}/${pid}/fd/${name}`)).filter((one) => one !== null);
}

/** Files that are mapped into its memory: programs and libraries that it runs, for one. */
function mapped(pid: number, root: string): Use[] {
  const text = attempt(() => readFileSync(`${root}/${pid}/maps`, 'utf8')) ?? '';
  const paths = new Set(
    text.split('\n').flatMap((line) => /^\S+ \S+ \S+ \S+ [1-9]\d* +(\/.*)$/.exec(line)?.[1] ?? []),
  );
  return [...paths].map((path) => ({ pid, path: path.replaceAll('\\012', '\n'), id: null }));
}

/** What a link of /proc leads to; null = nothing that has a path, or it is not shown. */
function useOf(pid: number, link: string): Use | null {
  const path = attempt(() => readlinkSync(link));
  return path?.startsWith('/') ? { pid, path, id: attempt(() => idOf(link)) } : null;
}

function isDenied(link: string): boolean {
  try {
    readlinkSync(link);
    return false;
  } catch (error) {
    return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
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
