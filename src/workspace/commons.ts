/*
 * What all worktrees of a repository have in common, and an agent may change while it does its ticket: the configuration, the hooks, and
 * the main checkout. It is looked at when a run begins, by reading files alone, and compared when it has ended. It is told, and
 * nothing of it is touched: several may have run meanwhile, and a person may have worked there.
 */
import { basename, dirname, join, relative } from 'node:path';
import { lookAtName, namesAt, textAt } from '../machine/foreign.ts';
import { fnv1a } from '../model/hash.ts';
import { many, oneLine } from '../model/text.ts';
import { git, ON_DISK } from './git.ts';
import { headOf } from './head.ts';
import { few } from './kept.ts';
import { registered } from './own.ts';
import { type Change, configChanges, isOfStorage, wordsOf } from './settings.ts';
import { once, type Shared } from './turn.ts';

/** How it was at one moment. */
export interface Commons {
  readonly at_ms: number;
  readonly common: string;
  /** The text of the shared configuration; null = there is none that can be read. */
  readonly config: string | null;
  /** What the main checkout is on; null = there is none, or it can't be told. */
  readonly head: string | null;
  /** Of each hook what tells that it was changed. */
  readonly hooks: Readonly<Record<string, string>>;
}

/** What is other than it was. */
export interface Compared {
  readonly says: readonly string[];
  /** Of the configuration alone: that can be put back. */
  readonly config: readonly Change[];
}

const MOST_CONFIG = 1024 * 1024;
const MOST_HOOKS = 200;
/** Longer than nearly all take, and short enough for what follows each tick. */
const STATUS_MS = 1500;

/** How it is now. */
export async function lookAtCommons(common: string, now_ms: number): Promise<Commons> {
  const hooks = namesAt(join(common, 'hooks'), MOST_HOOKS).filter((name) => !name.endsWith('.sample'));
  return {
    ...{ at_ms: now_ms, common },
    config: textAt(join(common, 'config'), { most: MOST_CONFIG }),
    head: mainCheckout(common) === null ? null : await headOf(common),
    hooks: Object.fromEntries(hooks.map((name) => [name, signOf(join(common, 'hooks', name))])),
  };
}

/** What has changed since. `notes`: a directory of ours; `apart`: what is ours in the main checkout. Never throws for want of an answer: what
 *  git does not tell in time is not compared. */
export async function compareCommons(
  before: Commons,
  now: Commons,
  { notes, apart, shared }: { readonly notes: string; readonly apart: string; readonly shared: Shared },
): Promise<Compared> {
  const { common } = before;
  const file = join(common, 'config');
  const config = before.config === now.config ? [] : await configChanges(before.config ?? '', file, notes);
  const main = mainCheckout(common);
  const [was, is] = [before.head ?? '', now.head ?? ''];
  const says = [
    ...config.map((one) => `${wordsOf(one)} (${file})`),
    ...hookChanges(before.hooks, now.hooks).map((one) => `${one} (${join(common, 'hooks')})`),
    ...(main === null || was === is || was === '' || is === ''
      ? []
      : [`the main checkout ${main} was at ${was}, and is at ${is}`]),
    ...(main === null ? [] : await fileChanges(main, before, { apart, shared })),
  ];
  return { says: says.map((one) => oneLine(one, 300)), config: config.filter((one) => !isOfStorage(one)) };
}

/** Where the repository's own files are; null = it is bare, or its git dir lies apart. */
function mainCheckout(common: string): string | null {
  return basename(common) === '.git' ? dirname(common) : null;
}

function signOf(path: string): string {
  const stat = lookAtName(path);
  const text = textAt(path, { most: MOST_CONFIG, encoding: 'latin1' });
  return `${stat?.mode ?? 0} ${stat?.size ?? 0} ${text === null ? '' : fnv1a(text)}`;
}

function hookChanges(before: Commons['hooks'], now: Commons['hooks']): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
  return names.flatMap((name) => {
    const [was, is] = [before[name], now[name]];
    if (was === is) return [];
    return [
      `the hook ${name} ${was === undefined ? 'is new' : is === undefined ? 'is gone' : 'was changed'}`,
    ];
  });
}

/** What is uncommitted in the main checkout, and was written since. */
async function fileChanges(
  main: string,
  { common, at_ms }: Commons,
  { apart, shared }: { readonly apart: string; readonly shared: Shared },
): Promise<string[]> {
  // An agent may have called the repository bare: there are its files all the same.
  const words = ['-c', 'core.bare=false', `--git-dir=${common}`, `--work-tree=${main}`, ...ON_DISK, 'status'];
  const how = ['--porcelain', '-z', '--untracked-files=normal', '--no-renames', '--ignore-submodules'];
  const status = await once(shared, 'status', () => git(main, [...words, ...how], { timeout_ms: STATUS_MS }));
  if (!status.ok) return [];
  const ours = [apart, ...registered(common).map(({ path }) => path)].map((path) => relative(main, path));
  const isOurs = (name: string): boolean =>
    ours.some((one) => one === name || one.startsWith(`${name}/`) || name.startsWith(`${one}/`));
  const staged = (lookAtName(join(common, 'index'))?.mtimeMs ?? 0) >= at_ms;
  const names = status.stdout.split('\0').flatMap((line) => {
    const name = line.slice(3).replace(/\/$/, '');
    if (name === '' || isOurs(name)) return [];
    const isStaged = staged && /^[^ ?]/.test(line);
    return isStaged || writtenSince(join(main, name), at_ms) ? [name] : [];
  });
  if (names.length === 0) return [];
  return [`${many(names.length, 'uncommitted change')} in the main checkout ${main}: ${few(names)}`];
}

/** Of one that is gone, its directory tells. */
function writtenSince(path: string, at_ms: number): boolean {
  const stat = lookAtName(path);
  if (stat !== null) return Math.max(stat.ctimeMs, stat.mtimeMs) >= at_ms;
  return (lookAtName(dirname(path))?.mtimeMs ?? 0) >= at_ms;
}
