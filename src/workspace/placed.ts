/*
 * What a worktree gets from the main checkout beside what git checks out: copies of small files (`copy`, such as `.env*`) and links (`link`, such
 * as `node_modules`). Nothing is read or written through a link, and what stands in the worktree already stays. Each is noted in the state dir
 * with its hash or target: as long as it is just so, it is no work of anybody's. A worktree is filled once; what is taken away later stays away.
 */
import { basename, dirname, join } from 'node:path';
import { asObject, mainCheckout, readObject, textOf } from '../machine/files.ts';
import {
  bytesOf,
  createIn,
  inMadeDir,
  isPlainDir,
  linkIn,
  linkTargetOf,
  lookAtName,
  namesAt,
  removeFileAt,
  writeIn,
} from '../machine/foreign.ts';
import { messageOf } from '../model/errors.ts';
import { fnv1a } from '../model/hash.ts';
import type { Project } from '../model/policy.ts';
import { git } from './git.ts';
import { few } from './kept.ts';

/** A file that is larger is no setting. */
const MOST_BYTES = 1024 * 1024;
/** So many names one pattern may stand for. */
const MOST_PATHS = 200;

/** What was placed at one path: a copy, by its hash, or a link, by where it leads. */
type Placed =
  | { readonly path: string; readonly sha256: string }
  | { readonly path: string; readonly target: string };

interface To {
  readonly project: Pick<Project, 'repo' | 'copy' | 'link'>;
  readonly worktree: string;
  /** The directory of the notes. */
  readonly notes: string;
  /** The worktree is new: what is noted of an earlier one at this place is of yesterday. */
  readonly created: boolean;
}

/** What a worktree was given now. */
export interface Given {
  /** For people: what could not be placed, and what is at risk. */
  readonly warnings: readonly string[];
  /** Paths that git does not ignore: who adds all that git shows takes them along. */
  readonly exposed: readonly string[];
}

const NOTHING: Given = { warnings: [], exposed: [] };

/** Fills a worktree that was not filled yet. Never throws. */
export async function placeFromMain({ project, worktree, notes, created }: To): Promise<Given> {
  const { repo, copy, link } = project;
  if (copy.length + link.length === 0 || (!created && readNote(notes, worktree) !== null)) return NOTHING;
  try {
    const main = mainCheckout(repo);
    if (main === null) return only(`${repo} is bare: there is no checkout to copy and link from`);
    const placed: Placed[] = [];
    const left: string[] = [];
    for (const [patterns, place] of [
      [copy, copyOne],
      [link, linkOne],
    ] as const)
      for (const path of patterns.flatMap((pattern) => pathsOf(main, pattern, left))) {
        const done = place(main, worktree, path);
        if (typeof done === 'string') left.push(`${path} ${done}`);
        else if (done !== null) placed.push(done);
      }
    const text = JSON.stringify({ worktree, placed });
    inMadeDir(dirname(notes), basename(notes), (dir) => writeIn(dir, noteOf(worktree), text));
    const exposed = await shownByGit(worktree, placed);
    const risk = `git does not ignore ${few(exposed)}, which its agent was given and may commit: name it in .gitignore`;
    return {
      warnings: [
        ...(left.length === 0 ? [] : [`not taken from ${main}: ${few(left)}`]),
        ...(exposed.length === 0 ? [] : [risk]),
      ],
      exposed,
    };
  } catch (error) {
    return only(`what ${repo} has beside its commits could not be placed: ${messageOf(error)}`);
  }
}

function only(warning: string): Given {
  return { ...NOTHING, warnings: [warning] };
}

/** Of what a worktree was given, all that the commits of a range have: copies may hold secrets. Throws where git can't tell. */
export async function committedOf(
  { notes, worktree, cwd }: { readonly notes: string; readonly worktree: string; readonly cwd: string },
  range: string,
): Promise<readonly string[]> {
  const paths = (readNote(notes, worktree) ?? []).map(({ path }) => `:(top,literal)${path}`);
  if (paths.length === 0) return [];
  const log = ['log', '--format=', '--name-only', '--no-renames', '--diff-filter=d', '-z', '-m', range];
  const found = await git(cwd, [...log, '--', ...paths]);
  if (!found.ok) throw new Error(found.error);
  return [...new Set(found.stdout.split('\0').map((one) => one.trim()))].filter((one) => one !== '');
}

/** The paths at which a worktree has what it was given, as it was given. `dir`: where its files are now. */
export function placedIn(notes: string, worktree: string, dir = worktree): ReadonlySet<string> {
  const isSame = (one: Placed): boolean => {
    if ('target' in one) return linkTargetOf(join(dir, one.path)) === one.target;
    const bytes = bytesOf(join(dir, one.path), MOST_BYTES);
    return bytes !== null && hashOf(bytes) === one.sha256;
  };
  return new Set((readNote(notes, worktree) ?? []).filter(isSame).map(({ path }) => path));
}

/** Takes away what is still as it was placed, and what is noted of it: from a worktree that nobody was given yet. */
export function takeBack(notes: string, worktree: string): void {
  for (const path of placedIn(notes, worktree)) removeFileAt(join(worktree, path));
  forgetPlaced(notes, worktree);
}

/** The worktree is gone. */
export function forgetPlaced(notes: string, worktree: string): void {
  removeFileAt(join(notes, noteOf(worktree)));
}

/** What fits a pattern in the main checkout, as paths below it. Directories are entered by their own names alone, never by a link. */
function pathsOf(main: string, pattern: string, left: string[]): string[] {
  let found = [''];
  for (const [n, part] of pattern.split('/').entries()) {
    const fits = /[*?]/.test(part) ? regexOf(part) : null;
    found = found
      .filter((below) => n === 0 || isPlainDir(join(main, below)))
      .flatMap((below) => {
        const names = fits === null ? [part] : namesAt(join(main, below)).filter((one) => fits.test(one));
        return names.filter((one) => one !== '.git').map((one) => (below === '' ? one : `${below}/${one}`));
      });
  }
  const there = found.filter((path) => lookAtName(join(main, path)) !== null).sort();
  if (there.length > MOST_PATHS)
    left.push(`${pattern} fits ${there.length} names, of which ${MOST_PATHS} count`);
  return there.slice(0, MOST_PATHS);
}

/** As a shell reads it: `*` and `?` stand for no dot at the beginning. */
function regexOf(part: string): RegExp {
  const text = part
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${/^[*?]/.test(part) ? '(?!\\.)' : ''}${text}$`, 's');
}

/** null = something else stands there, and stays. A text says why nothing could be placed. */
function copyOne(main: string, worktree: string, path: string): Placed | string | null {
  const source = join(main, path);
  const stat = lookAtName(source);
  if (stat?.isFile() !== true) return 'is no regular file';
  if (stat.size > MOST_BYTES) return 'is larger than 1 MiB';
  const bytes = bytesOf(source, MOST_BYTES);
  if (bytes === null) return 'can not be read';
  const placed = { path, sha256: hashOf(bytes) };
  const made = inPlace(worktree, path, (dir, name) => createIn(dir, name, bytes));
  if (typeof made === 'string' || made) return made === true ? placed : made;
  // A tick that was killed had copied it already.
  return bytesOf(join(worktree, path), MOST_BYTES)?.equals(bytes) === true ? placed : null;
}

function linkOne(main: string, worktree: string, path: string): Placed | string | null {
  const target = join(main, path);
  if (lookAtName(target)?.isSymbolicLink() === true) return 'is a link itself';
  const placed = { path, target };
  const made = inPlace(worktree, path, (dir, name) => linkIn(dir, name, target));
  if (typeof made === 'string' || made) return made === true ? placed : made;
  return linkTargetOf(join(worktree, path)) === target ? placed : null;
}

function inPlace(
  worktree: string,
  path: string,
  make: (dir: Parameters<typeof createIn>[0], name: string) => boolean,
): boolean | string {
  try {
    const folder = dirname(path);
    return inMadeDir(worktree, folder === '.' ? '' : folder, (dir) => make(dir, basename(path)));
  } catch (error) {
    return `could not be placed (${messageOf(error)})`;
  }
}

async function shownByGit(worktree: string, placed: readonly Placed[]): Promise<string[]> {
  if (placed.length === 0) return [];
  const paths = placed.map(({ path }) => `:(top,literal)${path}`);
  const seen = await git(worktree, ['ls-files', '--others', '--exclude-standard', '-z', '--', ...paths]);
  return seen.stdout.split('\0').filter((one) => one !== '');
}

function readNote(notes: string, worktree: string): Placed[] | null {
  const read = readObject(join(notes, noteOf(worktree)));
  if (textOf(read, 'worktree') !== worktree || !Array.isArray(read?.placed)) return null;
  return read.placed.flatMap((one): Placed[] => {
    const [path, sha256, target] = ['path', 'sha256', 'target'].map((key) => textOf(asObject(one), key));
    if (path == null) return [];
    if (sha256 != null) return [{ path, sha256 }];
    return target == null ? [] : [{ path, target }];
  });
}

function noteOf(worktree: string): string {
  return `${fnv1a(worktree)}.json`;
}

function hashOf(bytes: Buffer): string {
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(bytes).digest('hex');
}
