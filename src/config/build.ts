import { join, resolve } from 'node:path';
import { addressFault } from '../model/address.ts';
import { hint } from '../model/hint.ts';
import { formsOf } from '../model/name.ts';
import {
  type AgentProfile,
  DEFAULT_LIMITS,
  NO_POLICY,
  type NotifySpec,
  type Policy,
  type Project,
  type ReviewSpec,
} from '../model/policy.ts';
import { checkTemplate, VARIABLES } from '../model/prompt.ts';
import { readText } from './read.ts';
import {
  AGENT,
  BOARD,
  HOOKS,
  LIMITS,
  METRICS,
  NETWORK,
  NOTIFY,
  PAGE,
  PING,
  PROJECT,
  RETENTION,
  REVIEW,
  ROUTE,
  TOP,
} from './schema.ts';
import {
  type AnyObject,
  type Complain,
  check,
  type Filled,
  keysOf,
  namedIn,
  type Table,
  tableOf,
} from './validate.ts';

/** What paths in a configuration are relative to, and who hears of what is wrong. */
interface Around {
  readonly dir: string;
  readonly home: string;
  readonly complain: Complain;
}

type Path = readonly string[];

/** The policy that a file says. What is wrong is told to `complain`, and then what is returned is worth nothing. */
export function build(raw: Table, around: Around): Policy {
  const { home, complain } = around;
  const section = <S extends AnyObject>(name: string, schema: S): Filled<S> | null =>
    raw[name] === undefined ? null : check(schema, raw[name], [name], complain);
  const top = check(TOP, raw, [], complain);
  const limits = section('limits', LIMITS);
  const board = section('board', BOARD);
  const page = section('page', PAGE);
  const ping = section('ping', PING);
  if (ping !== null) checkAddress(ping.url, ['ping', 'url'], complain);
  const metrics = metricsFile(section('metrics', METRICS), complain);
  const network = Object.entries(section('network', NETWORK) ?? {}).filter(([, value]) => value !== null);
  const retention = check(RETENTION, raw.retention ?? {}, ['retention'], complain);
  const projects = named(raw.project, 'project', complain, (table, name) => projectOf(table, name, around));
  const agents = named(raw.agent, 'agent', complain, (table, name) => agentOf(table, name, board, around));
  const refer = referrer(raw, complain);
  refer.agent(['default_agent'], top?.default_agent);
  refer.project(['default_project'], top?.default_project);
  for (const { name, default_agent, review } of projects.values()) {
    refer.agent(['project', name, 'default_agent'], default_agent);
    refer.agent(['project', name, 'review', 'reviewer'], review?.reviewer);
  }
  for (const { name, fallback } of agents.values()) refer.agent(['agent', name, 'fallback'], fallback);
  return {
    ...{ limits: limits ?? DEFAULT_LIMITS, projects, agents },
    default_agent: top?.default_agent ?? only(agents),
    default_project: top?.default_project ?? only(projects),
    trusted_authors: (top?.trusted_authors ?? []).flatMap(formsOf),
    umask: top?.umask ?? null,
    routes: listed(top?.route, 'route', (table, path) => {
      const one = check(ROUTE, table, path, complain);
      refer.agent([...path, 'agent'], one?.agent);
      refer.project([...path, 'project'], one?.project);
      return one;
    }),
    page: page && { ...page, file: expand(page.file, home) },
    notify: listed(top?.notify, 'notify', (table, path) => {
      const one = check(NOTIFY, table, path, complain);
      refer.project([...path, 'project'], one?.project);
      const channel = one && channelOf(one, path, around);
      return one && channel && { on: one.on, channel, project: one.project, label: one.label };
    }),
    ping,
    network: network.map(([key]) => (key === 'ca_file' ? 'NODE_EXTRA_CA_CERTS' : key.toUpperCase())),
    metrics: metrics === null ? null : { file: expand(metrics, home) },
    retention: retention ?? NO_POLICY.retention,
    broken: [],
  };
}

type Refer = (path: Path, name: string | null | undefined) => void;

/** Complains of a profile or a project that the file has no table for, be that sound or not. */
function referrer(raw: Table, complain: Complain): Readonly<Record<'agent' | 'project', Refer>> {
  const to =
    (kind: 'agent' | 'project', known = keysOf(raw[kind])): Refer =>
    (path, name) => {
      if (name && !known.includes(name)) complain(path, `no ${kind} "${name}"${hint(name, known)}`);
    };
  return { agent: to('agent'), project: to('project') };
}

function named<T>(
  raw: unknown,
  kind: string,
  complain: Complain,
  read: (table: unknown, name: string) => T | null,
): ReadonlyMap<string, T> {
  const found = new Map<string, T>();
  for (const [name, table] of namedIn(raw, kind, complain)) {
    const one = read(table, name);
    if (one !== null) found.set(name, one);
  }
  return found;
}

function listed<T>(
  tables: readonly unknown[] | null | undefined,
  kind: string,
  read: (table: unknown, path: Path) => T | null,
): T[] {
  return (tables ?? []).map((table, n) => read(table, [kind, String(n)])).filter((one) => one !== null);
}

function projectOf(table: unknown, name: string, around: Around): Project | null {
  const path = ['project', name];
  const { review: after, ...rest } = tableOf(table) ?? {};
  const one = check(PROJECT, tableOf(table) === null ? table : withHooks(rest, HOOKS), path, around.complain);
  const review = after === undefined ? null : reviewOf(after, [...path, 'review'], around);
  if (one === null) return null;
  return {
    ...{ ...one, name },
    review: review && { ...review, remote: review.remote ?? one.remote },
    repo: expand(one.repo, around.home),
    path: one.path?.replace(/\/$/, '') ?? null,
    worktrees: one.worktrees && expand(one.worktrees, around.home),
  };
}

/** `[project.NAME.review]`; without a remote of its own it is the project's. What cannot work is told now: a tick would find it
 *  out at night. */
function reviewOf(
  raw: unknown,
  path: Path,
  { dir, home, complain }: Around,
): (Omit<ReviewSpec, 'remote'> & { readonly remote: string | null }) | null {
  const one = check(REVIEW, withHooks(raw, ['command']), path, complain);
  if (one === null) return null;
  const wrong = (key: string, says: string): void => complain([...path, key], says);
  if (one.pull_request !== 'none' && !one.push)
    wrong('pull_request', 'needs push = true: a pull request is of a branch that was pushed');
  if (one.pull_request === 'github' && one.repo === null)
    wrong('repo', 'is missing: which repository on GitHub, such as "ann/shop"?');
  if (one.pull_request === 'command' && one.command === null) wrong('command', 'is missing');
  if (one.token_env !== null && one.token_file !== null)
    wrong('token_env', 'token_file is set too: use one of them');
  const fault = addressFault(one.api_url, { query: false });
  if (fault !== null) wrong('api_url', fault);
  return { ...one, token_file: one.token_file && resolve(dir, expand(one.token_file, home)) };
}

/** A hook may be its argv alone. */
function withHooks(raw: unknown, keys: readonly string[]): unknown {
  const table = tableOf(raw);
  if (table === null) return raw;
  const hooks = keys.filter((key) => Array.isArray(table[key]));
  return { ...table, ...Object.fromEntries(hooks.map((key) => [key, { argv: table[key] }])) };
}

function agentOf(
  table: unknown,
  name: string,
  board: Filled<typeof BOARD> | null,
  around: Around,
): AgentProfile | null {
  const path = ['agent', name];
  const { complain } = around;
  const one = check(AGENT, table, path, complain);
  if (one === null) return null;
  const own = tableOf(table)?.env;
  if (own !== undefined && tableOf(own) === null) complain([...path, 'env'], 'must be a table');
  if (one.kind === 'command' && one.argv === null) complain([...path, 'argv'], 'is missing');
  const token = board?.kind === 'mission-control' ? board.token_env : null;
  if (token !== null && !one.pass_env.includes(token) && one.env[token] === undefined)
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
  return {
    ...{ ...rest, name, prompt: promptOf(one.prompt, prompt_file, path, around) },
    argv: one.argv ?? [],
    // A program that is not known to read what is typed at it gets no continuation prompt unasked.
    max_nudges: one.max_nudges ?? (one.kind === 'command' ? 0 : 2),
  };
}

function promptOf(
  prompt: string | null,
  file: string | null,
  path: Path,
  { dir, home, complain }: Around,
): string | null {
  const at = [...path, file === null ? 'prompt' : 'prompt_file'];
  let text = prompt;
  if (file !== null) {
    if (prompt !== null) complain(at, 'prompt is set too: use one of them');
    const full = resolve(dir, expand(file, home));
    const read = readText(full);
    if (read.missing || read.error !== null) {
      complain(at, `${full}: ${read.error ?? 'no such file'}`);
      return null;
    }
    text = read.text;
  }
  for (const name of checkTemplate(text ?? ''))
    complain(at, `unknown variable {{${name}}}${hint(name, VARIABLES)}`);
  return text;
}

/** The one of three ways that a `[[notify]]` names. */
function channelOf(
  { command, webhook, desktop }: Filled<typeof NOTIFY>,
  path: Path,
  { dir, home, complain }: Around,
): NotifySpec['channel'] | null {
  if ([command !== null, webhook !== null, desktop].filter(Boolean).length !== 1) {
    complain(path, 'must name exactly one of command, webhook and desktop = true');
    return null;
  }
  if (command !== null) return { kind: 'command', ...command };
  if (webhook === null) return { kind: 'desktop' };
  const { url, secret_env, secret_file, timeout_seconds } = webhook;
  checkAddress(url, [...path, 'webhook', 'url'], complain);
  if (secret_env !== undefined && secret_file !== undefined)
    complain([...path, 'webhook', 'secret_env'], 'secret_file is set too: use one of them');
  const file = secret_file === undefined ? null : { file: resolve(dir, expand(secret_file, home)) };
  const secret = secret_env === undefined ? file : { env: secret_env };
  return { kind: 'webhook', url, secret, timeout_seconds };
}

/** The address itself is not repeated: who has it may post there. */
function checkAddress(url: string, path: Path, complain: Complain): void {
  const fault = addressFault(url, { query: true });
  if (fault !== null) complain(path, fault);
}

/** `textfile_dir` is what node_exporter is given; the name of the file in it is ours. */
function metricsFile(metrics: Filled<typeof METRICS> | null, complain: Complain): string | null {
  if (metrics === null) return null;
  const { file, textfile_dir } = metrics;
  if ((file === null) === (textfile_dir === null)) {
    complain(['metrics'], 'must name exactly one of file and textfile_dir');
    return null;
  }
  return file ?? `${textfile_dir?.replace(/\/+$/, '')}/mc_pickup.prom`;
}

function expand(path: string, home: string): string {
  return path.startsWith('~/') ? join(home, path.slice(2)) : path;
}

function only(map: ReadonlyMap<string, unknown>): string | null {
  const [first] = map.keys();
  return map.size === 1 && first !== undefined ? first : null;
}
