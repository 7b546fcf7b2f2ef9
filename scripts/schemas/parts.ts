/** What several commands print: tickets, runs, steps of a plan, switches. */

import { HOLD_TODO } from '../../src/model/hold.ts';
import { AGENT_KINDS } from '../../src/model/policy.ts';
import { REVIEW_STAGES } from '../../src/model/review.ts';
import { TICKET_STATUSES } from '../../src/model/ticket.ts';
import {
  anything,
  list,
  maybe,
  object,
  oneOf,
  orNull,
  record,
  type Schema,
  text,
  whole,
  yes,
} from './build.ts';

const ms = (description: string): Schema => whole(`${description}, UTC milliseconds`);

export const status = (description: string): Schema => oneOf(TICKET_STATUSES, description);
export const at = ms;

const PHASES = ['launching', 'registered', 'running', 'parked', 'ended'];
export const ACTIVITIES = ['busy', 'waiting', 'idle', 'unknown'];
export const VERDICTS = ['alive', 'dead', 'unknown', 'not_mine'];
export const phase = oneOf(PHASES, 'how far the run has come');

export const evidence = record(
  { type: ['string', 'number', 'boolean', 'null'] },
  'facts for people, by name; which there are depends on the reason',
);

export const TICKET = {
  id: text('such as MC-1'),
  title: text('one line'),
  body: text('what is to be done'),
  status: status('where it stands'),
  priority: whole('0 is the most urgent, 4 the least'),
  project: text('a project of the configuration'),
  labels: list({ type: 'string' }, 'its labels'),
  agent: orNull(text('the profile that is asked for; null = the configured default')),
  owner: orNull(text("null = any profile may take it; a profile's name; anything else is a person")),
  author: text('who added it'),
  trusted: yes('a person or a trusted author wrote it, or a person has moved it to todo'),
  depends_on: list({ type: 'string' }, 'tickets that must be done first'),
  source: orNull(text('where it was imported from, such as github:owner/name#12; null = it was made here')),
  not_before_at_ms: orNull(ms('the end of its back-off')),
  wait_since_ms: orNull(
    at('when that wait was set, by the clock that set it; null = whoever did so did not tell'),
  ),
  attempts: whole('failures that count'),
  claim_epoch: whole('how often it was claimed'),
  version: whole('grows with every change'),
  worker_pid: orNull(whole('the process that works on it')),
  reason: orNull(text('why it is in its status, a literal such as parked or agent_dead')),
  reason_text: orNull(text('words for people: the question, the report, the last words of an agent')),
  reason_run: orNull(text('the run that asked the question or was parked')),
  reason_turn: orNull(whole('the turn of that run in which it asked')),
  created_at_ms: ms('when it was added'),
  updated_at_ms: ms('when it was last changed'),
} as const;

export const REVIEW = object('what went out of the work of one claim', {
  ticket_id: text('its ticket'),
  claim_epoch: whole('the claim of the ticket'),
  run_id: text('whose work it is; may be empty'),
  branch: text('that was pushed under this name; may be empty'),
  head: orNull(text('the commit that the remote has')),
  stage: oneOf(REVIEW_STAGES, 'how far it has come'),
  number: orNull(whole('of the pull request')),
  url: orNull(text('of the pull request')),
  reader: orNull(text('the ticket by which another agent reads the work')),
  error: orNull(text('what went wrong last')),
  attempts: whole('failures in a row'),
  next_at_ms: orNull(ms('when a tick sees to it again; null = not by itself')),
  ticket_version: whole('of the ticket when this was written'),
  updated_at_ms: ms('when this was written'),
  version: whole('grows with every change'),
});

export const RUNTIME = object('one agent process that was started for one ticket', {
  id: text('the run id'),
  mark: text("the run id in the agent's environment; another one only after the board had lost the run"),
  ticket_id: orNull(text('its ticket; null = a chat')),
  claim_epoch: whole('the claim of the ticket that it belongs to'),
  attempt: whole('of how many'),
  owner: orNull(text('the owner of the ticket when it was claimed')),
  agent: text('its profile'),
  project: text('its project'),
  phase,
  version: whole('grows with every change'),
  host_id: text('the host that it runs on'),
  boot_id: orNull(text('the boot of that host')),
  pid_ns: orNull(text('its pid namespace')),
  time_ns: orNull(text('the time namespace that counts its start; null = not noted')),
  pid: orNull(whole('its process')),
  pid_start: orNull(text('when that process was started, exactly as the kernel says it')),
  tmux_server_pid: orNull(whole('the tmux server that it runs in')),
  tmux_server_start: orNull(text('when that was started')),
  tmux_session: orNull(text('its session')),
  tmux_pane: orNull(text('its pane, such as %7')),
  worktree: orNull(text('where it works')),
  branch: orNull(text('the branch of its work')),
  client_session: orNull(text("the client's own name of the conversation")),
  activity: oneOf(ACTIVITIES, 'what its events say'),
  question: orNull(text('what it asks')),
  turn: whole('turns that were seen to start'),
  events_seen: whole('events that were read'),
  events_cursor: orNull(text('the last one')),
  output_at_s: orNull(whole('its last output, seconds since the epoch')),
  silent_ms: whole('observed time without an event or output, milliseconds'),
  launching_ms: whole('observed time in the phase launching, milliseconds'),
  claimed_at_ms: ms('when its ticket was claimed'),
  registered_at_ms: orNull(ms('when it registered')),
  heartbeat_at_ms: orNull(ms('when a tick last saw it alive')),
  ended_at_ms: orNull(ms('when it was found ended')),
  end_reason: orNull(text('why, a literal such as agent_exited')),
  exit_code: orNull(whole('of its process')),
  exit_signal: orNull(whole('the signal that ended it')),
  kind: oneOf([...AGENT_KINDS, ''], 'the kind of its client; empty = not recorded'),
  headless: whole('1 = nobody can attach to it'),
  resumed: orNull(text("the client's conversation that it was to go on with")),
  level: orNull(oneOf(ACTIVITIES, 'what a second signal says')),
  level_ms: whole('for how long, milliseconds'),
  limited_until_ms: orNull(ms("the end of its account's limit")),
  not_ready: orNull(text('what a person has to do before this client can work')),
  nudges: whole('continuation prompts that were sent'),
  nudged_turn: orNull(whole('the turn after which the last one was')),
  program: maybe(
    orNull(
      text('JSON: the program that its process became; null = not told yet; missing = the board keeps none'),
    ),
  ),
});

export const ACTIVITY = object('one thing that happened', {
  id: whole('grows with time'),
  at_ms: ms('when'),
  ticket_id: orNull(text('the ticket that it is about')),
  run_id: orNull(text('the run')),
  actor: text('who: a name, tick:ID, run:ID'),
  kind: text(
    'created, moved, edited, comment, claimed, registered, adopted, heal, ended, retry, report and others',
  ),
  because: orNull(text('why, a literal')),
  text: orNull(text('words for people')),
});

/** What holds launches though no ticket is at fault. */
export const HOLD = object('a fault of this host, of a project or of a profile', {
  scope: text('`host`, `project:NAME` or `agent:NAME`'),
  because: oneOf(Object.keys(HOLD_TODO), 'why, a literal'),
  says: text('what is wrong with what'),
  todo: text('what a person can do about it'),
  since_at_ms: ms('since when'),
  tries: whole('looks at it so far'),
  next_at_ms: ms('the next look'),
});

export const SWITCH = object('a switch that is on', {
  level: oneOf(['dispatch', 'all'], 'dispatch: no launches; all: the tick ends at the gate'),
  scope: text('*, project:NAME or agent:NAME'),
  reason: text('why'),
  author: text('who switched it on'),
  at_ms: orNull(ms('when; null = it cannot be told')),
  expires_at_ms: orNull(ms('when it is off by itself')),
});

export const skipped = list(
  object('a ticket that was passed over', {
    ticket: text('its id'),
    run: orNull(text('the run that stands in the way')),
    because: text('why, a literal such as no_slot or not_before'),
    evidence,
  }),
  'tickets that were passed over',
);

const RESULTS = [
  ...[
    'done',
    'lost_race',
    'failed',
    'launched',
    'launching',
    'adopted',
    'released',
    'declined',
    'halted',
    'planned',
  ],
];
export const steps = (description: string): Schema =>
  list(
    object('one guarded effect', {
      kind: text(
        'normalize, ask, park, nudge, limit, unready, ready, submit, end, retry, close_pane, adopt, follow, launch or trip',
      ),
      ticket: orNull(text('the ticket that it is about')),
      run: orNull(text('the run')),
      because: text('why, a literal such as agent_alive'),
      evidence,
      before: orNull(status("the ticket's status before")),
      after: orNull(status('and after')),
      result: oneOf(RESULTS, 'what came of it; planned = a dry run'),
      error: maybe(text('why it failed')),
    }),
    description,
  );

/** A step as the decision makes it: `explain` shows the very plan. Its guards are for reading, they may change. */
export const plannedSteps = list(
  object('one guarded effect', {
    kind: text('as in mc-pickup.tick/1'),
    ticket: text('its ticket'),
    because: text('why, a literal'),
    evidence,
    ...Object.fromEntries(
      ['guard', 'runtime', 'end', 'to', 'sighting', 'process'].map((key) => [
        key,
        maybe(anything('what it is guarded by, or makes of it')),
      ]),
    ),
    ...Object.fromEntries(
      ['question', 'text', 'agent', 'project', 'fix', 'run', 'pane', 'level'].map((key) => [
        key,
        maybe(text('of this kind of step')),
      ]),
    ),
    ...Object.fromEntries(
      ['pid', 'turn', 'until_ms', 'attempt'].map((key) => [key, maybe(whole('of this kind of step'))]),
    ),
  }),
  'what the next tick would do with it',
);
