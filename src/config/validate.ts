import * as v from 'valibot';
import { hint } from '../model/hint.ts';
import { AGENT_KINDS, ON_IDLE, TOLD } from '../model/policy.ts';
import {
  AGENT,
  HOOK,
  HOOKS,
  LIMITS,
  MASS_DEATH,
  NAME,
  NOTIFY,
  NOTIFY_COMMAND,
  NOTIFY_WEBHOOK,
  PAGE,
  PROJECT,
  RETENTION,
  REVIEW,
  ROUTE,
  TOP,
} from './schema.ts';

/** Hears of what is wrong, by the path of the key. */
export type Complain = (path: readonly string[], what: string) => void;

export type Table = Readonly<Record<string, unknown>>;
export type AnyObject = v.ObjectSchema<v.ObjectEntries, v.ErrorMessage<v.ObjectIssue> | undefined>;

/** A table as the policy has it: null where nothing is set and there is no default. */
export type Filled<S extends AnyObject> = {
  readonly [K in keyof v.InferOutput<S>]-?: undefined extends v.InferOutput<S>[K]
    ? Exclude<v.InferOutput<S>[K], undefined> | null
    : v.InferOutput<S>[K];
};

/** Tables of which there may be any number. */
const ARRAYS = new Map<AnyObject, string>([
  [ROUTE, ', such as [[route]]'],
  [NOTIFY, ', such as [[notify]]'],
]);

/** Tables inside a table. */
const INSIDE = new Map<AnyObject, Readonly<Record<string, AnyObject>>>([
  [LIMITS, { mass_death: MASS_DEATH }],
  [PROJECT, Object.fromEntries(HOOKS.map((key) => [key, HOOK]))],
  [NOTIFY, { command: NOTIFY_COMMAND, webhook: NOTIFY_WEBHOOK }],
  [REVIEW, { command: HOOK }],
]);

/** Keys that take one of a few words. */
const WORDS: Readonly<Record<string, readonly string[]>> = { kind: AGENT_KINDS, on_idle: ON_IDLE, on: TOLD };

/** Validates one table; every unknown key and every wrong value is a complaint. null = there was one. */
export function check<S extends AnyObject>(
  schema: S,
  raw: unknown,
  path: readonly string[],
  complain: Complain,
): Filled<S> | null {
  // To valibot an array is a table too.
  if (tableOf(raw) === null) {
    complain(path, `must be a table${ARRAYS.get(schema) ?? ''}`);
    return null;
  }
  let fine = unknownKeys(schema, raw, path, complain);
  for (const [key, inner] of Object.entries(INSIDE.get(schema) ?? {})) {
    const value = tableOf(raw)?.[key];
    if (Array.isArray(value)) {
      complain([...path, key], 'must be a table');
      fine = false;
    } else fine = unknownKeys(inner, value, [...path, key], complain) && fine;
  }
  const result = v.safeParse(schema, raw);
  if (result.success) return fine ? filled(schema, result.output) : null;
  for (const issue of result.issues) {
    const at = issue.path?.map(({ key }) => String(key)) ?? [];
    const value = issue.input;
    const options = WORDS[at[0] ?? ''] ?? [];
    const meant = typeof value === 'string' ? hint(value, options) : '';
    complain([...path, ...at], value === undefined ? 'is missing' : `${issue.message}${meant}`);
  }
  return null;
}

function filled<S extends AnyObject>(schema: S, output: v.InferOutput<S>): Filled<S> {
  return Object.fromEntries(
    Object.keys(schema.entries).map((key) => [key, output[key] ?? null]),
  ) as Filled<S>;
}

function unknownKeys(schema: AnyObject, raw: unknown, path: readonly string[], complain: Complain): boolean {
  const known = Object.keys(schema.entries);
  const unknown = keysOf(raw).filter((key) => !known.includes(key));
  for (const key of unknown) complain([...path, key], `unknown key${belongs(key, path) ?? hint(key, known)}`);
  return unknown.length === 0;
}

/** Where a key belongs that stands in the wrong place: below the first table, or before it. */
const HOMES: readonly (readonly [string, AnyObject])[] = [
  [
    'the lines before the first table',
    v.pick(TOP, ['default_agent', 'default_project', 'trusted_authors', 'umask']),
  ],
  ['[limits]', LIMITS],
  ['[project.NAME]', PROJECT],
  ['[agent.NAME]', AGENT],
  ['[project.NAME.review]', REVIEW],
  ['[retention]', RETENTION],
  ['[page]', PAGE],
];

function belongs(key: string, path: readonly string[]): string | null {
  const homes = HOMES.filter(([, { entries }]) => Object.hasOwn(entries, key)).map(([name]) => name);
  // Of what stands in a table of tables the table is meant, and not another one.
  if (homes.length === 0 || path.length > 2) return null;
  return ` here (it belongs in ${homes.join(', or ')})`;
}

/** Tables by their names, such as `[project.NAME]`, as far as the names are ones. */
export function namedIn(raw: unknown, kind: string, complain: Complain): [string, unknown][] {
  if (raw === undefined) return [];
  const table = tableOf(raw);
  if (table === null) complain([kind], `must be tables, such as [${kind}.demo]`);
  return Object.entries(table ?? {}).filter(([name]) => {
    const fine = NAME.test(name);
    if (!fine) complain([kind, name], 'must be a name of at most 64 letters, digits, "_", "." and "-"');
    return fine;
  });
}

export function tableOf(value: unknown): Table | null {
  const table = typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date);
  return table ? (value as Table | null) : null;
}

export function keysOf(raw: unknown): string[] {
  return Object.keys(tableOf(raw) ?? {});
}
