import { oneLine } from './text.ts';
/** The validated configuration, with every default filled in. */
export interface Policy {
  readonly limits: Limits;
  readonly projects: ReadonlyMap<string, Project>;
  readonly agents: ReadonlyMap<string, AgentProfile>;
  /** The profile of tickets that name none: the one configured, else the only one there is, else null. */
  readonly default_agent: string | null;
  readonly default_project: string | null;
  /** Authors whose tickets are dispatched without a person's move to `todo`. */
  readonly trusted_authors: readonly string[];
  /** Of checkouts, agents and hooks, in octal; null = the user's, as it was noted. */
  readonly umask: string | null;
  /** Which profile a ticket gets that names none: the first that fits. */
  readonly routes: readonly Route[];
  /** The page that ticks write; null = none. */
  readonly page: PageSpec | null;
  /** Who is told of what. */
  readonly notify: readonly NotifySpec[];
  /** The address that is told of the start and the end of each tick; null = none. */
  readonly ping: PingSpec | null;
  /** Variables of the network that the configuration sets, in capitals: what they are is in the environment. */
  readonly network: readonly string[];
  /** The file of metrics that each tick writes; null = none. */
  readonly metrics: MetricsSpec | null;
  readonly retention: Retention;
  /** Set when the file could not be used: dispatch stops, reconcile goes on with the defaults. */
  readonly broken: readonly string[];
}

export interface Limits {
  /** Of those that work. */
  readonly max_agents: number;
  /** Of all that live: also of those that have asked, or whose ticket is settled. null = twice `max_agents`. */
  readonly max_living: number | null;
  /** What becomes of clients whose ticket is settled, where their profile does not say. */
  readonly settled: WhenSettled;
  readonly max_launches_per_tick: number;
  readonly ttl_minutes: number;
  readonly max_attempts: number;
  readonly interval_seconds: number;
  readonly launch_deadline_seconds: number;
  /** How long one tick waits for the agents that it launched to register. */
  readonly register_wait_seconds: number;
  readonly retry_base_seconds: number;
  readonly retry_max_seconds: number;
  readonly mass_death: MassDeath;
  /** Where the ports begin that are set aside for agents. */
  readonly port_base: number;
  /** Nothing is launched where less is available; 0 = whatever is. */
  readonly min_free_memory_mb: number;
  /** Nothing is launched where less room is on the disk of the state dir or of the worktrees; null = 500, or a twentieth of a small disk; 0 =
   *  whatever there is. */
  readonly min_free_disk_mb: number | null;
  /** Nothing is launched where more of the last minute was waited for it, in percent of /proc/pressure; null = whatever was. */
  readonly max_memory_pressure: number | null;
  readonly max_cpu_pressure: number | null;
  readonly max_io_pressure: number | null;
  /** Budgets, by the clients' own records; null = none. A client that tells no money counts by its tokens alone. */
  readonly max_usd_per_day: number | null;
  readonly max_usd_per_ticket: number | null;
  readonly max_tokens_per_day: number | null;
  readonly max_tokens_per_ticket: number | null;
}

/** `end`: a client whose ticket is settled is asked to quit; `keep`: it stays at its prompt. */
export const WHEN_SETTLED = ['end', 'keep'] as const;
export type WhenSettled = (typeof WHEN_SETTLED)[number];

/** How many agents may live at a time. */
export function maxLiving({ max_living, max_agents }: Limits): number {
  return max_living ?? 2 * max_agents;
}

/** How many early deaths of different tickets in how many minutes switch launches off; a count of 0 = none do. */
export type MassDeath = {
  readonly count: number;
  readonly minutes: number;
};

/** All that a route names must fit. */
export interface Route {
  readonly agent: string;
  readonly label: string | null;
  readonly project: string | null;
  /** Fits priorities up to this number: 0 is the most urgent. */
  readonly priority_at_most: number | null;
}

/** For how many days what piles up is kept; 0 = for ever. */
export interface Retention {
  readonly ticks_days: number;
  readonly history_days: number;
  readonly runs_days: number;
}

/** Where a tick writes the page, and how old that must be before it is written anew. */
export interface PageSpec {
  readonly file: string;
  readonly every_minutes: number;
}

/** What can be told. `parked` is a part of `needs_input`: who asks for that hears of both. */
export const TOLD = [
  ...(['needs_input', 'parked', 'blocked', 'in_review', 'done', 'cancelled'] as const),
  ...(['retry', 'not_ready'] as const),
  ...(['killswitch', 'held', 'ticks_stopped'] as const),
] as const;

export type Told = (typeof TOLD)[number];

/** One way to tell people, and what goes that way. */
export interface NotifySpec {
  readonly on: readonly Told[];
  readonly channel: ChannelSpec;
  /** Tickets of this project only; null = of any. */
  readonly project: string | null;
  /** Tickets with this label only; null = with any. */
  readonly label: string | null;
}

export type ChannelSpec =
  | ({ readonly kind: 'command' } & HookSpec)
  | {
      readonly kind: 'webhook';
      readonly url: string;
      /** What messages are signed with; null = they are not signed. */
      readonly secret: { readonly env: string } | { readonly file: string } | null;
      readonly timeout_seconds: number;
    }
  | { readonly kind: 'desktop' };

export interface PingSpec {
  readonly url: string;
  /** Whether the start of a tick is told as well. */
  readonly start: boolean;
  readonly timeout_seconds: number;
}

export interface MetricsSpec {
  readonly file: string;
}

export interface HookSpec {
  readonly argv: readonly string[];
  readonly timeout_seconds: number;
}

/** What a project may leave to agents: `done` = their word that a ticket is done. */
export const AGENTS_MAY = ['done'] as const;
export type AgentsMay = (typeof AGENTS_MAY)[number];

/** What the names of branches begin with where a project says nothing. */
export const DEFAULT_PREFIX = 'mc';

export interface Project {
  readonly name: string;
  readonly repo: string;
  readonly base: string;
  /** New branches are `<this>/<ticket>-<title>`. */
  readonly branch_prefix: string;
  /** The folder of the repository that its agents and hooks start in; null = its top. */
  readonly path: string | null;
  readonly remote: string;
  readonly fetch: boolean;
  readonly fetch_timeout_seconds: number;
  /** So long a new worktree may take to be checked out. */
  readonly checkout_timeout_seconds: number;
  readonly base_max_age_days: number;
  /** null = where the base has a `.gitmodules`. */
  readonly submodules: boolean | 'recursive' | null;
  readonly max_agents: number | null;
  /** What is a person's otherwise, and left to agents here. */
  readonly agents_may: readonly AgentsMay[];
  /** null = `<state dir>/worktrees/<project>`. */
  readonly worktrees: string | null;
  /** Of the main checkout: files that a new worktree gets a copy of, and names that it gets a link to. */
  readonly copy: readonly string[];
  readonly link: readonly string[];
  readonly after_create: HookSpec | null;
  readonly before_run: HookSpec | null;
  readonly before_remove: HookSpec | null;
  /** So many worktrees are kept ready; 0 = none. */
  readonly pool: number;
  readonly pool_max_age_hours: number;
  /** What makes one ready; null = `after_create` does. */
  readonly pool_setup: HookSpec | null;
  readonly default_agent: string | null;
  /** What happens to work that is in review; null = a person sees to it. */
  readonly review: ReviewSpec | null;
}

export interface ReviewSpec {
  readonly push: boolean;
  readonly remote: string;
  readonly pull_request: 'none' | 'github' | 'command';
  /** `owner/name` on GitHub. */
  readonly repo: string | null;
  /** Whose fork the branches are pushed to; null = the owner of what `remote` pushes to. */
  readonly head: string | null;
  readonly api_url: string;
  readonly token_env: string | null;
  readonly token_file: string | null;
  readonly command: HookSpec | null;
  readonly draft: boolean;
  readonly check_minutes: number;
  /** The profile that reads the work before a person does. */
  readonly reviewer: string | null;
}

export const AGENT_KINDS = ['command', 'claude', 'codex', 'opencode', 'gemini'] as const;

export type AgentKind = (typeof AGENT_KINDS)[number];

export interface AgentProfile {
  readonly name: string;
  readonly kind: AgentKind;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Names of variables that are handed on from the dispatcher's environment. */
  readonly pass_env: readonly string[];
  readonly max_agents: number | null;
  readonly permission_mode: string;
  /** The prompt template; null = the built-in one. */
  readonly prompt: string | null;
  /** A turn that ended without a report. `auto`: to review when the branch has commits, else nudge, then ask a person. */
  readonly on_idle: OnIdle;
  /** Continuation prompts of one run. */
  readonly max_nudges: number;
  /** `headless`: the client's mode for machines where nobody attaches. */
  readonly mode: 'interactive' | 'headless';
  /** The profile that takes over while this one's account is limited or not ready, or it is held. */
  readonly fallback: string | null;
  /** null = as `[limits]` says. */
  readonly settled: WhenSettled | null;
}

export const ON_IDLE = ['auto', 'needs_input', 'review', 'nudge', 'leave'] as const;

export type OnIdle = (typeof ON_IDLE)[number];

export const DEFAULT_LIMITS: Limits = {
  max_agents: 4,
  max_living: null,
  settled: 'end',
  max_launches_per_tick: 4,
  ttl_minutes: 90,
  max_attempts: 3,
  interval_seconds: 60,
  launch_deadline_seconds: 120,
  register_wait_seconds: 15,
  retry_base_seconds: 60,
  retry_max_seconds: 1800,
  mass_death: { count: 3, minutes: 10 },
  port_base: 21_000,
  min_free_memory_mb: 512,
  min_free_disk_mb: null,
  max_memory_pressure: null,
  max_cpu_pressure: null,
  max_io_pressure: null,
  max_usd_per_day: null,
  max_usd_per_ticket: null,
  max_tokens_per_day: null,
  max_tokens_per_ticket: null,
};

export const NO_POLICY: Policy = {
  limits: DEFAULT_LIMITS,
  projects: new Map(),
  agents: new Map(),
  default_agent: null,
  default_project: null,
  trusted_authors: [],
  umask: null,
  routes: [],
  page: null,
  notify: [],
  ping: null,
  network: [],
  metrics: null,
  // A configuration that can't be read may have wanted to keep everything.
  retention: { ticks_days: 0, history_days: 0, runs_days: 0 },
  broken: [],
};

/** What is wrong with a configuration, in one line: the first complaint, and how many more there are. */
export function brokenLine({ broken }: Pick<Policy, 'broken'>): string {
  const more = broken.length > 1 ? ` (and ${broken.length - 1} more)` : '';
  return `${oneLine(broken[0] ?? '', 500)}${more}`;
}
