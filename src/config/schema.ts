import * as v from 'valibot';
import { UMASK } from '../machine/umask.ts';
import {
  AGENT_KINDS,
  AGENTS_MAY,
  DEFAULT_LIMITS,
  DEFAULT_PREFIX,
  ON_IDLE,
  TOLD,
  WHEN_SETTLED,
} from '../model/policy.ts';

export const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

const MODES = ['interactive', 'headless'] as const;

/* What a check demands stands beside it once more in the words of JSON Schema: the schema for editors is made from that,
 * and a property test holds the two against each other. A tick passes over it. */

const positive = (max: number) => {
  const message = `must be a number above 0 and at most ${max}`;
  return v.pipe(
    v.number(message),
    v.check((n) => n > 0 && n <= max, message),
    v.metadata({ exclusiveMinimum: 0, maximum: max }),
  );
};

const whole = (min: number, max: number) => {
  const message = `must be a whole number from ${min} to ${max}`;
  return v.pipe(
    v.number(message),
    v.check((n) => Number.isInteger(n) && n >= min && n <= max, message),
    v.metadata({ type: 'integer', minimum: min, maximum: max }),
  );
};

/** A text that fits all of `yes` and none of `no`. */
const text = (message: string, yes: RegExp = ANY, no?: RegExp) =>
  v.pipe(
    v.string(message),
    v.check((s) => yes.test(s) && no?.test(s) !== true, message),
    v.metadata({ pattern: yes.source, ...(no === undefined ? {} : { not: { pattern: no.source } }) }),
  );

/* No look-ahead in any of these: an editor may run them by a library that has none. */
const ANY = /^[^\x00]*$/;
const SOME = /^[^\x00]+$/;

const name = text('must be a name of letters, digits, "_", "." and "-"', NAME);
const path = text('must be an absolute path or begin with ~/', /^(\/|~\/)[^\x00]*$/);
const ref = text(
  'must be a plain branch or remote name',
  /^[A-Za-z0-9_][A-Za-z0-9_./+#-]{0,199}$/,
  /\.\.|\/\/|\/\.|[/.]$|\.lock(\/|$)/,
);
/** By git's own rules, as git-check-ref-format(1) has them, for a name that goes on behind a "/". */
const prefix = text(
  'must be what git takes as the beginning of a branch\'s name, without "/" at its end, such as "mc" or "team/agents"',
  /^[^\x00-\x20\x7f~^:?*[\\]{1,100}$/,
  /^[-./]|\/[./]|\.\.|@\{|\.lock(\/|$)|\/$/,
);
const folder = text(
  'must be a folder inside the repository, such as "packages/app": relative, and without ".." or "."',
  /^[^\x00-\x1f\x7f/\\][^\x00-\x1f\x7f\\]{0,999}$/,
  /(^|\/)(\.{1,2}|\.[gG][iI][tT])(\/|$)|\/\//,
);
const words = text('must be a non-empty string', SOME);
/** Names in the main checkout, in which `*` and `?` stand for what they do in a shell. */
const beside = text(
  'must be a path inside the main checkout, such as ".env*" or "packages/*/node_modules": relative, without ".." and "**"',
  /^[^\x00-\x1f\x7f/\\][^\x00-\x1f\x7f\\]{0,999}$/,
  /(^|\/)(\.{1,2}|\.[gG][iI][tT])(\/|$)|\/\/|\*\*|\/$/,
);
const argv = v.pipe(
  v.array(words, 'must be an array of strings, such as ["make", "setup"]'),
  v.minLength(1, 'must not be empty'),
);
const variable = text('must be the name of an environment variable', /^[A-Za-z_][A-Za-z0-9_]*$/);
const settled = v.picklist(WHEN_SETTLED, `must be one of ${WHEN_SETTLED.join(', ')}`);
/* What many keys are is made once: each is a dozen objects, in every tick. */
const flag = v.boolean('must be true or false');
const somewhere = text('must be a path', SOME);
const anyAddress = text('must be an address', SOME);
const upToADay = positive(86_400);
const agents = whole(0, 1000);
const dollars = positive(1_000_000);
const tokens = whole(1, 1e15);
const percent = positive(100);
const TABLE = 'must be a table';

export const MASS_DEATH = v.object(
  { count: v.optional(agents, 3), minutes: v.optional(positive(1440), 10) },
  'must be a table {count = 3, minutes = 10}',
);

export const LIMITS = v.object(
  {
    max_agents: v.optional(agents, DEFAULT_LIMITS.max_agents),
    max_living: v.optional(whole(0, 10_000)),
    settled: v.optional(settled, DEFAULT_LIMITS.settled),
    max_launches_per_tick: v.optional(whole(1, 1000), DEFAULT_LIMITS.max_launches_per_tick),
    ttl_minutes: v.optional(positive(43_200), DEFAULT_LIMITS.ttl_minutes),
    max_attempts: v.optional(whole(1, 100), DEFAULT_LIMITS.max_attempts),
    interval_seconds: v.optional(upToADay, DEFAULT_LIMITS.interval_seconds),
    launch_deadline_seconds: v.optional(upToADay, DEFAULT_LIMITS.launch_deadline_seconds),
    register_wait_seconds: v.optional(positive(600), DEFAULT_LIMITS.register_wait_seconds),
    retry_base_seconds: v.optional(upToADay, DEFAULT_LIMITS.retry_base_seconds),
    retry_max_seconds: v.optional(positive(604_800), DEFAULT_LIMITS.retry_max_seconds),
    mass_death: v.optional(MASS_DEATH, DEFAULT_LIMITS.mass_death),
    port_base: v.optional(whole(1024, 65_000), DEFAULT_LIMITS.port_base),
    min_free_memory_mb: v.optional(whole(0, 1e9), DEFAULT_LIMITS.min_free_memory_mb),
    min_free_disk_mb: v.optional(whole(0, 1e9)),
    max_memory_pressure: v.optional(percent),
    max_cpu_pressure: v.optional(percent),
    max_io_pressure: v.optional(percent),
    max_usd_per_day: v.optional(dollars),
    max_usd_per_ticket: v.optional(dollars),
    max_tokens_per_day: v.optional(tokens),
    max_tokens_per_ticket: v.optional(tokens),
  },
  TABLE,
);

export const HOOK = v.object(
  { argv, timeout_seconds: v.optional(upToADay, 300) },
  'must be a table {argv = [...]} or an array of strings',
);

/** Keys of a project that may be a hook's argv alone. */
export const HOOKS = ['after_create', 'before_run', 'before_remove', 'pool_setup'] as const;

export const PROJECT = v.object(
  {
    repo: path,
    base: v.optional(ref, 'main'),
    path: v.optional(folder),
    branch_prefix: v.optional(prefix, DEFAULT_PREFIX),
    remote: v.optional(ref, 'origin'),
    fetch: v.optional(flag, true),
    fetch_timeout_seconds: v.optional(positive(3600), 30),
    checkout_timeout_seconds: v.optional(upToADay, 300),
    base_max_age_days: v.optional(positive(36_500), 14),
    submodules: v.optional(
      v.union([v.boolean(), v.literal('recursive')], 'must be true, false or "recursive"'),
    ),
    max_agents: v.optional(agents),
    agents_may: v.optional(
      v.array(
        v.picklist(AGENTS_MAY, `must be one of ${AGENTS_MAY.join(', ')}`),
        'must be an array, such as ["done"]',
      ),
      [],
    ),
    worktrees: v.optional(path),
    default_agent: v.optional(name),
    copy: v.optional(v.array(beside, 'must be an array, such as [".env*"]'), []),
    link: v.optional(v.array(beside, 'must be an array, such as ["node_modules"]'), []),
    after_create: v.optional(HOOK),
    before_run: v.optional(HOOK),
    before_remove: v.optional(HOOK),
    pool: v.optional(whole(0, 16), 0),
    pool_max_age_hours: v.optional(positive(8760), 24),
    pool_setup: v.optional(HOOK),
  },
  TABLE,
);

const PULL_REQUESTS = ['none', 'github', 'command'] as const;

/** What happens to work that is in review; of a project. */
export const REVIEW = v.object(
  {
    push: v.optional(flag, false),
    remote: v.optional(ref),
    pull_request: v.optional(v.picklist(PULL_REQUESTS, `must be one of ${PULL_REQUESTS.join(', ')}`), 'none'),
    repo: v.optional(
      text('must be owner/name', /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\/[A-Za-z0-9_.-]{1,100}$/, /\/\.{1,2}$/),
    ),
    head: v.optional(text('must be the name of an owner, such as "ann"', /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/)),
    api_url: v.optional(anyAddress, 'https://api.github.com'),
    token_env: v.optional(variable),
    token_file: v.optional(somewhere),
    command: v.optional(HOOK),
    draft: v.optional(flag, false),
    check_minutes: v.optional(positive(1440), 5),
    reviewer: v.optional(name),
  },
  TABLE,
);

export const AGENT = v.object(
  {
    kind: v.picklist(AGENT_KINDS, `must be one of ${AGENT_KINDS.join(', ')}`),
    argv: v.optional(argv),
    env: v.optional(v.record(variable, text('must be a string'), TABLE), {}),
    pass_env: v.optional(v.array(variable, 'must be an array of names'), []),
    max_agents: v.optional(agents),
    permission_mode: v.optional(text('must be a word', /^[A-Za-z][A-Za-z0-9_-]{0,63}$/), 'acceptEdits'),
    prompt: v.optional(text('must be a string')),
    prompt_file: v.optional(somewhere),
    on_idle: v.optional(v.picklist(ON_IDLE, `must be one of ${ON_IDLE.join(', ')}`), 'auto'),
    max_nudges: v.optional(whole(0, 100)),
    mode: v.optional(v.picklist(MODES, `must be one of ${MODES.join(', ')}`), 'interactive'),
    fallback: v.optional(name),
    settled: v.optional(settled),
  },
  TABLE,
);

export const ROUTE = v.object(
  {
    agent: name,
    label: v.optional(words),
    project: v.optional(name),
    priority_at_most: v.optional(whole(0, 4)),
  },
  'must be a table, such as [[route]]',
);

export const BOARD = v.object(
  {
    kind: v.picklist(['sqlite', 'mission-control'], 'must be sqlite or mission-control'),
    url: v.optional(anyAddress),
    token_file: v.optional(somewhere),
    token_env: v.optional(variable),
    runtimes: v.optional(v.picklist(['here', 'server'], 'must be here or server'), 'here'),
  },
  TABLE,
);

export const PAGE = v.object({ file: path, every_minutes: v.optional(positive(43_200), 5) }, TABLE);

/** The program parses it once more: a pattern cannot know what an address is. */
const address = text('must be an https address', /^https?:\/\/[^\x00\s]+$/);
const bound = v.optional(positive(15), 10);

export const NOTIFY_COMMAND = v.object({ argv, timeout_seconds: bound }, 'must be a table {argv = [...]}');

export const NOTIFY_WEBHOOK = v.object(
  {
    url: address,
    secret_env: v.optional(variable),
    secret_file: v.optional(somewhere),
    timeout_seconds: bound,
  },
  'must be a table {url = "..."}',
);

export const NOTIFY = v.object(
  {
    on: v.optional(
      v.pipe(
        v.array(v.picklist(TOLD, `must be some of ${TOLD.join(', ')}`), 'must be an array of words'),
        v.minLength(1, 'must not be empty'),
      ),
      ['needs_input', 'blocked', 'killswitch', 'held', 'ticks_stopped'],
    ),
    command: v.optional(NOTIFY_COMMAND),
    webhook: v.optional(NOTIFY_WEBHOOK),
    desktop: v.optional(flag, false),
    project: v.optional(name),
    label: v.optional(words),
  },
  'must be a table, such as [[notify]]',
);

export const PING = v.object(
  {
    url: address,
    start: v.optional(flag, true),
    timeout_seconds: v.optional(positive(15), 5),
  },
  TABLE,
);

export const METRICS = v.object({ file: v.optional(path), textfile_dir: v.optional(path) }, TABLE);

const proxy = text(
  'must be an address, such as "http://proxy.example:3128"',
  /^(https?|socks5h?):\/\/[^\s/]+\/?$/i,
);

export const NETWORK = v.object(
  {
    https_proxy: v.optional(proxy),
    http_proxy: v.optional(proxy),
    no_proxy: v.optional(text('must be names, such as "intranet.example, 10.0.0.0/8"', SOME)),
    ca_file: v.optional(somewhere),
  },
  TABLE,
);

const days = whole(0, 36_500);

export const RETENTION = v.object(
  { ticks_days: v.optional(days, 7), history_days: v.optional(days, 30), runs_days: v.optional(days, 30) },
  TABLE,
);

export const TOP = v.object({
  board: v.optional(v.unknown()),
  default_agent: v.optional(name),
  default_project: v.optional(name),
  trusted_authors: v.optional(v.array(words, 'must be an array of names'), []),
  umask: v.optional(text('must be an umask in octal, such as "022"', UMASK)),
  limits: v.optional(v.unknown()),
  page: v.optional(v.unknown()),
  notify: v.optional(v.array(v.unknown(), 'must be tables, such as [[notify]]')),
  ping: v.optional(v.unknown()),
  metrics: v.optional(v.unknown()),
  network: v.optional(v.unknown()),
  retention: v.optional(v.unknown()),
  project: v.optional(v.unknown()),
  agent: v.optional(v.unknown()),
  route: v.optional(v.array(v.unknown(), 'must be tables, such as [[route]]')),
});
