/*
 * Which test files are unit tests: they start no process, and so need no tmux, git, browser or built program. Told by what a file
 * says itself, and by what it imports of `test/`: whatever starts processes there imports `node:child_process`. What starts one through
 * `src/` alone is named below; `no-processes.ts` lets such a test fail that is not.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const IMPORT =
  /^\s*(?:import|export)\s(?!type\b)[^'"]*?from\s+['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/gm;
const STARTS = /^(node:child_process|node:worker_threads|playwright-core)$/;

/** They call what starts processes, or what wants the built program, without an import that tells. */
const THROUGH_SRC: readonly string[] = [
  'test/tmux/keys.test.ts',
  'test/agents/versions.test.ts',
  'test/doctor/run-dirs.test.ts',
];

/** What takes minutes, by what it does in them: no part of `npm test`, which says so, but of `npm run test:slow`. */
export const SLOW: Readonly<Record<string, string>> = {
  'test/schedule/minutes.test.ts': 'waits for the full minutes of a real cron',
  'test/schedule/systemd.test.ts': 'waits for the timers of a real systemd',
  'test/docs/typed.test.ts': 'types every command of the documents, each block in a home of its own',
  'test/example/worked.test.ts': 'fifty tickets from a list to pull requests',
  'test/e2e/foreign-files.test.ts': 'every file that an agent can write, as everything that it can be',
  'test/http/crash.test.ts': 'crash cells over HTTP',
  'test/http/faults.test.ts': 'every fault of a server, at every request',
  'test/e2e/wrappers.test.ts': 'some thirty wrappers, each with a client and its tools, all killed at once',
  'test/e2e/crash.test.ts': 'ticks that are killed at points of their own',
  'test/clean/crash.test.ts': 'a clean that is killed at every point',
  'test/page/browser.test.ts': 'looks at pages in a real browser',
};

/** Every test file of `npm test`, by its path from the root of the checkout. */
const files: readonly string[] = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .map((path) => `test/${path}`)
  .filter((path) => path.endsWith('.test.ts') && !path.startsWith('test/real-agents/') && !(path in SLOW))
  .sort();

const seen = new Map<string, boolean>();

/** Whether a file or anything that it imports of `test/` imports what starts processes. */
function starts(file: string): boolean {
  const known = seen.get(file);
  if (known !== undefined) return known;
  seen.set(file, false); // a circle tells nothing more
  const names = [...readFileSync(file, 'utf8').matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? '');
  const ours = names.filter((name) => name.startsWith('.')).map((name) => resolve(dirname(file), name));
  const found =
    names.some((name) => STARTS.test(name)) ||
    ours.some((path) => path.endsWith('.ts') && !path.startsWith(join(ROOT, 'src/')) && starts(path));
  seen.set(file, found);
  return found;
}

/** They put another module in place of one: in a worker that has the modules of another file, the others would not know of it. */
export const ALONE = files.filter((path) => readFileSync(join(ROOT, path), 'utf8').includes('vi.mock('));
export const UNIT = files.filter(
  (path) => !ALONE.includes(path) && !THROUGH_SRC.includes(path) && !starts(join(ROOT, path)),
);
export const WHOLE = files.filter((path) => !UNIT.includes(path) && !ALONE.includes(path));
