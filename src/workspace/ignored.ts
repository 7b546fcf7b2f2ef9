/*
 * What git ignores goes with a worktree where it can be made anew. It stays, and keeps the worktree, where a person or an agent may have
 * put it there: a small file that lies loose, and that the main checkout does not have just so.
 */
import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf, lookAtName } from '../machine/foreign.ts';
import { isUnnameable } from '../machine/remove-tree.ts';
import { codeOf } from '../model/errors.ts';

/** Directories that are made anew by the tools that made them. */
const MADE_BY_TOOLS: ReadonlySet<string> = new Set([
  ...['node_modules', 'bower_components', '.pnpm-store', '.yarn', '.next', '.nuxt', '.output', '.svelte-kit'],
  ...['.turbo', '.nx', '.angular', '.parcel-cache', '.vite', 'storybook-static', 'coverage', '.nyc_output'],
  ...['.venv', 'venv', '__pycache__', '.tox', '.nox', '.eggs', '.pytest_cache', '.mypy_cache', '.ruff_cache'],
  ...[
    'htmlcov',
    '.hypothesis',
    '.ipynb_checkpoints',
    'target',
    'dist',
    'build',
    'out',
    '_build',
    'deps',
    'obj',
  ],
  ...['.cache', 'cache', 'vendor', '.bundle', '.gradle', '.terraform', 'Pods', 'DerivedData', '.dart_tool'],
  ...['.stack-work', 'dist-newstyle', 'zig-cache', '.zig-cache', 'elm-stuff', '.direnv'],
]);
/** Files that they leave. */
const LEFT_BY_TOOLS =
  /^(\.DS_Store|Thumbs\.db|\.coverage|\.eslintcache|\.stylelintcache|.*\.(log|pid|py[co]|class|o|obj|a|so|d|tsbuildinfo|sw[op]|tmp))$/;
/** https://bford.info/cachedir/ */
const CACHE_TAG = 'CACHEDIR.TAG';
/** What a hand has written is smaller. */
const SMALL = 1024 * 1024;
/** So many files in one ignored directory no hand has written. */
const MOST_LOOSE = 500;

/** Those files of the ignored ones (`dir/` = a whole directory) that may be wanted. `main`: the main checkout, if there is one. */
export function wanted(dir: string, ignored: readonly string[], main: string | null): string[] {
  return ignored.flatMap((path) => {
    if (path.split('/').some((part) => MADE_BY_TOOLS.has(part))) return [];
    if (!path.endsWith('/')) return isLoose(dir, path, main) ? [path] : [];
    const loose = looseIn(dir, path, main);
    return loose.length > MOST_LOOSE ? [] : loose;
  });
}

/** The loose files below an ignored directory, a few more than can be at most. */
function looseIn(dir: string, path: string, main: string | null): string[] {
  const loose: string[] = [];
  const open = [path];
  for (let at = open.pop(); at !== undefined && loose.length <= MOST_LOOSE; at = open.pop()) {
    const entries = entriesOf(join(dir, at));
    // A package cache locks its directories. A repository is judged by itself.
    const isCache = (lstatSync(join(dir, at)).mode & 0o200) === 0;
    if (isCache || entries.some(({ name }) => name === CACHE_TAG || name === '.git')) continue;
    for (const one of entries) {
      const below = `${at}${one.name}`;
      if (!one.isDirectory()) {
        if (isLoose(dir, below, main)) loose.push(below);
      } else if (isUnnameable(one.name)) loose.push(below);
      else if (!MADE_BY_TOOLS.has(one.name)) open.push(`${below}/`);
    }
  }
  return loose;
}

/** What can't be looked into is told by itself. */
function entriesOf(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch (error) {
    if (codeOf(error) === 'EACCES') return [];
    throw error;
  }
}

function isLoose(dir: string, path: string, main: string | null): boolean {
  const stat = lookAtName(join(dir, path));
  // A name that is no text can't be asked for: what it is, a person has to tell.
  if (stat === null && isUnnameable(path)) return true;
  if (stat === null || !stat.isFile() || stat.size === 0 || stat.size > SMALL) return false;
  if (LEFT_BY_TOOLS.test(path.slice(path.lastIndexOf('/') + 1))) return false;
  const there = main === null ? null : bytesOf(join(main, path), SMALL, 'links');
  const here = there === null ? null : bytesOf(join(dir, path), SMALL);
  return there === null || here === null || !there.equals(here);
}
