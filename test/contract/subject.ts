import { expect } from 'vitest';
import type {
  AdoptRequest,
  Board,
  ClaimRequest,
  NewTicket,
  RegisterRequest,
} from '../../src/board/port/index.ts';
import type { RuntimeGuard, TicketGuard } from '../../src/model/plan.ts';
import type { Runtime } from '../../src/model/runtime.ts';
import type { Ticket } from '../../src/model/ticket.ts';
import { aNewTicket, NOW } from '../support/builders.ts';

/** One board under test, and what another program can do to it behind its back. */
export interface Opened {
  readonly board: Board;
  /** A second, independent view of the same board. */
  reopen(): Promise<Board>;
  /** A change by another program, in SQL; absent where the board has no such back door. */
  outside?(sql: string): void;
  /**
   * Calls of the port by this many writers at once, each on a connection of its own: the n-th call, by the n-th writer. None begins
   * before all are ready. Each answers what the call did, or `{error}`.
   */
  together(calls: readonly Call[]): Promise<unknown[]>;
  cleanup(): Promise<void>;
}

/** A method of the port and its arguments: they may be carried out in another process. */
export type Call = {
  readonly [K in keyof Board]: readonly [method: K, ...args: Parameters<Board[K]>];
}[keyof Board];

/** Nothing is left out of a snapshot for want of a profile or a project: this is only the order. */
export const READY = {
  ready: {
    authors: [],
    max_attempts: 3,
    projects: { demo: { max_agents: null, agent: 'robot' } },
    agents: { robot: { max_agents: null } },
  },
  budget_day: null,
  also: [],
  heals_since_ms: NOW - 30 * 60_000,
  recent_since_ms: NOW - 10 * 60_000,
} as const;

export const NEW: NewTicket = aNewTicket({ body: 'all of it', labels: ['x'] });
export const DEAD = { end_reason: 'agent_dead', exit_code: null, exit_signal: 9 };
export const WHY = { reason: 'agent_dead', text: 'it died' };
export const AGAIN = { status: 'todo', attempts: 1, not_before_at_ms: NOW + 60_000 } as const;

export const guardOf = ({ status, owner, claim_epoch, version }: Ticket): TicketGuard => ({
  status,
  owner,
  claim_epoch,
  version,
});
export const rowGuard = ({ id, version }: Runtime): RuntimeGuard => ({ run: id, version });

/** What somebody else may have changed of a ticket since it was observed. */
export const WRONG: readonly Partial<TicketGuard>[] = [
  { status: 'needs_input' },
  { owner: 'bob' },
  { claim_epoch: 9 },
  { version: 99 },
];

export type Subject = ReturnType<typeof subject>;

/** The board of the case that runs, and what cases do with it. */
export function subject(opened: () => Opened) {
  const b = new Proxy({} as Board, { get: (_, name) => Reflect.get(opened().board, name) });
  const sql = (text: string): void => {
    const { outside } = opened();
    if (outside === undefined) throw new Error('this board has no back door');
    outside(text);
  };

  const add = (over: Partial<NewTicket> = {}, at = NOW) => b.addTicket({ ...NEW, ...over }, { now_ms: at });
  const get = async (id: string): Promise<Ticket> => {
    const found = await b.ticket(id);
    if (found === null) throw new Error(`no ticket ${id}`);
    return found;
  };
  const row = async (id: string): Promise<Runtime> => {
    const found = await b.runtime(id);
    if (found === null) throw new Error(`no runtime ${id}`);
    return found;
  };
  const claim = (t: Ticket, run = 'r1', over: Partial<TicketGuard> = {}, where: Partial<ClaimRequest> = {}) =>
    b.claim(
      {
        ticket: t.id,
        guard: { ...guardOf(t), ...over },
        run,
        agent: 'robot',
        project: 'house',
        attempt: 1,
        host_id: 'h1',
        boot_id: 'b1',
        kind: 'command',
        headless: false,
        ...where,
      },
      { actor: 'tick:1', now_ms: NOW },
    );
  const reg = (run = 'r1', over: Partial<RegisterRequest> = {}): RegisterRequest => ({
    run,
    host_id: 'h1',
    boot_id: 'b1',
    pid_ns: null,
    time_ns: null,
    pid: 42,
    pid_start: '7',
    tmux_server_pid: 1,
    tmux_server_start: '2',
    tmux_session: 's',
    tmux_pane: '%1',
    ...over,
  });
  const adoptReq = (t: Ticket, over: Partial<AdoptRequest> = {}): AdoptRequest => ({
    ticket: t.id,
    guard: guardOf(t),
    instead_of: null,
    mark: 'm1',
    agent: 'robot',
    project: 'house',
    host_id: 'h1',
    boot_id: 'b1',
    pid_ns: null,
    time_ns: null,
    pid: 77,
    pid_start: '9',
    tmux_session: 's',
    tmux_pane: '%2',
    worktree: '/w',
    branch: 'br',
    kind: 'claude',
    headless: false,
    client_session: 'c9',
    ...over,
  });
  /** A ticket whose agent is registered. */
  const working = async (
    over: Partial<NewTicket> = {},
    run = 'r1',
    who: Partial<RegisterRequest> = {},
  ): Promise<{ t: Ticket; r: Runtime }> => {
    const t = await add(over);
    expect(await claim(t, run)).toBe('won');
    expect(await b.register(reg(run, who), { now_ms: NOW })).toBe('won');
    return { t: await get(t.id), r: await row(run) };
  };
  const kinds = async (id: string) => (await b.activity({ ticket: id, limit: 99 })).map(({ kind }) => kind);
  /** A call that loses must leave no trace. */
  const loses = async (call: () => Promise<string>): Promise<void> => {
    const state = async () =>
      JSON.stringify([
        await b.tickets({ limit: 99 }),
        await b.liveRuntimes(),
        await b.activity({ limit: 999 }),
      ]);
    const before = await state();
    expect(await call()).toBe('lost');
    expect(await state()).toBe(before);
  };
  return { b, opened, sql, add, get, row, claim, reg, adoptReq, working, kinds, loses };
}
