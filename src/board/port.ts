import type { RecentRun } from '../model/breaker.ts';
import type { ProcessIdentity } from '../model/identity.ts';
import type { EndInfo, Refresh, RetryTo, RuntimeGuard, TicketGuard } from '../model/plan.ts';
import type { AgentKind } from '../model/policy.ts';
import type { ReviewStage } from '../model/review.ts';
import type { Activity, Phase, Runtime } from '../model/runtime.ts';
import type { Ticket, TicketStatus } from '../model/ticket.ts';
import type { AccountView, TicketView, World } from '../model/world.ts';

/** Losing a race is a result, not an error. */
export type Cas = 'won' | 'lost';

/** Who changes something, for the activity log: `alice`, `tick:<id>`, `run:<run id>`. */
export type Actor = string;

/** What one read transaction gives a tick. */
export interface Snapshot {
  /** Tickets in `todo` (at most the limit asked for, in dispatch order: priority, age, sequence), tickets
   *  in `in_progress`, and every ticket that has a live row. */
  readonly tickets: readonly TicketView[];
  /** Every row that has not ended, chats included. */
  readonly runtimes: readonly Runtime[];
  readonly accounts: readonly AccountView[];
  /** Tickets in `todo` beyond the limit. */
  readonly beyond: number;
  /** This host's last tick; null = never. */
  readonly last_tick: {
    readonly boot_id: string | null;
    readonly mono_ms: number;
    readonly ramp: number | null;
  } | null;
  /** Runs of tickets that have ended since the time that was asked for, the newest first. */
  readonly recent: readonly RecentRun[];
  /** Tickets whose rows cannot be understood: nothing may be done about them. */
  readonly unreadable: readonly string[];
  readonly spent: World['spent'];
}

/** What makes a ticket in `todo` launchable: these come first, so that no crowd of others hides one. Only an order of
 *  looking: the decision has the last word on each. */
export interface Ready {
  readonly authors: readonly string[];
  readonly max_attempts: number;
  /** Open projects: how many living agents each may have (null = any number), and whose tickets that name nobody are. */
  readonly projects: Readonly<
    Record<string, { readonly max_agents: number | null; readonly agent: string | null }>
  >;
  /** Open profiles, and how many living agents each may have. */
  readonly agents: Readonly<Record<string, { readonly max_agents: number | null }>>;
}

export interface NewTicket {
  readonly title: string;
  readonly body: string;
  readonly status: 'todo' | 'blocked';
  readonly priority: number;
  readonly project: string;
  readonly labels: readonly string[];
  readonly agent: string | null;
  readonly owner: string | null;
  readonly author: string;
  readonly trusted: boolean;
  readonly depends_on: readonly string[];
}

/** A ticket of another tool, or of another board. */
export interface ForeignTicket extends Omit<NewTicket, 'status'> {
  /** Where it comes from: no two tickets of a board have the same. */
  readonly source: string;
  /** No run comes with it, so none of these is `in_progress`. */
  readonly status: Exclude<TicketStatus, 'in_progress'>;
  /** Sources of tickets that are on the board, or come before it. */
  readonly depends_on: readonly string[];
  readonly attempts: number;
  readonly not_before_at_ms: number | null;
  readonly reason: string | null;
  readonly reason_text: string | null;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
  readonly comments: readonly { readonly actor: string; readonly at_ms: number; readonly text: string }[];
}

export interface Imported {
  readonly source: string;
  readonly id: string;
  /** Else it was there already, and stays as it is. */
  readonly added: boolean;
}

export interface ClaimRequest {
  readonly ticket: string;
  readonly guard: TicketGuard;
  readonly run: string;
  readonly agent: string;
  readonly project: string;
  readonly attempt: number;
  readonly host_id: string;
  /** Of the claimer: a launch that never registered did not survive another boot. */
  readonly boot_id: string | null;
  readonly kind: AgentKind;
  readonly headless: boolean;
}

export interface AdoptRequest {
  readonly ticket: string;
  readonly guard: TicketGuard;
  /** Our own `launching` row that gives way, if the claim was made already. */
  readonly instead_of: string | null;
  /** The run id in the living agent's environment. */
  readonly mark: string;
  readonly agent: string;
  readonly project: string;
  readonly host_id: string;
  readonly boot_id: string;
  readonly pid_ns: string | null;
  /** Absent: the caller knows none, as one of before. */
  readonly time_ns?: string | null;
  readonly pid: number;
  readonly pid_start: string;
  readonly tmux_session: string | null;
  readonly tmux_pane: string | null;
  readonly worktree: string | null;
  readonly branch: string | null;
  readonly kind: AgentKind | '';
  readonly headless: boolean;
  readonly client_session: string | null;
}

export interface RegisterRequest {
  readonly run: string;
  readonly host_id: string;
  readonly boot_id: string;
  readonly pid_ns: string | null;
  /** Absent: the caller knows none, as one of before. */
  readonly time_ns?: string | null;
  readonly pid: number;
  readonly pid_start: string;
  readonly tmux_server_pid: number | null;
  readonly tmux_server_start: string | null;
  readonly tmux_session: string | null;
  readonly tmux_pane: string | null;
}

export interface ReportRequest {
  readonly run: string;
  readonly to: 'in_review' | 'needs_input' | 'done' | 'blocked';
  readonly message: string;
  readonly turn: number;
  /** Of `in_review`: the agent says that there is nothing to review, and its branch has no commits. */
  readonly nothing_to_do?: boolean;
  /** Another owner than the one that the run was claimed under, known to the caller to be no person: its report stands all the same. */
  readonly owner?: string | null;
}

/** A person's or an agent's move of a ticket. */
export interface Move {
  readonly to: TicketStatus;
  readonly why: string;
  /** A person moves it: to `todo` that is trust. */
  readonly trusted: boolean;
  /** To `in_progress`: the run that the row still shows is known to be dead and must not be retried. */
  readonly takes?: boolean;
}

export interface TicketEdit {
  readonly trusted?: boolean;
  readonly title?: string;
  readonly body?: string;
  readonly priority?: number;
  readonly project?: string;
  readonly labels?: readonly string[];
  readonly agent?: string | null;
  readonly owner?: string | null;
  readonly depends_on?: readonly string[];
}

export interface ActivityRow {
  readonly id: number;
  readonly at_ms: number;
  readonly ticket_id: string | null;
  readonly run_id: string | null;
  readonly actor: string;
  /** `killswitch`, `shortened`, `created`, `moved`, `edited`, `comment`, `claimed`, `registered`, `heal`, `ended`, `retry`, `report`, `adopted`, `parked`, `asked`, `sent`, `published`, `warning`. */
  readonly kind: string;
  readonly because: string | null;
  readonly text: string | null;
}

export interface TickRow {
  readonly id: string;
  readonly host_id: string;
  readonly boot_id: string | null;
  readonly mono_ms: number;
  readonly started_at_ms: number;
  readonly finished_at_ms: number;
  readonly outcome: string;
  /** How many launches this host's next tick may make, after a halt; null = as many as ever. */
  readonly ramp: number | null;
  /** The object that `dispatch --json` prints, as JSON text. */
  readonly report: string;
}

export interface DeliveryRow {
  readonly id: string;
  readonly run_id: string;
  readonly ticket_id: string | null;
  readonly kind: 'prompt' | 'send' | 'answer' | 'nudge' | 'permission';
  /** Of this one delivery: the same text may be sent twice on purpose. */
  readonly nonce: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly outcome: 'started' | 'delivered' | 'queued' | 'busy' | 'indeterminate' | 'pending' | 'refused';
  /** What acknowledged it; `turn:<n>` = nothing yet, and it was sent after the run's turn n. */
  readonly ack_source: string | null;
  readonly at_ms: number;
}

/** What one tick's report says of one ticket. */
export interface TickMention {
  readonly tick: string;
  readonly host_id: string;
  readonly at_ms: number;
  readonly outcome: string;
  /** JSON text: `reconcile`, `dispatch` and `skipped` as in the report, with the entries that name the ticket. */
  readonly report: string;
}

/** How words came to a run: in its first prompt, or into its terminal, where it may not have taken them. */
export type Handed = 'prompt' | 'delivered' | 'indeterminate';

/** What a person has said of a ticket: an answer, or comments on work. They are owed to every attempt until a run has
 *  honoured them: it has reported, or ended a turn, after it had had them. */
export interface WordsRow {
  readonly id: number;
  readonly ticket_id: string;
  readonly text: string;
  readonly author: string;
  readonly at_ms: number;
  /** null = still owed to the next attempt. */
  readonly honoured_by: string | null;
  readonly honoured_at_ms: number | null;
  /** The runs that had them, in order of time. */
  readonly had: readonly { readonly run_id: string; readonly outcome: Handed; readonly at_ms: number }[];
}

/** What went out of the work of one claim. */
export interface ReviewRow {
  readonly ticket_id: string;
  readonly claim_epoch: number;
  readonly run_id: string;
  readonly branch: string;
  /** The commit that the remote has; null = none yet. */
  readonly head: string | null;
  readonly stage: ReviewStage;
  readonly number: number | null;
  readonly url: string | null;
  /** The ticket by which another agent reads the work before a person does. */
  readonly reader: string | null;
  /** What went wrong last; null = nothing. */
  readonly error: string | null;
  readonly attempts: number;
  /** null = nothing more by itself, until the ticket changes. */
  readonly next_at_ms: number | null;
  /** Of the ticket, when this was written. */
  readonly ticket_version: number;
  readonly updated_at_ms: number;
  /** What was observed; 0 = there is no such row yet. */
  readonly version: number;
}

/** Totals of a client's session, and whose they are. */
export interface UsageRecord {
  readonly session: string;
  readonly run_id: string;
  readonly ticket_id: string | null;
  readonly agent: string;
  /** The UTC day that what is new since the last record counts for, such as `2026-11-24`. */
  readonly day: string;
  readonly totals: UsageTotals;
}

export interface UsageTotals {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_tokens: number;
  readonly turns: number;
  /** null = the client does not tell. */
  readonly cost_usd: number | null;
}

export interface UsageRow extends UsageTotals {
  readonly run_id: string;
  readonly day: string;
  readonly ticket_id: string | null;
  readonly agent: string;
}

/** A run as the page shows it. */
export interface HistoryRun {
  readonly id: string;
  readonly ticket_id: string | null;
  /** Of its ticket, as it is now. */
  readonly title: string | null;
  readonly agent: string;
  readonly project: string;
  readonly host_id: string;
  readonly branch: string | null;
  readonly phase: Phase;
  readonly activity: Activity;
  readonly attempt: number;
  readonly claimed_at_ms: number;
  readonly registered_at_ms: number | null;
  readonly ended_at_ms: number | null;
  readonly end_reason: string | null;
  readonly exit_code: number | null;
  readonly exit_signal: number | null;
}

/** A tick without its report. */
export interface HistoryTick {
  readonly id: string;
  readonly host_id: string;
  readonly started_at_ms: number;
  readonly finished_at_ms: number;
  readonly outcome: string;
  readonly reconciled: number;
  readonly launched: number;
  readonly skipped: number;
  readonly live: number;
}

/** A line of the log that changed a ticket: `heal`, `adopted`, `parked`, `asked`, `nudged`, `retry`, `report`, `moved`. */
export interface HistoryEvent {
  readonly id: number;
  readonly at_ms: number;
  readonly ticket_id: string | null;
  readonly run_id: string | null;
  readonly kind: string;
  readonly because: string | null;
  /** The status that a report or a move led to. */
  readonly to: string | null;
}

/** Each list in the order of time, and cut to its newest where there are more than were asked for. */
export interface History {
  /** Those that live, and those that ended since then. */
  readonly runs: readonly HistoryRun[];
  readonly ticks: readonly HistoryTick[];
  readonly events: readonly HistoryEvent[];
}

/**
 * The board. Every write that a tick makes is one guarded transaction: its WHERE repeats what was observed
 * (status, owner, claim_epoch, version or phase), and `lost` means that someone else acted first. Nothing
 * here speaks of SQL; another board (HTTP, another database) implements the same port and runs the same
 * contract tests. All times are UTC milliseconds and come from the caller: the board reads no clock.
 */
export interface Board {
  snapshot(options: {
    readonly host_id: string;
    readonly now_ms: number;
    readonly limit: number;
    readonly ready: Ready;
    /** The UTC day whose use is counted against the budgets; null = there are none. */
    readonly budget_day: string | null;
    /** Tickets that are looked at whatever comes before them. */
    readonly also: readonly string[];
    /** From when on runs that have ended are told. */
    readonly recent_since_ms: number;
  }): Promise<Snapshot>;

  /** `todo -> in_progress`, epoch + 1, `launching` row inserted, in one transaction. */
  claim(request: ClaimRequest, actor: Actor, now_ms: number): Promise<Cas>;
  /** Records where the claimed run will work, and its first prompt. Guarded by phase `launching`. */
  staged(
    run: string,
    where: {
      readonly worktree: string | null;
      readonly branch: string | null;
      readonly client_session: string | null;
      /** The client's session that it is to continue. */
      readonly resumed: string | null;
    },
    prompt?: DeliveryRow,
  ): Promise<Cas>;
  /** `launching -> registered`; also requires the ticket `in_progress` under the row's epoch and owner. Sets worker_pid. Won as
   *  well by a process that has registered as this run before, while the run lives and the ticket is as it had to be then. */
  register(request: RegisterRequest, now_ms: number): Promise<Cas>;
  /** Binds the ticket to a living runtime: `in_progress`, epoch + 1 unless `instead_of`, a live `running` row, worker_pid. */
  adopt(request: AdoptRequest, actor: Actor, now_ms: number): Promise<Cas>;

  /** Ticket -> `in_progress`, worker_pid = pid, reasons cleared; row -> `running`, heartbeat. */
  normalize(
    ticket: string,
    guard: TicketGuard,
    runtime: RuntimeGuard,
    pid: number,
    because: string,
    actor: Actor,
    now_ms: number,
  ): Promise<Cas>;
  /** Ticket -> `needs_input` with reason, text, run and turn; row keeps its phase, or `parked`. */
  ask(
    ticket: string,
    guard: TicketGuard,
    runtime: RuntimeGuard,
    what: { readonly reason: string; readonly text: string; readonly turn: number; readonly park: boolean },
    actor: Actor,
    now_ms: number,
  ): Promise<Cas>;
  /** The row gets the process that its client lives on in, by one UPDATE guarded by its version; its program is told anew. The
   *  ticket keeps its status, and gets that pid where it is `in_progress` under the row's epoch and owner. `lost` too where
   *  the board has no such thing. */
  follow(runtime: RuntimeGuard, process: ProcessIdentity, actor: Actor, now_ms: number): Promise<Cas>;
  /** Ticket -> `in_review`; the row lives on. */
  submit(
    ticket: string,
    guard: TicketGuard,
    runtime: RuntimeGuard,
    because: string,
    actor: Actor,
    now_ms: number,
  ): Promise<Cas>;
  /** Row -> `ended`, nothing else. Guarded by the row's version. */
  end(runtime: RuntimeGuard, end: EndInfo, actor: Actor, now_ms: number): Promise<Cas>;
  /** Row (if given) -> `ended` and ticket -> `todo` or `blocked`, both or neither. Clears worker_pid. */
  retry(
    ticket: string,
    guard: TicketGuard,
    runtime: RuntimeGuard | null,
    end: EndInfo | null,
    to: RetryTo,
    why: { readonly reason: string; readonly text: string },
    actor: Actor,
    now_ms: number,
  ): Promise<Cas>;

  /** A wait, of this account or else of the ticket in `todo`, ends at `to_ms`: only where it ends at `from_ms`, which is later. */
  shortenWait(
    what: {
      readonly ticket: string;
      readonly agent: string | null;
      readonly from_ms: number;
      readonly to_ms: number;
    },
    actor: Actor,
    now_ms: number,
  ): Promise<Cas>;

  /** The agent's own word. `lost` = superseded, or the ticket is in a state that no run may change
   *  (`done`, `cancelled`, `blocked`), or its owner changed. Idempotent for `in_review`. */
  report(request: ReportRequest, now_ms: number): Promise<Cas>;

  addTicket(ticket: NewTicket, now_ms: number): Promise<Ticket>;
  /** Adds those whose source no ticket has yet, in their order, all or none. A usage error where one depends on what is
   *  neither there nor before it. */
  importTickets(tickets: readonly ForeignTicket[], actor: Actor, now_ms: number): Promise<Imported[]>;
  /** Those of these sources that are on the board; `mc-pickup:<board id>:<id>` names one that was made here. */
  bySource(sources: readonly string[]): Promise<Ticket[]>;
  /** A name for this board, which no other one has. */
  boardId(): Promise<string>;
  ticket(id: string): Promise<Ticket | null>;
  tickets(filter: {
    readonly status?: readonly TicketStatus[];
    readonly project?: string;
    readonly limit: number;
  }): Promise<Ticket[]>;
  counts(): Promise<Record<TicketStatus, number>>;
  /** A person's move: compare-and-swap on the version. To `todo` also: trusted, attempts 0, not_before null.
   *  A move never touches the runtime row; a live row stays live. */
  move(id: string, version: number, move: Move, actor: Actor, now_ms: number): Promise<Cas>;
  edit(id: string, version: number, change: TicketEdit, actor: Actor, now_ms: number): Promise<Cas>;
  log(row: Omit<ActivityRow, 'id'>): Promise<void>;
  /** In the order of time: what follows `after`, or, without it, the newest. */
  activity(filter: {
    readonly ticket?: string;
    readonly after?: number;
    readonly limit: number;
  }): Promise<ActivityRow[]>;

  /** What happened since then on every host, in one read; at most `limit` of each kind. */
  history(since: { readonly since_ms: number; readonly limit: number }): Promise<History>;

  runtime(run: string): Promise<Runtime | null>;
  /** By the run id in an agent's environment: the row that lives, else the latest. */
  runtimeByMark(mark: string): Promise<Runtime | null>;
  liveRuntime(ticket: string): Promise<Runtime | null>;
  liveRuntimes(): Promise<Runtime[]>;
  /** The newest first. */
  runtimesOf(ticket: string, limit: number): Promise<Runtime[]>;

  /** The tick's own record, this host's clock, and the bookkeeping of living rows, in one transaction: observed time
   *  is counted once or not at all. Rows that ended meanwhile are left alone. Does NOT raise a row's version, so that
   *  a refresh never makes a heal lose its race. Returns the rows refreshed. */
  saveTick(row: TickRow, refresh: readonly Refresh[]): Promise<number>;
  lastTick(host_id: string): Promise<Omit<TickRow, 'ramp'> | null>;
  /** Counts one continuation prompt, before it is sent: should the sender die meanwhile, it is not sent again. */
  nudge(
    ticket: string,
    guard: TicketGuard,
    runtime: RuntimeGuard,
    turn: number,
    actor: Actor,
    now_ms: number,
  ): Promise<Cas>;

  /** No launches of this profile before that time; a later one that is known already stands. `lost` = nothing new. */
  limitAccount(name: string, until_ms: number, reason: string, actor: Actor, now_ms: number): Promise<Cas>;
  /** No launches of this profile before a person has done what `fix` says (null = ready again). `stamp` tells the
   *  program that was found so from a newer one. `lost` = nothing new. */
  setReady(
    name: string,
    fix: string | null,
    stamp: string | null,
    actor: Actor,
    now_ms: number,
  ): Promise<Cas>;
  accounts(): Promise<AccountView[]>;

  keepAnswer(ticket: string, text: string, author: string, now_ms: number): Promise<number>;
  /** All that people have said of a ticket and have not withdrawn, honoured or not, the oldest first. */
  words(ticket: string): Promise<WordsRow[]>;
  /** A run is given these words. `turn`: the turn that it had begun before that; it honours them by the end of a later one,
   *  or by its report. What is `indeterminate` it never honours; a later word on the same run says more. */
  handWords(
    ids: readonly number[],
    to: { readonly run: string; readonly outcome: Handed; readonly turn: number },
    now_ms: number,
  ): Promise<void>;
  /** The first run that has them for certain; `withdrawn`: no run is to have them. */
  takeAnswers(ids: readonly number[], run: string): Promise<void>;

  /** Counts what a session has used since its last record. Totals that fell count from nothing: a new record file. */
  recordUsage(record: UsageRecord): Promise<void>;
  usage(filter: { readonly ticket?: string; readonly since_day?: string }): Promise<UsageRow[]>;

  saveDelivery(row: DeliveryRow): Promise<void>;
  setDelivery(id: string, outcome: DeliveryRow['outcome'], ack_source: string | null): Promise<void>;
  close(): void;
  /** The latest that was saved of these kinds for this run. */
  lastDelivery(run_id: string, ...kinds: DeliveryRow['kind'][]): Promise<DeliveryRow | null>;
  /** The latest of this very text whose fate is open (`pending`, `indeterminate`), whatever was sent after it. */
  openDelivery(run_id: string, sha256: string): Promise<DeliveryRow | null>;
  /** What the newest `limit` ticks of all hosts say of this ticket, in the order of time; ticks that do not name it are
   *  left out. */
  ticksAbout(ticket: string, limit: number): Promise<TickMention[]>;
  /** Tickets in `todo` whose back-off ends after that time, the next first. */
  retries(now_ms: number, limit: number): Promise<Ticket[]>;

  /** What went out of these tickets, every claim, in the order of claims. null = this board keeps no such thing. */
  reviews(tickets: readonly string[]): Promise<ReviewRow[] | null>;
  /** Writes one, guarded by the version that was observed. `reader`: that ticket is added in the same transaction, and
   *  its id becomes the row's, so that it is added once. */
  saveReview(row: ReviewRow, reader: NewTicket | null): Promise<Cas>;
}
