import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { addressFault } from '../model/address.ts';
import { messageOf } from '../model/errors.ts';
import { hint } from '../model/hint.ts';
import {
  AGENT_KINDS,
  type AgentProfile,
  DEFAULT_LIMITS,
  type Limits,
  NO_POLICY,
  type NotifySpec,
  ON_IDLE,
  type Policy,
  type Project,
  type ReviewSpec,
  type Route,
  TOLD,
} from '../model/policy.ts';
import { checkTemplate, VARIABLES } from '../model/prompt.ts';
import { locator } from './locate.ts';
import { readText, type Text } from './read.ts';
import {
  AGENT,
  BOARD,
  HOOK,
  LIMITS,
  MASS_DEATH,
  METRICS,
  NAME,
  NOTIFY,
  NOTIFY_COMMAND,
  NOTIFY_WEBHOOK,
  PAGE,
  PING,
  PROJECT,
  RETENTION,
  REVIEW,
  ROUTE,
  TOP,
} from './schema.ts';

type Table = Readonly<Record<string, unknown>>;

/** What is wrong, and where: of a variable of the environment and of a missing file no place can be told. */
export interface Complaint {
  readonly line: number | null;
  readonly column: number | null;
  /** The dotted key, or the variable of the environment; null = the whole file. */
  readonly key: string | null;
  readonly says: string;
}

export interface Loaded {
  readonly policy: Policy;
  readonly exists: boolean;
  /** The same as `policy.broken`, in parts. */
  readonly complaints: readonly Complaint[];
}

type Complain = (path: readonly string[], what: string) => void;

/** Limits that a variable of the environment overrides: `MC_PICKUP_` and the key in capitals. */
export const OVERRIDES = ['max_agents', 'max_launches_per_tick', 'ttl_minutes', 'max_attempts'] as const;

/** Reads the configuration. Never throws: whatever is wrong is in `policy.broken`, and then nothing of the file is
 *  used, so that no half-understood rule launches an agent. */
export function loadPolicy(file: string, env: NodeJS.ProcessEnv, read: Text = readText(file)): Loaded {
  const complaints: Complaint[] = [];
  const over = overrides(env, complaints);
  const unusable = (exists: boolean): Loaded => {
    const broken = complaints.map((one) => complaintLine(file, one));
    return { policy: { ...NO_POLICY, limits: { ...DEFAULT_LIMITS, ...over }, broken }, exists, complaints };
  };
  const whole = (says: string, line: number | null = 1, column: number | null = 1): void => {
    complaints.push({ line, column, key: null, says });
  };
  try {
    if (read.missing) {
      whole(`no configuration at ${file}: run mc-pickup init`, null, null);
      return unusable(false);
    }
    if (read.error !== null) {
      whole(read.error);
      return unusable(true);
    }
    const source = { file, text: read.text, env, over, complaints };
    const policy = build(parse(read.text, { maxDepth: 50 }), source);
    return complaints.length > 0 ? unusable(true) : { policy, exists: true, complaints };
  } catch (error) {
    if (error instanceof TomlError) {
      const why = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '');
      whole(`not valid TOML: ${why}`, error.line, error.column);
    } else whole(messageOf(error));
    return unusable(true);
  }
}

/** `file:line:column: key: what`, which editors and terminals find their way by. */
export function complaintLine(file: string, { line, column, key, says }: Complaint): string {
  if (line !== null) return `${file}:${line}:${column}: ${key === null ? '' : `${key}: `}${says}`;
  return key === null ? says : `environment: ${key}: ${says}`;
}

interface Source {
  readonly file: string;
  readonly text: string;
  readonly env: NodeJS.ProcessEnv;
  readonly over: Partial<Limits>;
  readonly complaints: Complaint[];
}

function build(raw: Table, { file, text, env, over, complaints }: Source): Policy {
  // Made when the first complaint needs it: most ticks have none.
  let placeOf: ReturnType<typeof locator> | undefined;
  const complain: Complain = (path, says) => {
    placeOf ??= locator(text);
    complaints.push({ ...placeOf(path), key: path.join('.'), says });
  };
  const home = env.HOME || homedir();
  const top = check(TOP, raw, [], complain);
  const limits = check(LIMITS, raw.limits ?? {}, ['limits'], complain);
  const board = raw.board === undefined ? null : check(BOARD, raw.board, ['board'], complain);
  const page = raw.page === undefined ? null : check(PAGE, raw.page, ['page'], complain);
  const ping = raw.ping === undefined ? null : check(PING, raw.ping, ['ping'], complain);
  if (ping !== null) checkAddress(ping.url, ['ping', 'url'], complain);
  const metrics = raw.metrics === undefined ? null : check(METRICS, raw.metrics, ['metrics'], complain);
  const metricsFile = metrics === null ? null : fileOf(metrics, complain);
  const retention = check(RETENTION, raw.retention ?? {}, ['retention'], complain);
  const projects = new Map<string, Project>();
  const agents = new Map<string, AgentProfile>();
  for (const [name, table] of entries(raw.project, 'project', complain)) {
    const path = ['project', name];
    const { review: after, ...rest } = tableOf(table) ?? {};
    const one = check(PROJECT, tableOf(table) === null ? table : withHooks(rest), path, complain);
    const review =
      after === undefined ? null : reviewOf(after, { path: [...path, 'review'], file, home, complain });
    if (one === null) continue;
    projects.set(name, {
      ...one,
      review: review === null ? null : { ...review, remote: review.remote || one.remote },
      name,
      repo: expand(one.repo, home),
      max_agents: one.max_agents ?? null,
      worktrees: one.worktrees === undefined ? null : expand(one.worktrees, home),
      after_create: one.after_create ?? null,
      before_run: one.before_run ?? null,
      pool_setup: one.pool_setup ?? null,
      default_agent: one.default_agent ?? null,
    });
  }
  for (const [name, table] of entries(raw.agent, 'agent', complain)) {
    const path = ['agent', name];
    const one = check(AGENT, table, path, complain);
    if (one === null) continue;
    const own = tableOf(table)?.env;
    if (own !== undefined && tableOf(own) === null) complain([...path, 'env'], 'must be a table');
    if (one.kind === 'command' && one.argv === undefined) complain([...path, 'argv'], 'is missing');
    const token = board?.kind === 'mission-control' ? board.token_env : undefined;
    if (token !== undefined && !one.pass_env.includes(token) && one.env[token] === undefined)
      complain(
        [...path, 'pass_env'],
        `must hand on ${token} (board.token_env): its launcher registers with it; or use board.token_file`,
      );
    if (board?.token_file?.startsWith('~/') && one.env.HOME !== undefined)
      complain(
        [...path, 'env', 'HOME'],
        'is another home than that of board.token_file: name its full path there',
      );
    const { prompt_file, ...rest } = one;
    const prompt = promptOf(one.prompt, prompt_file, { path, dir: dirname(file), home, complain });
    agents.set(name, {
      ...{ ...rest, name, prompt },
      argv: one.argv ?? [],
      max_agents: one.max_agents ?? null,
      // A program that is not known to read what is typed at it gets no continuation prompt unasked.
      max_nudges: one.max_nudges ?? (one.kind === 'command' ? 0 : 2),
      fallback: one.fallback ?? null,
    });
  }
  const known = { agent: keysOf(raw.agent), project: keysOf(raw.project) };
  const refer = (
    path: readonly string[],
    kind: 'agent' | 'project',
    name: string | null | undefined,
  ): void => {
    if (name && !known[kind].includes(name)) complain(path, `no ${kind} "${name}"${hint(name, known[kind])}`);
  };
  refer(['default_agent'], 'agent', top?.default_agent);
  refer(['default_project'], 'project', top?.default_project);
  for (const one of projects.values())
    refer(['project', one.name, 'default_agent'], 'agent', one.default_agent);
  for (const one of projects.values())
    refer(['project', one.name, 'review', 'reviewer'], 'agent', one.review?.reviewer);
  for (const one of agents.values()) refer(['agent', one.name, 'fallback'], 'agent', one.fallback);
  const routes: Route[] = [];
  for (const [index, table] of (top?.route ?? []).entries()) {
    const path = ['route', String(index)];
    const one = check(ROUTE, table, path, complain);
    if (one === null) continue;
    refer([...path, 'agent'], 'agent', one.agent);
    refer([...path, 'project'], 'project', one.project);
    const { agent, label = null, project = null, priority_at_most = null } = one;
    routes.push({ agent, label, project, priority_at_most });
  }
  const notify: NotifySpec[] = [];
  for (const [index, table] of (top?.notify ?? []).entries()) {
    const path = ['notify', String(index)];
    const one = check(NOTIFY, table, path, complain);
    if (one === null) continue;
    refer([...path, 'project'], 'project', one.project);
    const channel = channelOf(one, path, { dir: dirname(file), home, complain });
    const { on, project = null, label = null } = one;
    if (channel !== null) notify.push({ on, channel, project, label });
  }
  return {
    limits: { ...DEFAULT_LIMITS, ...(limits as Partial<Limits> | null), ...over },
    projects,
    agents,
    default_agent: top?.default_agent ?? only(agents),
    default_project: top?.default_project ?? only(projects),
    trusted_authors: top?.trusted_authors ?? [],
    routes,
    page: page === null ? null : { ...page, file: expand(page.file, home) },
    notify,
    ping,
    metrics: metricsFile === null ? null : { file: expand(metricsFile, home) },
    retention: retention ?? NO_POLICY.retention,
    broken: [],
  };
}

/** Keys of a project that may be a hook's argv alone. */
export const HOOKS = ['after_create', 'before_run', 'pool_setup'] as const;

type AnyObject = v.ObjectSchema<v.ObjectEntries, v.ErrorMessage<v.ObjectIssue> | undefined>;

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
function check<S extends AnyObject>(
  schema: S,
  raw: unknown,
  path: readonly string[],
  complain: Complain,
): v.InferOutput<S> | null {
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
  if (result.success) return fine ? result.output : null;
  for (const issue of result.issues) {
    const at = issue.path?.map(({ key }) => String(key)) ?? [];
    const value = issue.input;
    const options = WORDS[at[0] ?? ''] ?? [];
    const meant = typeof value === 'string' ? hint(value, options) : '';
    complain([...path, ...at], value === undefined ? 'is missing' : `${issue.message}${meant}`);
  }
  return null;
}

function unknownKeys(schema: AnyObject, raw: unknown, path: readonly string[], complain: Complain): boolean {
  const known = Object.keys(schema.entries);
  const unknown = Object.keys(tableOf(raw) ?? {}).filter((key) => !known.includes(key));
  for (const key of unknown) complain([...path, key], `unknown key${hint(key, known)}`);
  return unknown.length === 0;
}

function entries(raw: unknown, kind: string, complain: Complain): [string, unknown][] {
  if (raw === undefined) return [];
  const table = tableOf(raw);
  if (table === null) complain([kind], `must be tables, such as [${kind}.demo]`);
  return Object.entries(table ?? {}).filter(([name]) => {
    const fine = NAME.test(name);
    if (!fine) complain([kind, name], 'must be a name of at most 64 letters, digits, "_", "." and "-"');
    return fine;
  });
}

/** The one of three ways that a `[[notify]]` names. */
function channelOf(
  { command, webhook, desktop }: v.InferOutput<typeof NOTIFY>,
  path: readonly string[],
  o: { readonly dir: string; readonly home: string; readonly complain: Complain },
): NotifySpec['channel'] | null {
  if ([command, webhook, desktop || undefined].filter((one) => one !== undefined).length !== 1) {
    o.complain(path, 'must name exactly one of command, webhook and desktop = true');
    return null;
  }
  if (command !== undefined) return { kind: 'command', ...command };
  if (webhook === undefined) return { kind: 'desktop' };
  const { url, secret_env, secret_file, timeout_seconds } = webhook;
  checkAddress(url, [...path, 'webhook', 'url'], o.complain);
  if (secret_env !== undefined && secret_file !== undefined)
    o.complain([...path, 'webhook', 'secret_env'], 'secret_file is set too: use one of them');
  const file = secret_file === undefined ? null : { file: resolve(o.dir, expand(secret_file, o.home)) };
  const secret = secret_env === undefined ? file : { env: secret_env };
  return { kind: 'webhook', url, secret, timeout_seconds };
}

/** The address itself is not repeated: who has it may post there. */
function checkAddress(url: string, path: readonly string[], complain: Complain): void {
  const fault = addressFault(url, { query: true });
  if (fault !== null) complain(path, fault);
}

/** `textfile_dir` is what node_exporter is given; the name of the file in it is ours. */
function fileOf({ file, textfile_dir }: v.InferOutput<typeof METRICS>, complain: Complain): string | null {
  if ((file === undefined) === (textfile_dir === undefined)) {
    complain(['metrics'], 'must name exactly one of file and textfile_dir');
    return null;
  }
  return file ?? `${textfile_dir?.replace(/\/+$/, '')}/mc_pickup.prom`;
}

/** `[project.NAME.review]`. An empty remote is the project's. What cannot work is told now: a tick would find it out at
 *  night. */
function reviewOf(
  raw: unknown,
  o: {
    readonly path: readonly string[];
    readonly file: string;
    readonly home: string;
    readonly complain: Complain;
  },
): ReviewSpec | null {
  const one = check(REVIEW, withHooks(raw, ['command']), o.path, o.complain);
  if (one === null) return null;
  const wrong = (key: string, says: string): void => o.complain([...o.path, key], says);
  if (one.pull_request !== 'none' && !one.push)
    wrong('pull_request', 'needs push = true: a pull request is of a branch that was pushed');
  if (one.pull_request === 'github' && one.repo === undefined)
    wrong('repo', 'is missing: which repository on GitHub, such as "ann/shop"?');
  if (one.pull_request === 'command' && one.command === undefined) wrong('command', 'is missing');
  if (one.token_env !== undefined && one.token_file !== undefined)
    wrong('token_env', 'token_file is set too: use one of them');
  const fault = addressFault(one.api_url, { query: false });
  if (fault !== null) wrong('api_url', fault);
  const { token_file } = one;
  return {
    ...one,
    remote: one.remote ?? '',
    repo: one.repo ?? null,
    token_env: one.token_env ?? null,
    token_file: token_file === undefined ? null : resolve(dirname(o.file), expand(token_file, o.home)),
    command: one.command ?? null,
    reviewer: one.reviewer ?? null,
  };
}

/** A hook may be its argv alone. */
function withHooks(raw: unknown, keys: readonly string[] = HOOKS): unknown {
  const table = tableOf(raw);
  if (table === null) return raw;
  const wrap = (value: unknown): unknown => (Array.isArray(value) ? { argv: value } : value);
  const hooks = keys.filter((key) => Object.hasOwn(table, key));
  return { ...table, ...Object.fromEntries(hooks.map((key) => [key, wrap(table[key])])) };
}

function promptOf(
  prompt: string | undefined,
  file: string | undefined,
  o: {
    readonly path: readonly string[];
    readonly dir: string;
    readonly home: string;
    readonly complain: Complain;
  },
): string | null {
  const at = [...o.path, file === undefined ? 'prompt' : 'prompt_file'];
  let text = prompt ?? null;
  if (file !== undefined) {
    if (prompt !== undefined) o.complain(at, 'prompt is set too: use one of them');
    const full = resolve(o.dir, expand(file, o.home));
    const read = readText(full);
    if (read.missing || read.error !== null) {
      o.complain(at, `${full}: ${read.error ?? 'no such file'}`);
      return null;
    }
    text = read.text;
  }
  for (const name of checkTemplate(text ?? '')) {
    o.complain(at, `unknown variable {{${name}}}${hint(name, VARIABLES)}`);
  }
  return text;
}

function overrides(env: NodeJS.ProcessEnv, complaints: Complaint[]): Partial<Limits> {
  const found: Record<string, number> = {};
  for (const key of OVERRIDES) {
    const name = `MC_PICKUP_${key.toUpperCase()}`;
    const value = env[name]?.trim() ?? '';
    if (value === '') continue;
    const result = v.safeParse(LIMITS.entries[key], /^\d+(\.\d+)?$/.test(value) ? Number(value) : value);
    if (result.success) found[key] = Number(value);
    else complaints.push({ line: null, column: null, key: name, says: result.issues[0].message });
  }
  return found;
}

function tableOf(value: unknown): Table | null {
  const table = typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date);
  return table ? (value as Table | null) : null;
}

function keysOf(raw: unknown): string[] {
  return Object.keys(tableOf(raw) ?? {});
}

function expand(path: string, home: string): string {
  return path.startsWith('~/') ? join(home, path.slice(2)) : path;
}

function only(map: ReadonlyMap<string, unknown>): string | null {
  const [first] = map.keys();
  return map.size === 1 && first !== undefined ? first : null;
}
