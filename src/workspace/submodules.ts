/*
 * The submodules of a new worktree, checked out before anybody is given it: an agent in their empty directories would work without them.
 * They come from the git dirs that the project's own checkout has of them (`.git/modules`), so that it needs no network; what those lack
 * comes from their remotes, as `git submodule update` has it. Nothing of it is written to the configuration that all worktrees share.
 */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { lookAtName } from '../machine/foreign.ts';
import type { Project } from '../model/policy.ts';
import { checkoutMs } from './adding.ts';
import { type GitResult, git } from './git.ts';
import { gitDir } from './own.ts';

export interface Submodule {
  readonly name: string;
  /** Below the worktree. */
  readonly path: string;
  /** The commit of it that the worktree has in its index. */
  readonly oid: string;
  readonly url: string;
}

interface Place {
  readonly worktree: string;
  /** Git dirs that may hold modules of the same names. */
  readonly stores: readonly string[];
  readonly remote: string;
  readonly deep: boolean;
  /** So long each of them may take. */
  readonly bound_ms: number;
  /** Its configuration is that of all worktrees. */
  readonly shared: boolean;
}

/** Checks out the submodules of a worktree as its project says; null = it has them all, else what can't be had. */
export function checkOutSubmodules(
  project: Pick<Project, 'repo' | 'remote' | 'submodules' | 'checkout_timeout_seconds'>,
  common: string,
  worktree: string,
): Promise<string | null> {
  const { repo, remote, submodules } = project;
  if (submodules === false || !hasSubmodules(worktree)) return Promise.resolve(null);
  const stores = [gitDir(repo) ?? common, common].map((dir) => join(dir, 'modules'));
  return checkOut({
    worktree,
    stores,
    remote,
    deep: submodules === 'recursive',
    shared: true,
    bound_ms: checkoutMs(project),
  });
}

/** Whether a checkout names any. */
export function hasSubmodules(worktree: string): boolean {
  return lookAtName(join(worktree, '.gitmodules')) !== null;
}

async function checkOut(place: Place): Promise<string | null> {
  const { worktree, stores, deep, bound_ms } = place;
  const all = await submodulesOf(worktree, place.remote);
  if (typeof all === 'string') return all;
  for (const one of all) {
    const wrong = await checkOutOne(one, place);
    if (wrong !== null) return `its submodule ${one.path} can't be had: ${wrong}`;
    const below = { worktree: join(worktree, one.path), remote: 'origin', deep, bound_ms, shared: false };
    const nested = stores.map((dir) => join(dir, one.name, 'modules'));
    const missing =
      deep && hasSubmodules(below.worktree) ? await checkOut({ ...below, stores: nested }) : null;
    if (missing !== null) return missing;
  }
  return null;
}

/** Tells the submodules of a worktree, and theirs, where they are since it was moved beside its old place; null = done. */
export async function moveSubmodules(worktree: string): Promise<string | null> {
  if (!hasSubmodules(worktree)) return null;
  const all = await submodulesOf(worktree, 'origin');
  if (typeof all === 'string') return all;
  for (const { path } of all) {
    const inside = join(worktree, path);
    const own = gitDir(inside);
    if (own === null) continue;
    const file = ['config', '--file', join(own, 'config'), 'core.worktree', relative(own, inside)];
    const done = await git(worktree, file);
    const wrong = done.ok ? await moveSubmodules(inside) : done.error;
    if (wrong !== null) return wrong;
  }
  return null;
}

/** What `.gitmodules` of the commit names and the index has; not what a sparse checkout or `update = none` leaves out. */
export async function submodulesOf(worktree: string, remote: string): Promise<Submodule[] | string> {
  const wanted = '^submodule\\..*\\.(path|url|update|active)$';
  const [named, set, from] = await Promise.all([
    git(worktree, ['config', '--blob', 'HEAD:.gitmodules', '-z', '--get-regexp', wanted]),
    git(worktree, ['config', '-z', '--get-regexp', wanted]),
    git(worktree, ['config', '--get', `remote.${remote}.url`]),
  ]);
  if (!named.ok) return named.stdout === '' && /exit|ended with 1/.test(named.error) ? [] : named.error;
  const [theirs, ours] = [settings(named), settings(set)];
  const paths = new Map(
    [...theirs].flatMap(([name, { path }]) => (path === undefined ? [] : [[path, name]])),
  );
  const env = { GIT_LITERAL_PATHSPECS: '1' };
  const index = await git(worktree, ['ls-files', '-v', '-s', '-z', '--', ...paths.keys()], { env });
  if (!index.ok) return index.error;
  return index.stdout.split('\0').flatMap((line) => {
    const [, tag, oid = '', path = ''] = /^(\S) 160000 (\S+) \d\t([\s\S]*)$/.exec(line) ?? [];
    const name = paths.get(path);
    if (name === undefined || tag === 'S' || tag === 's') return [];
    if (name.split('/').includes('..')) return [];
    const { url = '', update } = { ...theirs.get(name), ...ours.get(name) };
    const isOff = ours.get(name)?.active === 'false' || update === 'none';
    return isOff ? [] : [{ name, path, oid, url: resolved(url, from.ok ? from.stdout : worktree) }];
  });
}

function settings({ stdout }: GitResult): Map<string, Record<string, string>> {
  const found = new Map<string, Record<string, string>>();
  for (const line of stdout.split('\0')) {
    const [, name, key, value = ''] = /^submodule\.([\s\S]*)\.([a-z]+)(?:\n([\s\S]*))?$/.exec(line) ?? [];
    if (name !== undefined && key !== undefined) found.set(name, { ...found.get(name), [key]: value });
  }
  return found;
}

/** An address that is told by its place beside that of the repository. */
function resolved(url: string, from: string): string {
  if (!/^\.\.?\//.test(url)) return url;
  let [base, rest] = [from.replace(/\/+$/, ''), url];
  for (let more = /^(\.\.?)\/+/.exec(rest); more !== null; more = /^(\.\.?)\/+/.exec(rest)) {
    rest = rest.slice(more[0].length);
    if (more[1] === '..') base = base.replace(/[/:][^/:]*$/, '');
  }
  return `${base}/${rest}`;
}

async function checkOutOne({ name, path, oid, url }: Submodule, place: Place): Promise<string | null> {
  const { worktree, shared, bound_ms } = place;
  const inside = join(worktree, path);
  const store = place.stores.map((dir) => join(dir, name)).find((dir) => existsSync(join(dir, 'HEAD')));
  const isNew = gitDir(inside) === null;
  let from = url;
  let done: GitResult | null = null;
  if (store !== undefined) {
    const there = await git(store, ['config', '--get', 'remote.origin.url']);
    if (there.ok) from = there.stdout;
    done = await update(worktree, { path, name, bound_ms }, store, true);
    if (isNew && gitDir(inside) !== null) {
      const adopted = await asOfItsRemote(inside, store, from);
      if (!adopted.ok) return adopted.error;
    }
  }
  if (done?.ok !== true && from === '') return done?.error ?? 'no address of it is known';
  if (done?.ok !== true) done = await update(worktree, { path, name, bound_ms }, from, false);
  if (!done.ok) return done.error;
  const kept = await git(inside, ['update-ref', START_REF, oid]);
  // So that git itself takes it for one that is wanted.
  const known = shared || !kept.ok ? kept : await git(worktree, ['config', `submodule.${name}.url`, from]);
  return known.ok ? null : known.error;
}

/** In the git dir of a submodule: refs of commits that are elsewhere already, and the one that was checked out for an agent. */
export const KEPT_REFS = 'refs/mc-pickup';
const START_REF = `${KEPT_REFS}/start`;

/** A path is a remote here only where it is one that we have found ourselves, never because a repository asks. */
function update(
  worktree: string,
  { name, path, bound_ms }: Pick<Submodule, 'name' | 'path'> & Pick<Place, 'bound_ms'>,
  url: string,
  isHere: boolean,
): Promise<GitResult> {
  const env = {
    ...configured({
      [`submodule.${name}.url`]: url,
      'submodule.active': '.',
      'clone.defaultRemoteName': 'origin',
      ...(isHere ? { 'protocol.file.allow': 'always' } : {}),
    }),
    GIT_LITERAL_PATHSPECS: '1',
  };
  const args = ['submodule', '--quiet', 'update', '--init', '--checkout', '--', path];
  return git(worktree, args, { timeout_ms: bound_ms, env, ...(isHere ? { hooks: true } : { remote: true }) });
}

/** One that was cloned from the git dir here is as if it had been cloned from its remote: what is a branch there would otherwise be what
 *  is one here. */
async function asOfItsRemote(inside: string, store: string, url: string): Promise<GitResult> {
  const env = configured({ 'protocol.file.allow': 'always' });
  const args = ['fetch', '--quiet', '--prune', '--no-tags', '--refmap=', '--no-write-fetch-head'];
  const refs = '+refs/remotes/*:refs/remotes/*';
  const done = await git(inside, [...args, '--end-of-options', store, refs], { env, hooks: true });
  return done.ok ? git(inside, ['config', 'remote.origin.url', url]) : done;
}

/** Settings as git takes them from its environment, where a name may hold anything. */
function configured(settings: Readonly<Record<string, string>>): Record<string, string> {
  const all = Object.entries(settings);
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(all.length) };
  for (const [n, [key, value]] of all.entries()) {
    env[`GIT_CONFIG_KEY_${n}`] = key;
    env[`GIT_CONFIG_VALUE_${n}`] = value;
  }
  return env;
}
