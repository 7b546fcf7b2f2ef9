/*
 * The one place where a literal reason becomes words for people. Each reason has words of its own, and may have longer ones that tell
 * a fact of its evidence, named in braces. Of these the first is said whose facts are all known, so that no sentence tells of a fact
 * that is not there, whichever version of the program has written the evidence.
 */
import { ENDS, isEndReason } from './ends.ts';
import type { Evidence } from './evidence.ts';
import type { Because, Skip, SkipBecause, Step } from './plan.ts';

/** A reason and its facts in words. A reason that is not ours, or not any more, is told by its literal. */
export function sentence({
  because,
  evidence,
}: {
  readonly because: string;
  readonly evidence: Evidence;
}): string {
  if (!isKnown(because)) return reasonWords(because) ?? because;
  const [bare, ...longer] = SENTENCES[because];
  for (const one of longer) {
    const told = filled(one, evidence);
    if (told !== null) return told;
  }
  return bare;
}

/** What a literal reason means when nothing more is known; null = none of ours. */
export function reasonWords(because: string): string | null {
  if (isKnown(because)) return SENTENCES[because][0];
  return isEndReason(because) ? ENDS[because].words : null;
}

/** How a switch that tripped by itself is told of, and what lets launches go on. */
export function trippedText(scope: string, reason: string): string {
  return `launches of ${scope === '*' ? 'everything' : scope} are switched off: ${reason}; once that is mended: ${releaseOf(scope)}`;
}

/** The command that releases a scope. */
export function releaseOf(scope: string): string {
  return `mc-pickup killswitch off${scope === '*' ? '' : ` --scope ${scope}`}`;
}

/** What lets go of a switch. */
export function offText({ scope, author }: { readonly scope: string; readonly author: string }): string {
  return author === 'environment' ? 'unset MC_PICKUP_KILLSWITCH' : releaseOf(scope);
}

function isKnown(because: string): because is keyof typeof SENTENCES {
  return Object.hasOwn(SENTENCES, because);
}

/** The words with their facts; null = one of them is not known. */
function filled(words: string, evidence: Evidence): string | null {
  let known = true;
  const told = words.replace(/\{(\w+)\}/g, (_, key: string) => {
    const fact = evidence[key];
    const text = key.endsWith('_ms') ? moment(fact) : `${fact ?? ''}`;
    if (text === '') known = false;
    return text;
  });
  return known ? told : null;
}

function moment(fact: Evidence[string]): string {
  return typeof fact === 'number' && Math.abs(fact) <= 8.64e15 ? new Date(fact).toISOString() : '';
}

const exits = <const T extends string>(words: T) =>
  [words, `${words} (signal {exit_signal})`, `${words} (exit code {exit_code})`] as const;
const LOST = 'the tmux server was lost';
const LOST_N = `${LOST} {losses} times in half an hour: nothing is launched before {until_ms}` as const;
const LAUNCHING = 'given up after the launch deadline if no agent registers';

export const SENTENCES = {
  // what is done
  agent_alive: ['its agent is alive', 'its agent (pid {pid}) is alive'],
  client_lives_on: [
    'its process is dead, but the client lives on in another one of the run',
    'its process is dead, but the client lives on in another one of the run (pid {pid})',
  ],
  activity_after_question: ['the agent went on after its question'],
  activity_after_park: ['the parked agent shows activity again'],
  agent_waiting: ['the agent waits for a person'],
  idle_without_report: ['the agent ended its turn without a report'],
  silent_past_ttl: ['the agent lives but has been silent for too long'],
  agent_dead: [ENDS.agent_dead.words],
  agent_exited: exits(ENDS.agent_exited.words),
  agent_killed: exits(ENDS.agent_killed.words),
  agent_finished: exits(ENDS.finished.words),
  settled: [ENDS.settled.words],
  settled_for_long: ['its ticket is settled, and it has been silent for ten minutes: it is asked to quit'],
  launch_waits: ['its ticket is settled, and a launch waits for its room: it is asked to quit'],
  rebooted: [ENDS.rebooted.words],
  tmux_server_lost: [ENDS.tmux_server_lost.words],
  report_kept: [
    'its agent has reported, and the board could not be told then',
    'its agent reported {to} at {said_at_ms}, and the board could not be told then',
  ],
  launch_failed: exits(ENDS.launch_failed.words),
  launch_deadline: [ENDS.launch_deadline.words],
  tick_died: [ENDS.tick_died.words],
  ended_without_release: ['its run had ended without giving the ticket back'],
  finished_without_report: ['the agent finished without a report'],
  limit_over: ['what stopped it is over, or tried'],
  rate_limited: [
    ENDS.rate_limited.words,
    'its account is limited until {until_ms}: {says}',
    'its account is limited until {until_ms}',
  ],
  api_limit: ['the API of its model has refused it: a limit', 'its account has reached a limit: {says}'],
  api_login: ['the API of its model takes its login for none', 'its login is refused: {says}'],
  api_down: [ENDS.api_down.words, 'the API of its model gave no answer: {says}'],
  request_refused: ['the API of its model refuses this very request'],
  agent_not_ready: [ENDS.agent_not_ready.words],
  session_lost: exits(ENDS.session_lost.words),
  agent_works: ['the client works again'],
  pane_of_ended_run: ['its run has ended'],
  next_in_order: ['it is next in order'],
  runtime_busy: [ENDS.runtime_busy.words],
  mass_death: ['agents die right after their start', 'agents die right after their start ({tickets})'],
  wait_too_long: ['its wait ended later than it is long: the clock ran ahead when it was set'],
  // why nothing is done
  owned_by_person: ['a person owns it', 'a person owns it ({owner}): no agent is started for it'],
  untrusted: ['its author is not trusted: move it to todo yourself to release it'],
  dependencies_unmet: ['a ticket that it depends on is not done'],
  not_before: ['its back-off is not over'],
  attempts_used_up: ['its attempts are used up', 'its attempts are used up ({attempts} of {max_attempts})'],
  still_being_made: ['an earlier launch still works on it', 'an earlier launch still works on it: {what}'],
  branch_elsewhere: [
    'its branch is checked out elsewhere: it waits until that is over',
    'it waits until its branch is free: {what}',
  ],
  other_project: ['another project was asked for'],
  config_broken: ['the configuration is broken'],
  no_agent: ['it names no agent profile, and the configuration has no default_agent'],
  unknown_project: [
    'its project is not in the configuration',
    'its project "{project}" is not in the configuration',
  ],
  unknown_agent: [
    'its agent profile is not in the configuration',
    'its agent profile "{agent}" is not in the configuration',
  ],
  account_limited: [
    'the account is rate-limited',
    'the account is rate-limited until {until_ms}: {says}',
    'the account is rate-limited until {until_ms}',
  ],
  profile_not_ready: ['its profile is not ready: see mc-pickup agents'],
  budget_day: ["the day's budget is used up (max_usd_per_day or max_tokens_per_day of [limits])"],
  budget_ticket: ["the ticket's budget is used up (max_usd_per_ticket or max_tokens_per_ticket of [limits])"],
  no_slot: ['every slot is taken'],
  no_slot_project: ['every slot of its project is taken'],
  no_slot_agent: ['every slot of its agent profile is taken'],
  living_limit: [
    'too many agents live',
    'too many agents live ({living} of {max_living}): those that have asked, or whose tickets are settled, count as well',
  ],
  launch_limit: ['this tick has launched as many as it may'],
  ramping_up: ['after a halt launches begin anew by ones, twos and fours: a later tick takes it'],
  low_memory: [
    'too little memory is free',
    'only {available_mb} MB of memory are free in the {of}, and min_free_memory_mb is {min_free_memory_mb}',
  ],
  under_pressure: [
    'too much waits for memory, processors or disks',
    'in {percent} percent of the last minute something waited for {resource}, and max_{resource}_pressure is {most}',
  ],
  killswitch: [ENDS.killswitch.words, 'the killswitch is on: {reason}'],
  held: [
    'what it needs is held: see mc-pickup status',
    'it is held, with all of {scope}: {says}; {todo}; the first tick after {next_at_ms} looks again',
    'it is held, with all of {scope}: {says}',
  ],
  servers_lost: [
    `${LOST} three times in half an hour`,
    `${LOST_N} (runs of {tickets} lived each time)`,
    LOST_N,
  ],
  tmux_unreadable: ['tmux did not answer', 'tmux did not answer: {error}'],
  ticket_unreadable: [
    'its row on the board cannot be understood: another program has written it; nothing is done',
  ],
  verdict_unknown: ['whether its agent lives cannot be told'],
  not_mine: ['its runtime is on another host'],
  launching: [`it is being launched; ${LAUNCHING}`, `it is being launched since {since}; ${LAUNCHING}`],
  owner_changed: ['its owner has changed'],
  flapping: ['it was healed too often in half an hour: somebody else keeps resetting it'],
  alive_though_settled: [
    'its agent is alive though the ticket is settled',
    'its agent is alive though the ticket is {status}, and not asked to quit ({stays})',
    'its agent is alive though the ticket is {status}',
  ],
  taken_by_person: ['a person works on it: no run belongs to it'],
  run_lost: [
    'its run is no longer on the board and no process of it is found: move it to todo or another status yourself',
  ],
  mark_unknown: ['whether a process with its mark lives cannot be told'],
  busy_with_other_owner: ['a living agent works on it under another owner'],
  busy_with_other_ticket: ['a living agent works on another ticket there'],
  runtime_busy_elsewhere: ['another run of it is alive: the next tick adopts it'],
} as const satisfies Readonly<Record<Because | SkipBecause, readonly [string, ...string[]]>>;

/** The facts that words name in braces. */
type Named<S extends string> = S extends `${string}{${infer K}}${infer Rest}` ? K | Named<Rest> : never;
/** The facts that go with a reason. */
type FactOf<B, W = Step | Skip> = W extends { because: infer One; evidence: infer E }
  ? B extends One
    ? E extends unknown
      ? keyof E
      : never
    : never
  : never;
/** Nobody uses this type: it is here not to compile where a sentence names a fact that its reason does not come with. */
export type Unfounded = None<
  {
    [B in keyof typeof SENTENCES]: Exclude<Named<(typeof SENTENCES)[B][number]>, FactOf<B>>;
  }[keyof typeof SENTENCES]
>;
type None<T extends never> = T;
