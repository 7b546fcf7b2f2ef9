import { ENDS, isEndReason } from './ends.ts';
import type { Because, SkipBecause } from './plan.ts';

type Evidence = Readonly<Record<string, string | number | boolean | null>>;

/** The one place where a literal reason becomes words for people. */
export function sentence(because: Because | SkipBecause, evidence: Evidence): string {
  const words = SENTENCES[because];
  return typeof words === 'string' ? words : words(evidence);
}

/** How a switch that tripped by itself is told of, and what lets launches go on. */
export function trippedText(scope: string, reason: string): string {
  return `launches of ${scope === '*' ? 'everything' : scope} are switched off: ${reason}; once that is mended: ${releaseOf(scope)}`;
}

/** The command that releases a scope. */
export function releaseOf(scope: string): string {
  return `mc-pickup killswitch off${scope === '*' ? '' : ` --scope ${scope}`}`;
}

/** What a literal reason means when nothing more is known; null = none of ours. */
export function reasonWords(because: string): string | null {
  if (isEndReason(because)) return ENDS[because].words;
  if (!Object.hasOwn(SENTENCES, because)) return null;
  // What a sentence would tell from evidence stands in brackets, but for one.
  const words = sentence(because as Because | SkipBecause, { status: 'settled' });
  return words.replace(/ \((pid undefined|exit code unknown|several tickets)\)/, '');
}

const exit = (e: Evidence): string =>
  e.exit_signal != null ? `signal ${e.exit_signal}` : `exit code ${e.exit_code ?? 'unknown'}`;

export const SENTENCES: Readonly<Record<Because | SkipBecause, string | ((evidence: Evidence) => string)>> = {
  agent_alive: (e) => `its agent (pid ${e.pid}) is alive`,
  client_lives_on: (e) =>
    `its process is dead, but the client lives on in another one of the run${e.pid === undefined ? '' : ` (pid ${e.pid})`}`,
  activity_after_question: 'the agent went on after its question',
  activity_after_park: 'the parked agent shows activity again',
  agent_waiting: 'the agent waits for a person',
  idle_without_report: 'the agent ended its turn without a report',
  silent_past_ttl: 'the agent lives but has been silent for too long',
  agent_dead: 'the agent process is gone',
  agent_exited: (e) => `the agent ended without a report (${exit(e)})`,
  agent_killed: (e) => `the agent was killed (${exit(e)})`,
  agent_finished: (e) => `the agent has ended after its report (${exit(e)})`,
  rebooted: 'the machine was rebooted',
  tmux_server_lost: 'the tmux server was lost',
  launch_deadline: 'the launch never registered',
  tick_died: 'the tick that claimed it ended before anything ran for it; no attempt is counted',
  ended_without_release: 'its run had ended without giving the ticket back',
  ticket_unreadable:
    'its row on the board cannot be understood: another program has written it; nothing is done',
  limit_over: 'the limit that stopped it is over',
  rate_limited: (e) =>
    `its account is limited${typeof e.until_ms === 'number' ? ` until ${new Date(e.until_ms).toISOString()}` : ''}`,
  agent_not_ready: 'the client cannot work before a person has set it up',
  agent_works: 'the client works again',
  finished_without_report: 'the agent finished without a report',
  profile_not_ready: 'its profile is not ready: see mc-pickup agents',
  budget_day: "the day's budget is used up",
  budget_ticket: "the ticket's budget is used up",
  environment: 'the machine or the configuration is not ready for it; no attempt is counted',
  launch_failed: (e) => `the launch failed (${exit(e)})`,
  killswitch: (e) => (e.reason ? `the killswitch is on: ${e.reason}` : 'the killswitch is on'),
  pane_of_ended_run: 'its run has ended',
  next_in_order: 'it is next in order',
  runtime_busy: 'a living agent works on it already',
  mass_death: (e) => `agents die right after their start (${e.tickets ?? 'several tickets'})`,
  wait_too_long: 'its wait ended later than it is long: the clock ran ahead when it was set',
  servers_lost: (e) =>
    `the tmux server was lost ${e.losses ?? 'three'} times in half an hour${typeof e.until_ms === 'number' ? `: nothing is launched before ${new Date(e.until_ms).toISOString()}` : ''}${e.tickets ? ` (runs of ${e.tickets} lived each time)` : ''}`,
  owned_by_person: 'a person owns it',
  untrusted: 'its author is not trusted: move it to todo yourself to release it',
  dependencies_unmet: 'a ticket that it depends on is not done',
  not_before: 'its back-off is not over',
  still_being_made: (e) =>
    e.what ? `an earlier launch still works on it: ${e.what}` : 'an earlier launch still works on it',
  attempts_used_up: 'its attempts are used up',
  config_broken: 'the configuration is broken',
  unknown_project: 'its project is not in the configuration',
  unknown_agent: 'its agent profile is not in the configuration',
  no_agent: 'no agent profile is named for it',
  account_limited: 'the account is rate-limited',
  no_slot: 'every slot is taken',
  no_slot_project: 'every slot of its project is taken',
  no_slot_agent: 'every slot of its agent profile is taken',
  launch_limit: 'this tick has launched as many as it may',
  ramping_up: 'after a halt launches begin anew by ones, twos and fours: a later tick takes it',
  other_project: 'another project was asked for',
  reconcile_only: 'only the reconcile pass was asked for',
  launching: (e) =>
    `it is being launched${e.since ? ` since ${e.since}` : ''}; given up after the launch deadline if no agent registers`,
  verdict_unknown: 'whether its agent lives cannot be told',
  not_mine: 'its runtime is on another host',
  owner_changed: 'its owner has changed',
  flapping: 'it was healed too often in half an hour: somebody else keeps resetting it',
  tmux_unreadable: (e) => `tmux did not answer${e.error ? `: ${e.error}` : ''}`,
  mark_unknown: 'whether a process with its mark lives cannot be told',
  taken_by_person: 'a person works on it: no run belongs to it',
  run_lost:
    'its run is no longer on the board and no process of it is found: move it to todo or another status yourself',
  runtime_busy_elsewhere: 'another run of it is alive: the next tick adopts it',
  busy_with_other_owner: 'a living agent works on it under another owner',
  busy_with_other_ticket: 'a living agent works on another ticket there',
  alive_though_settled: (e) => `its agent is alive though the ticket is ${e.status}`,
  server_socket_deleted: 'the tmux socket was deleted',
};
