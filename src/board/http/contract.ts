/* Made by scripts/contract.ts from docs/mission-control.openapi.yaml: change that, then run npm run contract. */
import * as v from 'valibot';

export const CONTRACT = '1.4.0';

const Integer = v.pipe(v.number(), v.safeInteger());
const Finite = v.pipe(v.number(), v.finite());

/** The server. */
export const Meta = v.object({ contract: v.string(), server_id: v.string(), now_ms: Integer });

export const TicketStatus = v.picklist([
  'todo',
  'needs_input',
  'in_progress',
  'in_review',
  'done',
  'cancelled',
  'blocked',
]);

/** A unit of work. */
export const Ticket = v.object({
  id: v.string(),
  title: v.string(),
  body: v.string(),
  status: TicketStatus,
  priority: Integer,
  project: v.string(),
  labels: v.array(v.string()),
  agent: v.nullable(v.string()),
  owner: v.nullable(v.string()),
  author: v.string(),
  trusted: v.boolean(),
  depends_on: v.array(v.string()),
  source: v.optional(v.nullable(v.string()), null),
  not_before_at_ms: v.nullable(Integer),
  wait_since_ms: v.optional(v.nullable(Integer), null),
  attempts: Integer,
  claim_epoch: Integer,
  version: Integer,
  worker_pid: v.nullable(Integer),
  reason: v.nullable(v.string()),
  reason_text: v.nullable(v.string()),
  reason_run: v.nullable(v.string()),
  reason_turn: v.nullable(Integer),
  created_at_ms: Integer,
  updated_at_ms: Integer,
});

export const Phase = v.picklist(['launching', 'registered', 'running', 'parked', 'ended']);

export const Activity = v.picklist(['busy', 'waiting', 'idle', 'unknown']);

/** One agent process for one ticket. */
export const Runtime = v.object({
  id: v.string(),
  mark: v.string(),
  ticket_id: v.nullable(v.string()),
  claim_epoch: Integer,
  attempt: Integer,
  owner: v.nullable(v.string()),
  agent: v.string(),
  project: v.string(),
  phase: Phase,
  version: Integer,
  host_id: v.string(),
  boot_id: v.nullable(v.string()),
  pid_ns: v.nullable(v.string()),
  time_ns: v.optional(v.nullable(v.string()), null),
  pid: v.nullable(Integer),
  pid_start: v.nullable(v.string()),
  tmux_server_pid: v.nullable(Integer),
  tmux_server_start: v.nullable(v.string()),
  tmux_session: v.nullable(v.string()),
  tmux_pane: v.nullable(v.string()),
  worktree: v.nullable(v.string()),
  branch: v.nullable(v.string()),
  client_session: v.nullable(v.string()),
  activity: Activity,
  question: v.nullable(v.string()),
  turn: Integer,
  events_seen: Integer,
  events_cursor: v.nullable(v.string()),
  output_at_s: v.nullable(Integer),
  silent_ms: Integer,
  launching_ms: Integer,
  claimed_at_ms: Integer,
  registered_at_ms: v.nullable(Integer),
  heartbeat_at_ms: v.nullable(Integer),
  ended_at_ms: v.nullable(Integer),
  end_reason: v.nullable(v.string()),
  exit_code: v.nullable(Integer),
  exit_signal: v.nullable(Integer),
  kind: v.picklist(['command', 'claude', 'codex', 'opencode', 'gemini', '']),
  headless: v.picklist([0, 1]),
  resumed: v.nullable(v.string()),
  level: v.nullable(Activity),
  level_ms: Integer,
  limited_until_ms: v.nullable(Integer),
  not_ready: v.nullable(v.string()),
  nudges: Integer,
  nudged_turn: v.nullable(Integer),
  program: v.optional(v.nullable(v.string())),
});

/** A ticket as a tick needs it. */
export const TicketView = v.object({
  ticket: Ticket,
  unmet: v.array(v.string()),
  ended: v.nullable(Runtime),
  heals: Integer,
});

/** What is known of a profile. */
export const Account = v.object({
  name: v.string(),
  not_before_at_ms: v.nullable(Integer),
  wait_since_ms: v.optional(v.nullable(Integer), null),
  reason: v.optional(v.nullable(v.string()), null),
  not_ready: v.nullable(v.string()),
  not_ready_stamp: v.nullable(v.string()),
});

/** The last tick of the host. */
export const HostTick = v.object({
  boot_id: v.nullable(v.string()),
  mono_ms: Integer,
  ramp: v.nullable(Integer),
});

/** A run that ended of late. */
export const RecentRun = v.object({
  ticket: v.string(),
  agent: v.string(),
  project: v.string(),
  host_id: v.string(),
  registered_at_ms: v.nullable(Integer),
  ended_at_ms: Integer,
  end_reason: v.string(),
  tmux_server_pid: v.nullable(Integer),
  tmux_server_start: v.nullable(v.string()),
  heartbeat_at_ms: v.nullable(Integer),
});

/** What was used. */
export const Spent = v.object({ tokens: Finite, usd: Finite });

/** Of the day and of the tickets. */
export const SpentAll = v.object({ day: Spent, tickets: v.record(v.string(), Spent) });

/** One page of tickets; the rest of it is on the first page alone. */
export const Candidates = v.object({
  tickets: v.array(TicketView),
  next: v.nullable(v.string()),
  accounts: v.array(Account),
  beyond: Integer,
  last_tick: v.nullable(HostTick),
  early_deaths: v.array(v.string()),
  recent: v.optional(v.array(RecentRun)),
  unreadable: v.array(v.string()),
  spent: v.nullable(SpentAll),
});

/** One page. */
export const RuntimePage = v.object({ items: v.array(Runtime), next: v.nullable(v.string()) });

/** It was done. */
export const Won = v.object({ won: v.boolean() });

/** One page. */
export const TicketPage = v.object({ items: v.array(Ticket), next: v.nullable(v.string()) });

/** By status. */
export const Counts = v.object({
  todo: Integer,
  needs_input: Integer,
  in_progress: Integer,
  in_review: Integer,
  done: Integer,
  cancelled: Integer,
  blocked: Integer,
});

/** It was taken. */
export const SendAccepted = v.object({ delivery: v.string() });

/** An answer that is kept. */
export const Answer = v.object({
  id: Integer,
  ticket_id: v.string(),
  text: v.string(),
  author: v.string(),
  at_ms: Integer,
  taken_by: v.nullable(v.string()),
});

/** Answers. */
export const AnswerList = v.object({ items: v.array(Answer) });

/** Its number. */
export const AnswerId = v.object({ id: Integer });

/** A run that had them, and how. A launch that never registered had none. */
export const WordsHad = v.object({
  run_id: v.string(),
  outcome: v.picklist(['prompt', 'delivered', 'indeterminate']),
  at_ms: Integer,
});

/** What a person has said of a ticket. `honoured_by` is null while it is owed to the next attempt. */
export const Words = v.object({
  id: Integer,
  ticket_id: v.string(),
  text: v.string(),
  author: v.string(),
  at_ms: Integer,
  honoured_by: v.nullable(v.string()),
  honoured_at_ms: v.nullable(Integer),
  had: v.array(WordsHad),
});

/** What people have said. */
export const WordsList = v.object({ items: v.array(Words) });

/** What happened. */
export const ActivityLine = v.object({
  id: Integer,
  at_ms: Integer,
  ticket_id: v.nullable(v.string()),
  run_id: v.nullable(v.string()),
  actor: v.string(),
  kind: v.string(),
  because: v.nullable(v.string()),
  text: v.nullable(v.string()),
});

/** Lines. */
export const ActivityList = v.object({ items: v.array(ActivityLine) });

/** A run as people see it. `title` is that of its ticket. */
export const HistoryRun = v.object({
  id: v.string(),
  ticket_id: v.nullable(v.string()),
  title: v.nullable(v.string()),
  agent: v.string(),
  project: v.string(),
  host_id: v.string(),
  branch: v.nullable(v.string()),
  phase: Phase,
  activity: Activity,
  attempt: Integer,
  claimed_at_ms: Integer,
  registered_at_ms: v.nullable(Integer),
  ended_at_ms: v.nullable(Integer),
  end_reason: v.nullable(v.string()),
  exit_code: v.nullable(Integer),
  exit_signal: v.nullable(Integer),
});

/** A tick without its report. */
export const HistoryTick = v.object({
  id: v.string(),
  host_id: v.string(),
  started_at_ms: Integer,
  finished_at_ms: Integer,
  outcome: v.string(),
  reconciled: Integer,
  launched: Integer,
  skipped: Integer,
  live: Integer,
});

/** A line of the log that changed a ticket. `to` is the status that a report or a move led to. */
export const HistoryEvent = v.object({
  id: Integer,
  at_ms: Integer,
  ticket_id: v.nullable(v.string()),
  run_id: v.nullable(v.string()),
  kind: v.string(),
  because: v.nullable(v.string()),
  to: v.nullable(v.string()),
});

/** What happened: runs that live or have ended since then, ticks, and the lines of the log of the kinds heal, adopted, parked, asked, nudged, retry, report and moved. */
export const History = v.object({
  runs: v.array(HistoryRun),
  ticks: v.array(HistoryTick),
  events: v.array(HistoryEvent),
});

/** How many runtimes. */
export const Refreshed = v.object({ refreshed: Integer });

/** A tick. */
export const Tick = v.object({
  id: v.string(),
  host_id: v.string(),
  boot_id: v.nullable(v.string()),
  mono_ms: Finite,
  started_at_ms: Integer,
  finished_at_ms: Integer,
  outcome: v.string(),
  report: v.string(),
});

/** A text on its way. */
export const Delivery = v.object({
  id: v.string(),
  run_id: v.string(),
  ticket_id: v.nullable(v.string()),
  kind: v.picklist(['prompt', 'send', 'answer', 'nudge', 'permission']),
  nonce: v.string(),
  sha256: v.string(),
  bytes: Integer,
  outcome: v.picklist(['started', 'delivered', 'queued', 'busy', 'indeterminate', 'pending', 'refused']),
  ack_source: v.nullable(v.string()),
  at_ms: Integer,
});

/** Accounts. */
export const AccountList = v.object({ items: v.array(Account) });

/** Use of a run on a day. */
export const UsageRow = v.object({
  run_id: v.string(),
  day: v.string(),
  ticket_id: v.nullable(v.string()),
  agent: v.string(),
  input_tokens: Finite,
  output_tokens: Finite,
  cache_read_tokens: Finite,
  cache_write_tokens: Finite,
  turns: Finite,
  cost_usd: v.nullable(Finite),
});

/** Use. */
export const UsageList = v.object({ items: v.array(UsageRow) });

/** What one tick's report says of one ticket. */
export const TickMention = v.object({
  tick: v.string(),
  host_id: v.string(),
  at_ms: Integer,
  outcome: v.string(),
  report: v.string(),
});

/** Ticks that name a ticket. */
export const TickMentionList = v.object({ items: v.array(TickMention) });

/** Tickets, all of them. */
export const TicketList = v.object({ items: v.array(Ticket) });

/** The ticket of a source. */
export const Imported = v.object({ source: v.string(), id: v.string(), added: v.boolean() });

/** In the order of the request. */
export const ImportedList = v.object({ items: v.array(Imported) });

/** What went out of the work of one claim, and what the forge said of it last. */
export const Review = v.object({
  ticket_id: v.string(),
  claim_epoch: Integer,
  run_id: v.string(),
  branch: v.string(),
  head: v.nullable(v.string()),
  stage: v.picklist(['read', 'pushing', 'pushed', 'opening', 'open', 'merged', 'closed', 'refused']),
  number: v.nullable(Integer),
  url: v.nullable(v.string()),
  reader: v.nullable(v.string()),
  error: v.nullable(v.string()),
  attempts: Integer,
  next_at_ms: v.nullable(Integer),
  ticket_version: Integer,
  updated_at_ms: Integer,
  version: Integer,
});

/** Of several claims. */
export const ReviewList = v.object({ items: v.array(Review) });

/** RFC 9457, with who is busy. */
export const BusyProblem = v.object({
  type: v.string(),
  title: v.string(),
  status: Integer,
  detail: v.optional(v.string()),
  runtime: Runtime,
});
