/*
 * A fault of this host, of a project or of an agent profile is no ticket's. It is met once, and holds what it concerns until a look
 * finds it gone: nothing of that scope is claimed meanwhile, its tickets stay `todo`, and no attempt is spent.
 */
import { fnv1a } from './hash.ts';
import type { Policy } from './policy.ts';

export type HoldScope = 'host' | `project:${string}` | `agent:${string}`;

/** What holds a scope, and what a person can do about it; NAME stands for the project or the profile. */
export const HOLD_TODO = {
  git_missing: 'install git, for example apt-get install git, or put it on PATH',
  repo_missing: 'put the repository back, or mend project.NAME.repo',
  base_missing: 'mend project.NAME.base: it is the name of a branch',
  path_missing: 'mend project.NAME.path, or commit that folder to the base',
  branch_collision: 'rename that branch, or set project.NAME.branch_prefix to another word',
  worktrees_root_missing: 'mount its disk, make it, or mend project.NAME.worktrees',
  git_silent: 'look at what git waits for there',
  checkout_slow:
    'look at what slows it down (a filter, a hook, a network disk), or raise project.NAME.checkout_timeout_seconds',
  repo_odd: 'move away what it names',
  checkout_fails: 'mend what git complains of: every new worktree of this project meets it',
  submodules_missing:
    'run git submodule update --init in the repository, or set project.NAME.submodules = false',
  hook_fails: 'mend project.NAME.after_create: it fails for every new worktree',
  base_gone: 'set project.NAME.base to the name that the branch has on the remote now',
  fetch_fails:
    'mend the remote, or what git names here; or set fetch = false in project.NAME to begin at what is here',
  no_permission: 'look at the owner and the permissions of what it names',
  disk_full: 'make room on that disk (or raise the quota, or the limit of file sizes)',
  disk_low: 'make room on that disk, or set min_free_disk_mb of [limits] to what is enough',
  too_many_files: 'raise the limit of open files, or end what has them open',
  tmux_fails: 'mend what tmux names: it is installed, and its socket is in the state dir',
  holds_unreadable: 'move it away: what is held is noted there, in a file that the next tick makes',
  program_missing: 'install it, or name its full path in agent.NAME.argv',
  api_limit: 'wait: one run tries it then; or name a fallback in agent.NAME',
  api_login:
    'log its client in, or mend its key, for the user that agents run as; at once then: mc-pickup agents ready NAME',
  api_down: 'wait, if it is the API or the network that is away: one run tries it then',
} as const satisfies Readonly<Record<string, string>>;

export type HoldBecause = keyof typeof HOLD_TODO;

/** By the API of a client's model. */
export type ApiHold = Extract<HoldBecause, `api_${string}`>;

/** What is wrong, and whose it is. */
export interface Fault {
  readonly scope: HoldScope;
  readonly because: HoldBecause;
  /** What is wrong with what, in one line. */
  readonly says: string;
}

export interface Probe {
  readonly ticket: string;
  readonly turn: number;
}

export interface Hold extends Fault {
  readonly since_at_ms: number;
  /** Looks at it so far: the launch that met it, and each look since. */
  readonly tries: number;
  readonly looked_at_ms: number;
  readonly next_at_ms: number;
  /** The ticket whose run tries whether it is over, and the turns that run had before; absent = none does yet. */
  readonly probe?: Probe;
  /** A hash of what the configuration says of its scope: where that changes, it is looked at again at once. */
  readonly config: string;
}

/** A fault that may yet be of one ticket, or of one moment: where another ticket, or another tick, meets the same, it is not. */
export interface Strike extends Fault {
  readonly who: string;
}

const FIRST_MS = 60_000;
const MOST_MS = 30 * 60_000;
/** One look at a file tells whether they are still so: every tick can take it. */
const TOLD_AT_ONCE: ReadonlySet<HoldBecause> = new Set([
  'git_missing',
  'program_missing',
  'repo_missing',
  'worktrees_root_missing',
  'disk_low',
]);

/** What only a run can try: the API of a client's model answers nobody else. */
const TRIED_BY_RUNS: ReadonlySet<HoldBecause> = new Set(['api_limit', 'api_login', 'api_down']);

/** Whether it is over only when a run has tried it. */
export function isTriedByRuns({ because }: Pick<Fault, 'because'>): boolean {
  return TRIED_BY_RUNS.has(because);
}

export function isHoldBecause(word: unknown): word is HoldBecause {
  return typeof word === 'string' && Object.hasOwn(HOLD_TODO, word);
}

export function projectScope(name: string): HoldScope {
  return `project:${name}`;
}

export function agentScope(name: string): HoldScope {
  return `agent:${name}`;
}

/** What a person can do about it. */
export function todoOf({ scope, because }: Pick<Fault, 'scope' | 'because'>): string {
  return HOLD_TODO[because].replaceAll('NAME', nameOf(scope));
}

/** The project or the profile of a scope; '' = the host. */
export function nameOf(scope: HoldScope): string {
  return scope === 'host' ? '' : scope.slice(scope.indexOf(':') + 1);
}

/** A fault becomes a hold. */
export function begun(fault: Fault, config: string, now_ms: number): Hold {
  const { scope, because, says } = fault;
  return after({ scope, because, says, since_at_ms: now_ms, tries: 0, config }, now_ms);
}

/** A look has found it again, or another fault in its place. */
export function foundAgain(hold: Hold, { because, says }: Fault, config: string, now_ms: number): Hold {
  return after({ ...hold, because, says, config }, now_ms);
}

function after(hold: Omit<Hold, 'looked_at_ms' | 'next_at_ms'>, now_ms: number): Hold {
  const backOff_ms = Math.min(FIRST_MS * 2 ** Math.min(hold.tries, 10), MOST_MS);
  const wait_ms = TOLD_AT_ONCE.has(hold.because) ? 0 : backOff_ms;
  return { ...hold, tries: hold.tries + 1, looked_at_ms: now_ms, next_at_ms: now_ms + wait_ms };
}

/** What the API of a model has refused, until then. It is the same one for as long as no run has found it to be over. */
export function refusedUntil(
  before: Hold | null,
  fault: Fault,
  config: string,
  at: { readonly now_ms: number; readonly until_ms: number },
): Hold {
  const { scope, because, says } = fault;
  const { since_at_ms = at.now_ms, tries = 0, next_at_ms = 0 } = before ?? {};
  // One that stands has counted the run that was to try it.
  const again = next_at_ms > at.now_ms ? 0 : 1;
  return {
    scope,
    because,
    says,
    since_at_ms,
    tries: tries + again,
    looked_at_ms: at.now_ms,
    next_at_ms: at.until_ms,
    config,
  };
}

/** One run tries it; should nothing come of that, another one does after a longer wait. */
export function triedBy(
  hold: Hold,
  probe: Probe,
  next: { readonly now_ms: number; readonly wait_ms: number },
): Hold {
  const { now_ms, wait_ms } = next;
  return { ...hold, probe, tries: hold.tries + 1, looked_at_ms: now_ms, next_at_ms: now_ms + wait_ms };
}

/** Whether it is to be looked at. A last look of the future was noted by a clock that ran ahead: no wait is longer than its own length. */
export function isDue(hold: Hold, config: string, now_ms: number): boolean {
  return hold.next_at_ms <= now_ms || hold.looked_at_ms > now_ms || hold.config !== config;
}

/** What holds a launch for this project by this profile; null = nothing. */
export function holdOn<H extends Fault>(holds: readonly H[], project: string, agent: string): H | null {
  const covers = ['host', projectScope(project), agentScope(agent)];
  return holds.find(({ scope }) => covers.includes(scope)) ?? null;
}

/** What the configuration says of a scope, as one word; null = it names no such project or profile. */
export function configOf(
  scope: HoldScope,
  { projects, agents }: Pick<Policy, 'projects' | 'agents'>,
): string | null {
  if (scope === 'host') return '';
  const name = nameOf(scope);
  const found = scope.startsWith('project:') ? projects.get(name) : agents.get(name);
  return found === undefined ? null : fnv1a(JSON.stringify(found));
}

/** Those of what the configuration still names: the next tick that launches forgets the others. While it is broken, it names nothing. */
export function stillNamed<H extends Fault>(
  holds: readonly H[],
  policy: Pick<Policy, 'projects' | 'agents' | 'broken'>,
): readonly H[] {
  return policy.broken.length > 0 ? holds : holds.filter(({ scope }) => configOf(scope, policy) !== null);
}

/** A hold as people and programs are told of it. */
export interface HoldFacts extends Fault {
  readonly todo: string;
  readonly since_at_ms: number;
  readonly tries: number;
  readonly next_at_ms: number;
}

export function holdFacts(hold: Hold): HoldFacts {
  const { scope, because, says, since_at_ms, tries, next_at_ms } = hold;
  return { scope, because, says, todo: todoOf(hold), since_at_ms, tries, next_at_ms };
}
