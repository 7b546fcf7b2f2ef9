/* Made by scripts/contract.ts from docs/mission-control.openapi.yaml: change that, then run npm run contract. */
import * as v from 'valibot';

export const CONTRACT = '1.4.0';

const Integer = v.pipe(v.number(), v.safeInteger());
const Finite = v.pipe(v.number(), v.finite());

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
export type Review = v.InferOutput<typeof Review>;

/** Of several claims. */
export const ReviewList = v.object({ items: v.array(Review) });
export type ReviewList = v.InferOutput<typeof ReviewList>;

/** The ticket by which another agent reads the work; it is added in the same transaction, once. */
export const NewReader = v.object({
  title: v.string(),
  body: v.string(),
  status: v.picklist(['todo', 'blocked']),
  priority: Integer,
  project: v.string(),
  labels: v.array(v.string()),
  agent: v.nullable(v.string()),
  owner: v.nullable(v.string()),
  author: v.string(),
  trusted: v.boolean(),
  depends_on: v.array(v.string()),
});
export type NewReader = v.InferOutput<typeof NewReader>;

/** A review as it is to be. */
export const SaveReview = v.object({ review: Review, reader: v.nullable(NewReader) });
export type SaveReview = v.InferOutput<typeof SaveReview>;

export const TicketStatus = v.picklist([
  'todo',
  'needs_input',
  'in_progress',
  'in_review',
  'done',
  'cancelled',
  'blocked',
]);
export type TicketStatus = v.InferOutput<typeof TicketStatus>;

export const Phase = v.picklist(['launching', 'registered', 'running', 'parked', 'ended']);
export type Phase = v.InferOutput<typeof Phase>;

export const Activity = v.picklist(['busy', 'waiting', 'idle', 'unknown']);
export type Activity = v.InferOutput<typeof Activity>;

export const AgentKind = v.picklist(['command', 'claude', 'codex', 'opencode', 'gemini']);
export type AgentKind = v.InferOutput<typeof AgentKind>;

/** The server. */
export const Meta = v.object({ contract: v.string(), server_id: v.string(), now_ms: Integer });
export type Meta = v.InferOutput<typeof Meta>;

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
export type Ticket = v.InferOutput<typeof Ticket>;

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
export type Runtime = v.InferOutput<typeof Runtime>;

/** A ticket as a tick needs it. */
export const TicketView = v.object({
  ticket: Ticket,
  unmet: v.array(v.string()),
  ended: v.nullable(Runtime),
  heals: Integer,
});
export type TicketView = v.InferOutput<typeof TicketView>;

/** What is known of a profile. */
export const Account = v.object({
  name: v.string(),
  not_before_at_ms: v.nullable(Integer),
  wait_since_ms: v.optional(v.nullable(Integer), null),
  not_ready: v.nullable(v.string()),
  not_ready_stamp: v.nullable(v.string()),
});
export type Account = v.InferOutput<typeof Account>;

/** What was used. */
export const Spent = v.object({ tokens: Finite, usd: Finite });
export type Spent = v.InferOutput<typeof Spent>;

/** Of the day and of the tickets. */
export const SpentAll = v.object({ day: Spent, tickets: v.record(v.string(), Spent) });
export type SpentAll = v.InferOutput<typeof SpentAll>;

/** A project that takes launches. */
export const OpenProject = v.object({ max_agents: v.nullable(Integer), agent: v.nullable(v.string()) });
export type OpenProject = v.InferOutput<typeof OpenProject>;

/** A profile that takes launches. */
export const OpenAgent = v.object({ max_agents: v.nullable(Integer) });
export type OpenAgent = v.InferOutput<typeof OpenAgent>;

/** What makes a ticket launchable. Only an order of looking. */
export const Ready = v.object({
  authors: v.array(v.string()),
  max_attempts: Integer,
  projects: v.record(v.string(), OpenProject),
  agents: v.record(v.string(), OpenAgent),
});
export type Ready = v.InferOutput<typeof Ready>;

/** What a tick of a host asks. */
export const CandidatesQuery = v.object({
  host_id: v.string(),
  now_ms: Integer,
  limit: Integer,
  ready: Ready,
  budget_day: v.nullable(v.string()),
  also: v.array(v.string()),
});
export type CandidatesQuery = v.InferOutput<typeof CandidatesQuery>;

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
export type RecentRun = v.InferOutput<typeof RecentRun>;

/** The last tick of the host. */
export const HostTick = v.object({
  boot_id: v.nullable(v.string()),
  mono_ms: Integer,
  ramp: v.nullable(Integer),
});
export type HostTick = v.InferOutput<typeof HostTick>;

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
export type Candidates = v.InferOutput<typeof Candidates>;

/** One page. */
export const RuntimePage = v.object({ items: v.array(Runtime), next: v.nullable(v.string()) });
export type RuntimePage = v.InferOutput<typeof RuntimePage>;

/** One page. */
export const TicketPage = v.object({ items: v.array(Ticket), next: v.nullable(v.string()) });
export type TicketPage = v.InferOutput<typeof TicketPage>;

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
export type Counts = v.InferOutput<typeof Counts>;

/** It was done. */
export const Won = v.object({ won: v.boolean() });
export type Won = v.InferOutput<typeof Won>;

/** A ticket as it was observed. */
export const TicketGuard = v.object({
  status: TicketStatus,
  owner: v.nullable(v.string()),
  claim_epoch: Integer,
  version: Integer,
});
export type TicketGuard = v.InferOutput<typeof TicketGuard>;

/** A runtime as it was observed. */
export const RuntimeGuard = v.object({ run: v.string(), version: Integer });
export type RuntimeGuard = v.InferOutput<typeof RuntimeGuard>;

/** How a runtime ended. */
export const EndInfo = v.object({
  end_reason: v.string(),
  exit_code: v.nullable(Integer),
  exit_signal: v.nullable(Integer),
});
export type EndInfo = v.InferOutput<typeof EndInfo>;

/** Where a ticket goes. */
export const RetryTo = v.object({
  status: v.picklist(['todo', 'blocked']),
  attempts: Integer,
  not_before_at_ms: v.nullable(Integer),
});
export type RetryTo = v.InferOutput<typeof RetryTo>;

/** For people. */
export const Why = v.object({ reason: v.string(), text: v.string() });
export type Why = v.InferOutput<typeof Why>;

/** A question. */
export const Asked = v.object({ reason: v.string(), text: v.string(), turn: Integer, park: v.boolean() });
export type Asked = v.InferOutput<typeof Asked>;

/** Where a run works. */
export const Staged = v.object({
  worktree: v.nullable(v.string()),
  branch: v.nullable(v.string()),
  client_session: v.nullable(v.string()),
  resumed: v.nullable(v.string()),
});
export type Staged = v.InferOutput<typeof Staged>;

/** Takes a ticket. */
export const ClaimRequest = v.object({
  guard: TicketGuard,
  run: v.string(),
  agent: v.string(),
  project: v.string(),
  attempt: Integer,
  host_id: v.string(),
  boot_id: v.nullable(v.string()),
  kind: AgentKind,
  headless: v.boolean(),
  actor: v.string(),
  now_ms: Integer,
});
export type ClaimRequest = v.InferOutput<typeof ClaimRequest>;

/** Binds a living runtime. */
export const AdoptRequest = v.object({
  guard: TicketGuard,
  instead_of: v.nullable(v.string()),
  mark: v.string(),
  agent: v.string(),
  project: v.string(),
  host_id: v.string(),
  boot_id: v.string(),
  pid_ns: v.nullable(v.string()),
  time_ns: v.optional(v.nullable(v.string())),
  pid: Integer,
  pid_start: v.string(),
  tmux_session: v.nullable(v.string()),
  tmux_pane: v.nullable(v.string()),
  worktree: v.nullable(v.string()),
  branch: v.nullable(v.string()),
  kind: v.picklist(['command', 'claude', 'codex', 'opencode', 'gemini', '']),
  headless: v.boolean(),
  client_session: v.nullable(v.string()),
  actor: v.string(),
  now_ms: Integer,
});
export type AdoptRequest = v.InferOutput<typeof AdoptRequest>;

/** Who the launcher is. */
export const RegisterRequest = v.object({
  host_id: v.string(),
  boot_id: v.string(),
  pid_ns: v.nullable(v.string()),
  time_ns: v.optional(v.nullable(v.string())),
  pid: Integer,
  pid_start: v.string(),
  tmux_server_pid: v.nullable(Integer),
  tmux_server_start: v.nullable(v.string()),
  tmux_session: v.nullable(v.string()),
  tmux_pane: v.nullable(v.string()),
  now_ms: Integer,
});
export type RegisterRequest = v.InferOutput<typeof RegisterRequest>;

/** The process that a client lives on in. */
export const FollowRequest = v.object({
  guard: RuntimeGuard,
  host_id: v.string(),
  boot_id: v.string(),
  pid_ns: v.nullable(v.string()),
  time_ns: v.nullable(v.string()),
  pid: Integer,
  pid_start: v.string(),
  actor: v.string(),
  now_ms: Integer,
});
export type FollowRequest = v.InferOutput<typeof FollowRequest>;

/** Ends a runtime. */
export const EndRequest = v.object({ guard: RuntimeGuard, end: EndInfo, actor: v.string(), now_ms: Integer });
export type EndRequest = v.InferOutput<typeof EndRequest>;

/** A report. */
export const ReportRequest = v.object({
  to: v.picklist(['in_review', 'needs_input', 'done', 'blocked']),
  message: v.string(),
  turn: Integer,
  now_ms: Integer,
  owner: v.optional(v.string()),
});
export type ReportRequest = v.InferOutput<typeof ReportRequest>;

/** A heal. `runtime` is null only for a retry whose runtime has ended already. */
export const Transition = v.object({
  kind: v.picklist(['normalize', 'ask', 'nudge', 'submit', 'retry']),
  guard: TicketGuard,
  runtime: v.nullable(RuntimeGuard),
  because: v.optional(v.nullable(v.string())),
  pid: v.optional(v.nullable(Integer)),
  what: v.optional(v.nullable(Asked)),
  turn: v.optional(v.nullable(Integer)),
  end: v.optional(v.nullable(EndInfo)),
  to: v.optional(v.nullable(RetryTo)),
  why: v.optional(v.nullable(Why)),
  actor: v.string(),
  now_ms: Integer,
});
export type Transition = v.InferOutput<typeof Transition>;

/** A person's move. */
export const MoveRequest = v.object({
  to: TicketStatus,
  why: v.string(),
  trusted: v.boolean(),
  takes: v.boolean(),
  actor: v.string(),
  now_ms: Integer,
});
export type MoveRequest = v.InferOutput<typeof MoveRequest>;

/** A new ticket. */
export const NewTicketRequest = v.object({
  title: v.string(),
  body: v.string(),
  status: v.picklist(['todo', 'blocked']),
  priority: Integer,
  project: v.string(),
  labels: v.array(v.string()),
  agent: v.nullable(v.string()),
  owner: v.nullable(v.string()),
  author: v.string(),
  trusted: v.boolean(),
  depends_on: v.array(v.string()),
  now_ms: Integer,
});
export type NewTicketRequest = v.InferOutput<typeof NewTicketRequest>;

/** What somebody said elsewhere. */
export const ForeignComment = v.object({ actor: v.string(), at_ms: Integer, text: v.string() });
export type ForeignComment = v.InferOutput<typeof ForeignComment>;

/** A ticket of another tool or board; `depends_on` names sources that are there, or come before it. */
export const ForeignTicket = v.object({
  source: v.string(),
  title: v.string(),
  body: v.string(),
  status: v.picklist(['todo', 'needs_input', 'in_review', 'done', 'cancelled', 'blocked']),
  priority: Integer,
  project: v.string(),
  labels: v.array(v.string()),
  agent: v.nullable(v.string()),
  owner: v.nullable(v.string()),
  author: v.string(),
  trusted: v.boolean(),
  depends_on: v.array(v.string()),
  attempts: Integer,
  not_before_at_ms: v.nullable(Integer),
  reason: v.nullable(v.string()),
  reason_text: v.nullable(v.string()),
  created_at_ms: Integer,
  updated_at_ms: Integer,
  comments: v.array(ForeignComment),
});
export type ForeignTicket = v.InferOutput<typeof ForeignTicket>;

/** Tickets of another tool or board. */
export const ImportRequest = v.object({
  tickets: v.array(ForeignTicket),
  actor: v.string(),
  now_ms: Integer,
});
export type ImportRequest = v.InferOutput<typeof ImportRequest>;

/** The ticket of a source. */
export const Imported = v.object({ source: v.string(), id: v.string(), added: v.boolean() });
export type Imported = v.InferOutput<typeof Imported>;

/** In the order of the request. */
export const ImportedList = v.object({ items: v.array(Imported) });
export type ImportedList = v.InferOutput<typeof ImportedList>;

/** Which sources. */
export const SourcesQuery = v.object({ sources: v.array(v.string()) });
export type SourcesQuery = v.InferOutput<typeof SourcesQuery>;

/** What changes; what is not named stays. */
export const TicketEdit = v.object({
  trusted: v.optional(v.boolean()),
  title: v.optional(v.string()),
  body: v.optional(v.string()),
  priority: v.optional(Integer),
  project: v.optional(v.string()),
  labels: v.optional(v.array(v.string())),
  agent: v.optional(v.nullable(v.string())),
  owner: v.optional(v.nullable(v.string())),
  depends_on: v.optional(v.array(v.string())),
});
export type TicketEdit = v.InferOutput<typeof TicketEdit>;

/** An edit. */
export const EditRequest = v.object({ change: TicketEdit, actor: v.string(), now_ms: Integer });
export type EditRequest = v.InferOutput<typeof EditRequest>;

/** A text for a runtime. */
export const SendRequest = v.object({
  run: v.string(),
  text: v.string(),
  nonce: v.string(),
  now_ms: Integer,
});
export type SendRequest = v.InferOutput<typeof SendRequest>;

/** It was taken. */
export const SendAccepted = v.object({ delivery: v.string() });
export type SendAccepted = v.InferOutput<typeof SendAccepted>;

/** What a person answered. */
export const NewAnswer = v.object({ text: v.string(), author: v.string(), now_ms: Integer });
export type NewAnswer = v.InferOutput<typeof NewAnswer>;

/** Its number. */
export const AnswerId = v.object({ id: Integer });
export type AnswerId = v.InferOutput<typeof AnswerId>;

/** An answer that is kept. */
export const Answer = v.object({
  id: Integer,
  ticket_id: v.string(),
  text: v.string(),
  author: v.string(),
  at_ms: Integer,
  taken_by: v.nullable(v.string()),
});
export type Answer = v.InferOutput<typeof Answer>;

/** Answers. */
export const AnswerList = v.object({ items: v.array(Answer) });
export type AnswerList = v.InferOutput<typeof AnswerList>;

/** A run that had them, and how. A launch that never registered had none. */
export const WordsHad = v.object({
  run_id: v.string(),
  outcome: v.picklist(['prompt', 'delivered', 'indeterminate']),
  at_ms: Integer,
});
export type WordsHad = v.InferOutput<typeof WordsHad>;

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
export type Words = v.InferOutput<typeof Words>;

/** What people have said. */
export const WordsList = v.object({ items: v.array(Words) });
export type WordsList = v.InferOutput<typeof WordsList>;

/** How answers came to a run. `turn` is the one that it had begun before. */
export const HandWords = v.object({
  ids: v.array(Integer),
  run: v.string(),
  outcome: v.picklist(['prompt', 'delivered', 'indeterminate']),
  turn: Integer,
  now_ms: Integer,
});
export type HandWords = v.InferOutput<typeof HandWords>;

/** A report of work that had nothing to be done. */
export const NothingToDo = v.object({ message: v.string(), turn: Integer, now_ms: Integer });
export type NothingToDo = v.InferOutput<typeof NothingToDo>;

/** Answers that a run has. */
export const TakeAnswers = v.object({ ids: v.array(Integer), run: v.string() });
export type TakeAnswers = v.InferOutput<typeof TakeAnswers>;

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
export type ActivityLine = v.InferOutput<typeof ActivityLine>;

/** What happened. */
export const NewActivity = v.object({
  at_ms: Integer,
  ticket_id: v.nullable(v.string()),
  run_id: v.nullable(v.string()),
  actor: v.string(),
  kind: v.string(),
  because: v.nullable(v.string()),
  text: v.nullable(v.string()),
});
export type NewActivity = v.InferOutput<typeof NewActivity>;

/** Lines. */
export const ActivityList = v.object({ items: v.array(ActivityLine) });
export type ActivityList = v.InferOutput<typeof ActivityList>;

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
export type HistoryRun = v.InferOutput<typeof HistoryRun>;

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
export type HistoryTick = v.InferOutput<typeof HistoryTick>;

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
export type HistoryEvent = v.InferOutput<typeof HistoryEvent>;

/** What happened: runs that live or have ended since then, ticks, and the lines of the log of the kinds heal, adopted, parked, asked, nudged, retry, report and moved. */
export const History = v.object({
  runs: v.array(HistoryRun),
  ticks: v.array(HistoryTick),
  events: v.array(HistoryEvent),
});
export type History = v.InferOutput<typeof History>;

/** What the events of a runtime say. */
export const ActivityView = v.object({
  activity: Activity,
  question: v.nullable(v.string()),
  turn: Integer,
  client_session: v.nullable(v.string()),
  level: v.nullable(Activity),
  level_ms: Finite,
  limited_until_ms: v.nullable(Integer),
  not_ready: v.nullable(v.string()),
  fresh: Integer,
  cursor: v.nullable(v.string()),
});
export type ActivityView = v.InferOutput<typeof ActivityView>;

/** The heartbeat of a runtime. */
export const Refresh = v.object({
  run: v.string(),
  phase: v.picklist(['launching', 'registered', 'running', 'parked']),
  seen: ActivityView,
  silent_ms: Finite,
  launching_ms: Finite,
  output_at_s: v.nullable(Integer),
  alive: v.boolean(),
  time_ns: v.optional(v.nullable(v.string())),
  program: v.optional(v.string()),
});
export type Refresh = v.InferOutput<typeof Refresh>;

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
export type Tick = v.InferOutput<typeof Tick>;

/** What one tick's report says of one ticket. */
export const TickMention = v.object({
  tick: v.string(),
  host_id: v.string(),
  at_ms: Integer,
  outcome: v.string(),
  report: v.string(),
});
export type TickMention = v.InferOutput<typeof TickMention>;

/** Ticks that name a ticket. */
export const TickMentionList = v.object({ items: v.array(TickMention) });
export type TickMentionList = v.InferOutput<typeof TickMentionList>;

/** Tickets, all of them. */
export const TicketList = v.object({ items: v.array(Ticket) });
export type TicketList = v.InferOutput<typeof TicketList>;

/** A tick. */
export const NewTick = v.object({
  id: v.string(),
  host_id: v.string(),
  boot_id: v.nullable(v.string()),
  mono_ms: Finite,
  started_at_ms: Integer,
  finished_at_ms: Integer,
  outcome: v.string(),
  ramp: v.nullable(Integer),
  report: v.string(),
});
export type NewTick = v.InferOutput<typeof NewTick>;

/** A tick and its heartbeats. */
export const SaveTick = v.object({ tick: NewTick, refresh: v.array(Refresh) });
export type SaveTick = v.InferOutput<typeof SaveTick>;

/** How many runtimes. */
export const Refreshed = v.object({ refreshed: Integer });
export type Refreshed = v.InferOutput<typeof Refreshed>;

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
export type Delivery = v.InferOutput<typeof Delivery>;

/** What became of it. */
export const DeliveryOutcome = v.object({
  outcome: v.picklist(['started', 'delivered', 'queued', 'busy', 'indeterminate', 'pending', 'refused']),
  ack_source: v.nullable(v.string()),
});
export type DeliveryOutcome = v.InferOutput<typeof DeliveryOutcome>;

/** Accounts. */
export const AccountList = v.object({ items: v.array(Account) });
export type AccountList = v.InferOutput<typeof AccountList>;

/** The wait of this account, or, where that is null, of the ticket: `from_ms` as it was observed, and where it ends from now on, which is earlier. */
export const ShortenRequest = v.object({
  ticket: v.string(),
  agent: v.nullable(v.string()),
  from_ms: Integer,
  to_ms: Integer,
  actor: v.string(),
  now_ms: Integer,
});
export type ShortenRequest = v.InferOutput<typeof ShortenRequest>;

/** A limit. */
export const LimitRequest = v.object({
  until_ms: Integer,
  reason: v.string(),
  actor: v.string(),
  now_ms: Integer,
});
export type LimitRequest = v.InferOutput<typeof LimitRequest>;

/** What has to be done first. */
export const ReadyRequest = v.object({
  fix: v.nullable(v.string()),
  stamp: v.nullable(v.string()),
  actor: v.string(),
  now_ms: Integer,
});
export type ReadyRequest = v.InferOutput<typeof ReadyRequest>;

/** Totals. */
export const UsageTotals = v.object({
  input_tokens: Finite,
  output_tokens: Finite,
  cache_read_tokens: Finite,
  cache_write_tokens: Finite,
  turns: Finite,
  cost_usd: v.nullable(Finite),
});
export type UsageTotals = v.InferOutput<typeof UsageTotals>;

/** Totals of a session. */
export const UsageRecord = v.object({
  session: v.string(),
  run_id: v.string(),
  ticket_id: v.nullable(v.string()),
  agent: v.string(),
  day: v.string(),
  totals: UsageTotals,
});
export type UsageRecord = v.InferOutput<typeof UsageRecord>;

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
export type UsageRow = v.InferOutput<typeof UsageRow>;

/** Use. */
export const UsageList = v.object({ items: v.array(UsageRow) });
export type UsageList = v.InferOutput<typeof UsageList>;

/** RFC 9457. */
export const Problem = v.object({
  type: v.string(),
  title: v.string(),
  status: Integer,
  detail: v.optional(v.string()),
  ticket: v.optional(v.nullable(Ticket)),
});
export type Problem = v.InferOutput<typeof Problem>;

/** RFC 9457, with who is busy. */
export const BusyProblem = v.object({
  type: v.string(),
  title: v.string(),
  status: Integer,
  detail: v.optional(v.string()),
  runtime: Runtime,
});
export type BusyProblem = v.InferOutput<typeof BusyProblem>;
