/* What has changed, as git tells it, without starting anything that the repository or the agent has configured. */
import { join } from 'node:path';
import { isPlainFile } from '../machine/foreign.ts';
import { AS_READ, git } from './git.ts';
import { gitDir } from './own.ts';

export interface Change {
  readonly path: string;
  /** git's letter: A, M, D, T; `?` = not known to git. */
  readonly status: string;
  /** null = binary, or not counted. */
  readonly added: number | null;
  readonly removed: number | null;
}

export interface Commit {
  readonly sha: string;
  readonly author: string;
  readonly at_ms: number;
  readonly subject: string;
}

const MOST_COMMITS = 1000;

/** What stands before the command, so that nothing that the repository or the agent has configured is started to make a
 *  diff: neither hooks nor the filters of its own configuration; those of the user's stay. */
export async function quietOptions(cwd: string): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const scope of [['--local'], ownSettings(cwd)]) {
    if (scope === null) continue;
    // A file that it includes is its own as well.
    const words = ['config', ...scope, '--includes', '--name-only', '-z', '--get-regexp'];
    const found = await git(cwd, [...words, '^filter\\.']);
    for (const key of found.stdout.split('\0')) {
      const [, name] = /^filter\.(.+)\.[a-z]+$/s.exec(key) ?? [];
      if (name !== undefined) names.add(name);
    }
  }
  const odd = [...names].find((name) => /[=\n]/.test(name));
  if (odd !== undefined)
    throw new Error(`the repository names a filter ${JSON.stringify(odd)}: look at its configuration`);
  const off = [...names].flatMap((name) =>
    ['clean=', 'smudge=', 'process=', 'required=false'].flatMap((one) => ['-c', `filter.${name}.${one}`]),
  );
  return [...AS_READ, ...off];
}

/** How git is asked for the settings that are a worktree's alone; null = it has none. By `--worktree` git looks at all other worktrees first, and
 *  waits for ever for a pipe that the agent of one has put there. */
function ownSettings(cwd: string): readonly string[] | null {
  const own = gitDir(cwd);
  if (own === null) return ['--worktree'];
  const file = join(own, 'config.worktree');
  return isPlainFile(file) ? ['--file', file] : null;
}

/** After it. */
export const PLAIN_DIFF = [
  '--no-ext-diff',
  '--no-textconv',
  '--no-relative',
  '--src-prefix=a/',
  '--dst-prefix=b/',
  '--submodule=short',
  '--ignore-submodules=dirty',
];

/** The commits of a range, the newest first. */
export async function commitsOf(
  cwd: string,
  quiet: readonly string[],
  range: string,
): Promise<{ readonly error: string | null; readonly commits: readonly Commit[] }> {
  const words = ['log', `-${MOST_COMMITS}`, '-z', '--format=%H%x1f%an%x1f%at%x1f%s', range, '--'];
  const log = await git(cwd, [...quiet, ...words]);
  return log.ok
    ? { error: null, commits: log.stdout.split('\0').filter(Boolean).map(lineOf) }
    : { error: log.error, commits: [] };
}

export type Changes = { readonly error: string | null; readonly changes: readonly Change[] };

/** What differs between two states. */
export async function changes(
  cwd: string,
  quiet: readonly string[],
  range: readonly string[],
): Promise<Changes> {
  const ask = (what: string) =>
    git(cwd, [...quiet, 'diff', what, '-z', '--no-renames', ...PLAIN_DIFF, ...range]);
  const [status, counts] = await Promise.all([ask('--name-status'), ask('--numstat')]);
  if (!status.ok || !counts.ok) return { error: status.ok ? counts.error : status.error, changes: [] };
  const counted = new Map(
    counts.stdout.split('\0').flatMap((line) => {
      const [, added = '', removed = '', path] = /^(\S+)\t(\S+)\t(.*)$/s.exec(line) ?? [];
      return path === undefined ? [] : [[path, { added: number(added), removed: number(removed) }] as const];
    }),
  );
  const words = status.stdout.split('\0').filter((word, n, all) => word !== '' || n < all.length - 1);
  const found: Change[] = [];
  for (let n = 0; n + 1 < words.length; n += 2) {
    const path = words[n + 1] ?? '';
    found.push({ path, status: words[n] ?? '', ...(counted.get(path) ?? { added: null, removed: null }) });
  }
  return { error: null, changes: found };
}

/** Staged and not, and files that git does not know; not those that it ignores. */
export async function dirt(cwd: string, quiet: readonly string[], head: string): Promise<Changes> {
  const [known, unknown] = await Promise.all([
    changes(cwd, quiet, [head, '--']),
    git(cwd, [...quiet, 'ls-files', '--others', '--exclude-standard', '-z']),
  ]);
  if (known.error !== null || !unknown.ok) return { error: known.error ?? unknown.error, changes: [] };
  const others = unknown.stdout.split('\0').filter(Boolean);
  return {
    error: null,
    changes: [...known.changes, ...others.map((path) => ({ path, status: '?', added: null, removed: null }))],
  };
}

function lineOf(line: string): Commit {
  const [sha = '', author = '', at = '', ...subject] = line.split(/\u001f/);
  return { sha, author, at_ms: Number(at) * 1000, subject: subject.join(' ') };
}

function number(text: string): number | null {
  return /^\d+$/.test(text) ? Number(text) : null;
}
