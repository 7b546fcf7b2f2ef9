import type { TicketGuard } from '../../model/plan.ts';
import type { AgentKind } from '../../model/policy.ts';
import type { At, By, Cas } from './by.ts';
import type { DeliveryRow } from './deliveries.ts';

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

/** Where the claimed run will work. */
export interface StageRequest {
  readonly run: string;
  readonly worktree: string | null;
  readonly branch: string | null;
  readonly client_session: string | null;
  /** The client's session that it is to continue. */
  readonly resumed: string | null;
  /** Its first prompt. */
  readonly prompt?: DeliveryRow;
}

export interface RegisterRequest {
  readonly run: string;
  readonly host_id: string;
  readonly boot_id: string;
  readonly pid_ns: string | null;
  /** null = it can't be read; absent: a caller of a version that records no time namespace. */
  readonly time_ns?: string | null;
  readonly pid: number;
  readonly pid_start: string;
  readonly tmux_server_pid: number | null;
  readonly tmux_server_start: string | null;
  readonly tmux_session: string | null;
  readonly tmux_pane: string | null;
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
  /** null = it can't be read; absent: a caller of a version that records no time namespace. */
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

/** How a ticket and a runtime come together. */
export interface Claims {
  /** `todo -> in_progress`, epoch + 1, `launching` row inserted, in one transaction. */
  claim(request: ClaimRequest, by: By): Promise<Cas>;
  /** Records where the claimed run will work, and its first prompt. Guarded by phase `launching`. */
  staged(request: StageRequest): Promise<Cas>;
  /** `launching -> registered`; also requires the ticket `in_progress` under the row's epoch and owner. Sets worker_pid. Won as
   *  well by a process that has registered as this run before, while the run lives and the ticket is as it had to be then. */
  register(request: RegisterRequest, at: At): Promise<Cas>;
  /** Binds the ticket to a living runtime: `in_progress`, epoch + 1 unless `instead_of`, a live `running` row, worker_pid. */
  adopt(request: AdoptRequest, by: By): Promise<Cas>;
}
