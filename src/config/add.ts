import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { realOf } from '../machine/files.ts';
import { configError, usageError } from '../model/errors.ts';
import { brokenLine, type Policy } from '../model/policy.ts';
import { loadPolicy } from './load.ts';
import { replaceConfiguration } from './replace.ts';
import { NAME } from './schema.ts';
import { tomlKey, tomlString } from './toml.ts';

/** Whose configuration: its file, and what the environment says besides. */
interface At {
  readonly config: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Writes a configuration to begin with, never over a file that is there. `more`: what it is to have beside. */
export async function writeDefault(file: string, more = ''): Promise<void> {
  const { defaultConfiguration } = await import('./default.ts');
  const { schemaAddress } = await import('./editors.ts');
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const handle = openSync(file, 'wx', 0o600);
  try {
    writeFileSync(handle, `${defaultConfiguration(schemaAddress())}${more}`, { flush: true });
  } catch (error) {
    // Half of it would be taken for the person's own by the next call.
    rmSync(file, { force: true });
    throw error instanceof Error ? Object.assign(error, { path: file }) : error;
  } finally {
    closeSync(handle);
  }
}

interface Wanted {
  readonly repo: string;
  readonly base: string;
  /** The folder of it that is the project; null = all of it. */
  readonly path: string | null;
  readonly name: string;
}

/** Adds a repository, or a folder of one. One that is there already stays as it is, under whatever name; a name that
 *  another repository has is never taken for this one. */
export function addProject(
  at: At,
  policy: Policy,
  { repo, base, path, name: directory }: Wanted,
  wanted: string | null,
): { readonly name: string; readonly said: string } {
  const { config } = at;
  const known = [...policy.projects.values()].filter(
    (one) => realOf(one.repo) === realOf(repo) && one.path === path,
  );
  const what = path === null ? repo : `${path} of ${repo}`;
  const there = wanted === null ? known[0] : known.find(({ name }) => name === wanted);
  if (there !== undefined)
    return { name: there.name, said: `project ${there.name} is in ${config} already (${what})` };
  const taken = policy.projects.get(wanted ?? directory);
  if (wanted !== null && taken !== undefined)
    throw usageError(
      `the name ${wanted} is taken by ${taken.repo} in ${config}, nothing was added: choose another --name`,
    );
  if (wanted !== null && !NAME.test(wanted))
    throw usageError(
      '--name must be a name of at most 64 letters, digits, "_", "." and "-", nothing was added',
    );
  const name = wanted ?? freeName(directory, policy);
  const folder = path === null ? '' : `path = ${tomlString(path)}\n`;
  appendTable(
    at,
    `[project.${tomlKey(name)}]\nrepo = ${tomlString(repo)}\nbase = ${tomlString(base)}\n${folder}`,
  );
  const why =
    taken === undefined
      ? ''
      : `; ${directory} is ${taken.repo} (--name chooses another name, edit ${config} to rename)`;
  return { name, said: `ready: project ${name} (${what})${why}` };
}

function freeName(directory: string, { projects }: Policy): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? directory : `${directory}-${n}`;
    if (!projects.has(name)) return name;
  }
}

/** Appends a table; a configuration that it would break stays as it is. */
export function appendTable({ config, env }: At, table: string): void {
  const before = readFileSync(config, 'utf8');
  const text = `${before}${before.endsWith('\n') ? '\n' : '\n\n'}${table}`;
  const { policy } = loadPolicy(config, env, { missing: false, error: null, text });
  if (policy.broken.length === 0) {
    replaceConfiguration(config, text);
    return;
  }
  throw configError(
    `this does not fit into ${config}, which is as it was (${brokenLine(policy)}): add it by hand, for example\n${table}`,
  );
}
