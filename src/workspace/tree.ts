import { type Dirent, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What lies in a directory, links not followed. */
export interface TreeFacts {
  readonly bytes: number;
  /** Repositories of their own below it: what is committed there is nowhere else, for all that can be told. */
  readonly repositories: readonly string[];
  /** Other file systems that are mounted below it: to delete through them would reach what is not ours. */
  readonly mounts: readonly string[];
}

const FEW = 5;

/** Walks a directory. A part of it that cannot be read is an error: what is not seen can't be judged. */
export function lookAtTree(dir: string): TreeFacts {
  const device = lstatSync(dir).dev;
  const repositories: string[] = [];
  const mounts: string[] = mountedBelow(dir);
  let bytes = 0;
  const open = [dir];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const entries = readdirSync(at, { withFileTypes: true });
    if (at !== dir && isRepository(entries)) repositories.push(at);
    for (const one of entries) {
      const path = join(at, one.name);
      if (one.isDirectory()) {
        if (lstatSync(path).dev === device) open.push(path);
        else if (!mounts.includes(path)) mounts.push(path);
      } else bytes += lstatSync(path).size;
    }
  }
  return { bytes, repositories: repositories.slice(0, FEW), mounts: mounts.slice(0, FEW) };
}

/** A `.git` of any kind, or a bare repository. */
function isRepository(entries: readonly Dirent[]): boolean {
  const names = new Set(entries.map(({ name }) => name));
  return names.has('.git') || (names.has('HEAD') && names.has('objects') && names.has('refs'));
}

/** By the kernel's list, which also knows a directory of the same file system that is mounted at another place. */
function mountedBelow(dir: string): string[] {
  let text: string;
  try {
    text = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return []; // Another system: the device numbers tell.
  }
  return text
    .split('\n')
    .map((line) => unescaped(line.split(' ')[4] ?? ''))
    .filter((at) => at.startsWith(`${dir}/`));
}

/** A path of the kernel's lists of mounts, where a space is `\040`. */
export function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
