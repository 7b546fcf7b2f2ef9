/*
 * Why runs end, in one list. Whoever ends a run writes a word of it (`runtime_sessions.end_reason`, and the `because` of the log's
 * line); whoever tells of a run that has ended goes by what is said here, so that the same run is called the same everywhere. Other
 * programs and boards of other versions have words of their own: those are read as what they are, never as a failure.
 */

/** How a run came out, for people. `ended`: by a word that is none of ours. */
export const OUTCOMES = ['finished', 'failed', 'stopped', 'ended'] as const;
export type CameOut = (typeof OUTCOMES)[number];

interface End {
  readonly out: Exclude<CameOut, 'ended'>;
  /** Who ended it: the agent itself, a launch that came to nothing, the machine, the account, a person, or another run in its place. */
  readonly by: 'agent' | 'launch' | 'machine' | 'account' | 'person' | 'other_run';
  /** Its client's session is worth going on with: it was cut off in the middle of its work, or ended by us at its prompt. */
  readonly goes_on: boolean;
  readonly words: string;
}

/** Each: how the run came out, who ended it, whether its session is worth going on with, in words. */
export const ENDS = {
  finished: end('finished', 'agent', false, 'the agent has ended after its report or its question'),
  settled: end('finished', 'agent', true, 'its ticket is settled, and its client was asked to quit'),
  agent_dead: end('failed', 'agent', true, 'the agent process is gone'),
  agent_exited: end('failed', 'agent', true, 'the agent ended without a report'),
  agent_killed: end('failed', 'agent', true, 'the agent was killed'),
  launch_failed: end('failed', 'launch', false, 'the launch failed'),
  launch_deadline: end('failed', 'launch', false, 'the launch never registered'),
  environment: end(
    'stopped',
    'launch',
    false,
    'the machine or the configuration is not ready for it; no attempt is counted',
  ),
  held: end(
    'stopped',
    'machine',
    false,
    'its project, its profile or this host is held; no attempt is counted',
  ),
  tick_died: end(
    'stopped',
    'machine',
    false,
    'the tick that claimed it ended before anything ran for it; no attempt is counted',
  ),
  rebooted: end('stopped', 'machine', true, 'the machine was rebooted'),
  tmux_server_lost: end('stopped', 'machine', true, 'the tmux server was lost'),
  rate_limited: end('stopped', 'account', true, 'its account is limited'),
  api_down: end('stopped', 'account', true, 'the API of its model gave no answer'),
  agent_not_ready: end('stopped', 'account', false, 'the client cannot work before a person has set it up'),
  session_lost: end(
    'stopped',
    'machine',
    false,
    'its client no longer has the session that it was to go on with; no attempt is counted',
  ),
  stopped: end('stopped', 'person', true, 'a person has stopped it'),
  released: end('stopped', 'person', false, 'a person has vouched that it is gone'),
  killswitch: end('stopped', 'person', false, 'the killswitch is on'),
  runtime_busy: end('stopped', 'other_run', false, 'a living agent works on it already'),
  gave_way: end('stopped', 'other_run', false, 'an agent that lived already was adopted in its place'),
  process_shared: end('stopped', 'other_run', false, 'its process was recorded as that of an earlier run'),
} as const satisfies Readonly<Record<string, End>>;

/** A word that this program ends runs with. */
export type EndReason = keyof typeof ENDS;

function end(out: End['out'], by: End['by'], goes_on: boolean, words: string): End {
  return { out, by, goes_on, words };
}

export function isEndReason(word: string): word is EndReason {
  return Object.hasOwn(ENDS, word);
}

/** What is known of an end; null = the word is none of ours. */
function endOf(reason: string | null): End | null {
  return reason !== null && isEndReason(reason) ? ENDS[reason] : null;
}

/** How a run with this end came out. */
export function cameOut(reason: string | null): CameOut {
  return endOf(reason)?.out ?? 'ended';
}

/** A death is the agent's own: no login, no limit, nothing that the machine did. */
export function isDeath(reason: string | null): boolean {
  const known = endOf(reason);
  return known?.by === 'agent' && known.out === 'failed';
}

/** Whether a launch ended by itself without an agent: it would do so again at once. */
export function isFailedLaunch(reason: string | null): boolean {
  return endOf(reason)?.by === 'launch';
}

/** Whether the session of a run with this end is worth going on with. */
export function goesOn(reason: string | null): boolean {
  return endOf(reason)?.goes_on ?? false;
}

/** For people: `finished`, `failed: agent_exited`, `ended: reverted`. */
export function endWords(reason: string | null): string {
  const out = cameOut(reason);
  return out === reason ? out : `${out}: ${reason ?? 'unknown'}`;
}
