import type { ProcessIdentity } from '../../model/identity.ts';
import type { EndInfo, RetryTo, RuntimeGuard, TicketGuard } from '../../model/plan.ts';
import type { By, Cas } from './by.ts';

/** A ticket and the runtime that works on it, as they were observed. */
export interface Observed {
  readonly ticket: string;
  readonly guard: TicketGuard;
  readonly runtime: RuntimeGuard;
}

export interface NormalizeRequest extends Observed {
  readonly pid: number;
  readonly because: string;
}

export interface NudgeRequest extends Observed {
  readonly turn: number;
  /** It is counted as none: its turn was cut off by no fault of the agent. */
  readonly free?: boolean | undefined;
}

export interface AskRequest extends Observed {
  readonly reason: string;
  readonly text: string;
  readonly turn: number;
  /** The runtime is parked as well: it takes no place any more. */
  readonly park: boolean;
}

export interface SubmitRequest extends Observed {
  readonly because: string;
}

export interface FollowRequest {
  readonly runtime: RuntimeGuard;
  readonly process: ProcessIdentity;
}

export interface EndRequest {
  readonly runtime: RuntimeGuard;
  readonly end: EndInfo;
}

export interface RetryRequest extends Omit<Observed, 'runtime'> {
  /** null = the row of this claim had ended already. */
  readonly runtime: RuntimeGuard | null;
  readonly end: EndInfo | null;
  readonly to: RetryTo;
  readonly why: { readonly reason: string; readonly text: string };
}

export interface ShortenRequest {
  readonly ticket: string;
  /** Whose wait it is; null = the ticket's own. */
  readonly agent: string | null;
  readonly from_ms: number;
  readonly to_ms: number;
}

/** The writes of the reconcile pass. */
export interface Heals {
  /** Ticket -> `in_progress`, worker_pid = pid, reasons cleared; row -> `running`, heartbeat. */
  normalize(request: NormalizeRequest, by: By): Promise<Cas>;
  /** Counts one continuation prompt, before it is sent: should the sender die meanwhile, it is not sent again. */
  nudge(request: NudgeRequest, by: By): Promise<Cas>;
  /** Ticket -> `needs_input` with reason, text, run and turn; row keeps its phase, or `parked`. */
  ask(request: AskRequest, by: By): Promise<Cas>;
  /** Ticket -> `in_review`; the row lives on. */
  submit(request: SubmitRequest, by: By): Promise<Cas>;
  /** The row gets the process that its client lives on in, by one UPDATE guarded by its version; its program is told anew. The
   *  ticket keeps its status, and gets that pid where it is `in_progress` under the row's epoch and owner. `lost` too where
   *  the board has no such thing. */
  follow(request: FollowRequest, by: By): Promise<Cas>;
  /** Row -> `ended`, nothing else. Guarded by the row's version. */
  end(request: EndRequest, by: By): Promise<Cas>;
  /** Row (if given) -> `ended` and ticket -> `todo` or `blocked`, both or neither. Clears worker_pid. */
  retry(request: RetryRequest, by: By): Promise<Cas>;
  /** A wait, of this account or else of the ticket in `todo`, ends at `to_ms`: only where it ends at `from_ms`, which is later. */
  shortenWait(request: ShortenRequest, by: By): Promise<Cas>;
}
