import { dirname, resolve } from 'node:path';
import { parse } from 'smol-toml';
import { withoutUser } from '../model/address.ts';
import type { Policy } from '../model/policy.ts';
import { type KeyText, TABLES, type TableText } from './describe.ts';
import { OVERRIDES } from './load.ts';
import { locator } from './locate.ts';
import { type TomlValue, tomlKey, tomlValue } from './toml.ts';

/** One key with what is in force for it. */
export interface Setting {
  /** Within its table. */
  readonly key: string;
  /** The whole dotted key: `project.shop.base`, `route.0.agent`. */
  readonly path: string;
  /** null = nothing is set, and there is no plain default: `says` has what holds then. */
  readonly value: TomlValue | null;
  readonly from: 'file' | 'environment' | 'default';
  /** Where the file sets it, also if the environment overrides that. */
  readonly line: number | null;
  readonly variable: string | null;
  readonly says: string | null;
}

export interface Section {
  /** As TOML writes it; '' = before the first table. */
  readonly header: string;
  readonly settings: readonly Setting[];
}

type Table = Readonly<Record<string, unknown>>;

/** Variables of an agent that are no secret. Whoever looks over a shoulder or reads a bug report sees what is shown, so
 *  any other is hidden, whatever its name. */
const PLAIN =
  /^(PATH|HOME|LANG|LC_[A-Z]+|TZ|TERM|SHELL|EDITOR|NODE_ENV|CI|NO_COLOR|XDG_[A-Z_]+|[A-Z_]+_(DIR|HOME))$/;
/** An option of a program whose value is one. */
const SECRET_OPTION = /^--?[\w-]*(key|token|secret|passw|auth|header|credential)[\w-]*(=|$)/i;
const HIDDEN = '***';

/** The configuration in force: a sound file, the environment over it, the defaults below it. */
export function inForce(
  policy: Policy,
  { file, text, env }: { readonly file: string; readonly text: string; readonly env: NodeJS.ProcessEnv },
): Section[] {
  const raw = parse(text, { maxDepth: 50 }) as Table;
  const place = locator(text);
  const settings = (table: TableText, set: Table, path: readonly string[]): Setting[] =>
    Object.entries(table.keys).map(([key, words]) => {
      const variable = variableOf(table.name, key, env);
      const line = set[key] === undefined ? null : place([...path, key]).line;
      const common = { key, path: [...path, key].map(tomlKey).join('.'), line, variable };
      if (variable !== null)
        return { ...common, value: limitOf(policy, key), from: 'environment', says: null } as const;
      if (set[key] !== undefined)
        return {
          ...common,
          value: shown(key, set[key] as TomlValue, file, table.name),
          from: 'file',
          says: null,
        } as const;
      const value = defaultOf(table.name, key, words, policy, path[1] ?? '');
      return { ...common, value, from: 'default', says: words.otherwise ?? null } as const;
    });
  return TABLES.filter(({ sample }) => sample !== null).flatMap((table): Section[] =>
    standing(table, raw).flatMap(({ header, path, set }) => {
      const all = settings(table, set ?? {}, path);
      // A table that is not there, and could not be there without a key that has no default, is no default either.
      const absent =
        set === undefined &&
        (all.some(({ value, says }) => value === null && says === 'required') ||
          all.every(({ value }) => value === null));
      return absent ? [] : [{ header, settings: all }];
    }),
  );
}

interface Standing {
  readonly header: string;
  readonly path: readonly string[];
  /** What it says; absent = it is not there, and its defaults hold. */
  readonly set: Table | undefined;
}

/** The tables of one kind that a configuration has. */
function standing({ name, header }: TableText, raw: Table): Standing[] {
  const below = (key: string): [string, Table][] => Object.entries((raw[key] ?? {}) as Record<string, Table>);
  if (name === 'top') return [{ header, path: [], set: raw }];
  if (name === 'review')
    return below('project').flatMap(([project, { review }]) => {
      const at = { header: `[project.${tomlKey(project)}.review]`, path: ['project', project, 'review'] };
      return review === undefined ? [] : [{ ...at, set: review as Table }];
    });
  if (header.startsWith('[[')) return below(name).map(([n, set]) => ({ header, path: [name, n], set }));
  if (header.includes('NAME'))
    return below(name).map(([one, set]) => ({
      ...{ header: `[${name}.${tomlKey(one)}]`, path: [name, one], set },
    }));
  return [{ header, path: [name], set: raw[name] as Table | undefined }];
}

function variableOf(table: string, key: string, env: NodeJS.ProcessEnv): string | null {
  if (table !== 'limits' || !OVERRIDES.some((one) => one === key)) return null;
  const name = `MC_PICKUP_${key.toUpperCase()}`;
  return (env[name]?.trim() ?? '') === '' ? null : name;
}

function limitOf({ limits }: Policy, key: string): TomlValue {
  return Object.entries(limits).find(([one]) => one === key)?.[1] ?? 0;
}

function defaultOf(
  table: string,
  key: string,
  { value }: KeyText,
  policy: Policy,
  name: string,
): TomlValue | null {
  if (table === 'top' && key === 'default_agent') return policy.default_agent;
  if (table === 'top' && key === 'default_project') return policy.default_project;
  if (table === 'agent' && key === 'max_nudges') return policy.agents.get(name)?.max_nudges ?? null;
  if (table === 'board' && key === 'kind') return 'sqlite';
  return value ?? null;
}

/** As the file has it, but for secrets, and for paths that would be others where the text is read from another place. */
function shown(key: string, value: TomlValue, file: string, table: string): TomlValue {
  if (table === 'ping' && key === 'url') return withoutPath(value);
  if (key === 'env' && typeof value === 'object' && !Array.isArray(value))
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => [name, PLAIN.test(name) ? one : HIDDEN]),
    );
  if (Array.isArray(value)) return value.map((word, n) => argument(word, value[n - 1]));
  if (typeof value === 'object' && 'argv' in value && Array.isArray(value.argv))
    return { ...value, argv: value.argv.map((word, n, all) => argument(word, all[n - 1])) };
  if (key === 'webhook' && typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => [
        name,
        name === 'url' ? withoutPath(one) : shown(name, one, file, table),
      ]),
    );
  if (typeof value === 'string' && /^[a-z]+:\/\//i.test(value)) return withoutUser(value, HIDDEN);
  if (
    (key === 'prompt_file' || key === 'ca_file' || key === 'token_file' || key === 'secret_file') &&
    typeof value === 'string'
  )
    return value.startsWith('~/') ? value : resolve(dirname(file), value);
  return value;
}

/** A word of an argv, where it may be a secret without it. */
function argument(word: TomlValue, before: TomlValue | undefined): TomlValue {
  if (typeof word !== 'string') return word;
  if (SECRET_OPTION.test(word) && word.includes('=')) return `${word.slice(0, word.indexOf('='))}=${HIDDEN}`;
  const told = typeof before === 'string' && SECRET_OPTION.test(before) && !before.includes('=');
  return told ? HIDDEN : withoutUser(word, HIDDEN);
}

/** Who knows the whole address of a hook may use it. */
function withoutPath(value: TomlValue): TomlValue {
  const made = typeof value === 'string' ? URL.parse(value) : null;
  if (made === null) return HIDDEN;
  return made.pathname === '/' && made.search === '' ? value : `${made.origin}/${HIDDEN}`;
}

const WIDEST = 48;

/** As TOML that means the same when it is read again. `all`: with the defaults. */
export function asToml(sections: readonly Section[], all: boolean): string[] {
  return sections.flatMap(({ header, settings }) => {
    const some = settings.filter((one) => (all || one.from !== 'default') && !instead(one, settings));
    if (some.length === 0) return [];
    const lines = some.map(({ key, value }) => (value === null ? '' : `${key} = ${tomlValue(value)}`));
    const width = Math.max(...lines.filter(({ length }) => length <= WIDEST).map(({ length }) => length), 0);
    const told = some.map((one, index) =>
      one.value === null
        ? `# ${one.key}: ${one.says ?? 'none'}`
        : `${(lines[index] ?? '').padEnd(width)}  # ${origin(one)}`,
    );
    return ['', ...(header === '' ? [] : [header]), ...told];
  });
}

/** Not set because the other of two keys is, of which one is enough: `prompt` and `prompt_file`, `token_file` and `token_env`. */
function instead({ key, value }: Setting, all: readonly Setting[]): boolean {
  const [word] = key.split('_');
  const pair = word === 'prompt' || word === 'token';
  const twins = all.filter((one) => one.key.split('_')[0] === word);
  return pair && value === null && (twins.some((one) => one.value !== null) || key !== twins[0]?.key);
}

function origin({ from, line, variable, says }: Setting): string {
  if (from === 'file') return `line ${line}`;
  if (from === 'environment') return `${variable}${line === null ? '' : `, in place of line ${line}`}`;
  return says === null || says === 'required' ? 'default' : `default: ${says}`;
}
