/*
 * A board that was in use: days of tickets, agents, failures, heals and ticks, made by the board's own methods under a
 * clock of its own. The same seed gives the same board.
 */
import type { Board } from '../../src/board/port/index.ts';
import type { Refresh } from '../../src/model/plan.ts';
import type { Runtime } from '../../src/model/runtime.ts';
import type { Ticket } from '../../src/model/ticket.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface Busy {
  readonly now_ms: number;
  readonly host_id: string;
  readonly days?: number;
  readonly slots?: number;
  readonly seed?: number;
  /** Ticks are kept for so many hours back, one a minute. */
  readonly tick_hours?: number;
}

const TITLES = [
  'Keep the session when the login form is sent twice',
  'Export of invoices fails for a customer without an address',
  'Replace the home-made retry with the one of the client library',
  'Show the total with the right currency in the basket',
  'Flaky test: checkout waits for the wrong event',
  'Delete attachments when their order is deleted',
  'Search ignores umlauts in product names',
  'Migrate the price table to whole cents',
  'Rate limit on the public search endpoint',
  'Admin: filter orders by warehouse',
  'Memory grows while the nightly import runs',
  'Dark mode for the order mail',
  'Docs: how to rotate the signing key',
  'Time zone of delivery slots is off by one hour in October',
  'Remove the feature flag new_basket',
  'Cache headers for product pictures',
  'Webhook signature is not checked for test events',
  'Accessible names for the quantity buttons',
  'Upgrade the PDF library',
  'Split the checkout controller',
  'Undo for a cancelled order line',
  'Health check that asks the database',
  'Log the request id in every line',
  'Voucher codes are case sensitive',
] as const;
const QUESTIONS = [
  'The table has two columns for the price. Is `amount` or `amount_gross` the one that counts?',
  'The upgrade needs Node 22 in CI. May I change the image?',
  'Two customers rely on the old spelling. Keep an alias, or break it?',
] as const;
const AGENTS = ['claude', 'claude', 'claude', 'codex', 'codex', 'gemini'] as const;
const DEATHS = ['agent_exited', 'agent_exited', 'agent_killed', 'agent_dead', 'launch_deadline'] as const;

/** Fills a board with what a team of agents did until now. */
export async function fillBusyBoard(board: Board, busy: Busy): Promise<void> {
  const { now_ms, days = 14, slots = 4, seed = 7, tick_hours = 26 } = busy;
  const world = new World(board, busy.host_id, seed);
  for (let at = now_ms - days * DAY; at < now_ms - MINUTE; at += 5 * MINUTE) await world.step(at, slots);
  await world.now(now_ms);
  const refresh = world.refresh();
  await ticks(board, { ...busy, tick_hours, random: world.random, refresh });
}

interface Working {
  readonly run: string;
  readonly ticket: string;
  readonly agent: string;
  readonly ends_at_ms: number;
  readonly fate: 'review' | 'dies' | 'asks';
  turns: number;
  reported: boolean;
  asked: boolean;
}

class World {
  readonly random: () => number;
  readonly #board: Board;
  readonly #host: string;
  readonly #working: Working[] = [];
  #runs = 0;
  #titles = 0;

  constructor(board: Board, host_id: string, seed: number) {
    this.#board = board;
    this.#host = host_id;
    this.random = dice(seed);
  }

  /** What happens in five minutes. */
  async step(at: number, slots: number): Promise<void> {
    const hour = new Date(at).getUTCHours();
    const weekend = [0, 6].includes(new Date(at).getUTCDay());
    const day = hour >= 6 && hour < 19 && !weekend;
    if (this.random() < (day ? 0.12 : 0.05)) await this.#add(at);
    for (const one of [...this.#working]) await this.#goOn(one, at);
    if (day && this.random() < 0.3) await this.#review(at);
    if (day && this.random() < 0.05) await this.#answer(at);
    for (let free = slots - this.#working.length; free > 0; free--) await this.#launch(at);
  }

  /** What stands on the board at the end, so that no column is empty. */
  async now(at: number): Promise<void> {
    for (let n = 0; n < 6; n++) await this.#add(at - (n + 6) * 11 * MINUTE);
    for (const one of this.#working.filter(({ reported }) => reported).slice(1))
      await this.#finish(one, at - 9 * MINUTE);
    const asks = this.#working.filter(({ reported, fate }) => !reported && fate !== 'dies').slice(0, 1);
    for (const one of asks) {
      one.asked = true;
      const message = QUESTIONS[0];
      await this.#board.report(
        { run: one.run, to: 'needs_input', message, turn: 1 },
        { now_ms: at - 17 * MINUTE },
      );
    }
    for (let n = this.#working.length; n < 4; n++) await this.#launch(at - (8 - n) * MINUTE);
    const [first, second] = await this.#board.tickets({ status: ['todo'], limit: 9 });
    if (first !== undefined) await this.#move(first, 'blocked', 'waits for the new price list', at - HOUR);
    if (second !== undefined)
      await this.#board.edit(
        { ticket: second.id, version: second.version, change: { priority: 1, owner: 'ann' } },
        { actor: 'ann', now_ms: at - HOUR },
      );
  }

  /** What the last tick saw of those that live. */
  refresh(): Refresh[] {
    return this.#working.map(({ run, asked }) => ({
      ...({
        run,
        phase: 'running',
        silent_ms: 4000,
        launching_ms: 0,
        output_at_s: null,
        alive: true,
      } as const),
      seen: {
        ...{
          activity: asked ? 'waiting' : 'busy',
          question: null,
          turn: 1,
          client_session: null,
          level: null,
        },
        ...{ level_ms: 0, limited_until_ms: null, not_ready: null, fresh: 0, cursor: null },
      },
    }));
  }

  async #add(at: number): Promise<void> {
    const title = TITLES[this.#titles++ % TITLES.length] ?? '';
    await this.#board.addTicket(
      {
        title,
        body: '',
        status: 'todo',
        priority: this.random() < 0.15 ? 1 : this.random() < 0.7 ? 2 : 3,
        project: this.random() < 0.7 ? 'shop' : 'billing',
        labels: [],
        agent: null,
        owner: null,
        author: 'ann',
        trusted: true,
        depends_on: [],
      },
      { now_ms: at },
    );
  }

  async #launch(at: number): Promise<void> {
    const todo = await this.#board.tickets({ status: ['todo'], limit: 50 });
    const ticket = todo.find((one) => (one.not_before_at_ms ?? 0) <= at && one.owner === null);
    if (ticket === undefined) return;
    const run = `r${++this.#runs}`;
    const agent = AGENTS[Math.floor(this.random() * AGENTS.length)] ?? 'claude';
    const { project, attempts } = ticket;
    const who = { host_id: this.#host, boot_id: 'boot-1' };
    await this.#board.claim(
      {
        ...{ ticket: ticket.id, guard: guardOf(ticket), run, agent, project, attempt: attempts + 1, ...who },
        ...{ kind: agent, headless: false },
      },
      { actor: 'tick:t', now_ms: at },
    );
    const branch = `mc/${ticket.id.toLowerCase()}-${ticket.title
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .slice(0, 28)}`;
    await this.#board.staged({ run, worktree: null, branch, client_session: null, resumed: null });
    const chance = this.random();
    const fate = chance < 0.17 ? 'dies' : chance < 0.29 ? 'asks' : 'review';
    const reason = this.random();
    if (fate !== 'dies' || reason < 0.9)
      await this.#board.register(
        {
          ...{
            run,
            ...who,
            pid_ns: null,
            time_ns: null,
            pid: 4000 + this.#runs,
            pid_start: String(this.#runs),
          },
          ...{ tmux_server_pid: 1, tmux_server_start: '1', tmux_session: 's', tmux_pane: `%${this.#runs}` },
        },
        { now_ms: at + 2000 },
      );
    const minutes = fate === 'dies' ? 2 + this.random() * 30 : 12 + this.random() ** 2 * 170;
    this.#working.push({
      ...{ run, ticket: ticket.id, agent, fate, turns: 0, reported: false, asked: false },
      ends_at_ms: at + minutes * MINUTE,
    });
  }

  async #goOn(one: Working, at: number): Promise<void> {
    await this.#use(one, at);
    // Now and then another program resets a ticket under a living agent.
    if (!one.reported && this.random() < 0.004) await this.#drift(one, at);
    if (at < one.ends_at_ms) return;
    const ticket = await this.#board.ticket(one.ticket);
    const row = await this.#board.runtime(one.run);
    if (ticket === null || row === null || row.ended_at_ms !== null) return this.#forget(one);
    if (one.fate === 'dies') return this.#die(one, ticket, row, at);
    if (!one.reported) {
      const to = one.fate === 'asks' && this.random() < 0.5 ? 'needs_input' : 'in_review';
      const message =
        to === 'in_review' ? 'Done, with a test.' : (QUESTIONS[this.#runs % QUESTIONS.length] ?? '');
      await this.#board.report({ run: one.run, to, message, turn: 1 }, { now_ms: at });
      one.reported = true;
      one.asked = to === 'needs_input';
      return;
    }
    if (ticket.status === 'needs_input') return;
    await this.#finish(one, at);
  }

  async #finish(one: Working, at: number): Promise<void> {
    const row = await this.#board.runtime(one.run);
    const end = { end_reason: 'finished', exit_code: 0, exit_signal: null };
    if (row !== null)
      await this.#board.end(
        { runtime: { run: row.id, version: row.version }, end },
        { actor: 'tick:t', now_ms: at },
      );
    this.#forget(one);
  }

  async #drift(one: Working, at: number): Promise<void> {
    const ticket = await this.#board.ticket(one.ticket);
    const row = await this.#board.runtime(one.run);
    if (ticket?.status !== 'in_progress' || row === null || row.phase === 'launching') return;
    await this.#move(ticket, 'todo', 'reset by a script', at);
    const back = await this.#board.ticket(one.ticket);
    if (back === null) return;
    const guard = { run: row.id, version: row.version };
    await this.#board.normalize(
      { ticket: back.id, guard: guardOf(back), runtime: guard, pid: row.pid ?? 1, because: 'agent_alive' },
      { actor: 'tick:t', now_ms: at + MINUTE },
    );
  }

  async #die(one: Working, ticket: Ticket, row: Runtime, at: number): Promise<void> {
    const died = DEATHS[Math.floor(this.random() * DEATHS.length)] ?? 'agent_dead';
    const because =
      row.phase === 'launching' ? 'launch_deadline' : died === 'launch_deadline' ? 'rate_limited' : died;
    const attempts = because === 'rate_limited' ? ticket.attempts : ticket.attempts + 1;
    const blocked = attempts >= 3;
    const exit = {
      exit_code: because === 'agent_exited' ? 1 : null,
      exit_signal: because === 'agent_killed' ? 9 : null,
    };
    await this.#board.retry(
      {
        ticket: ticket.id,
        guard: guardOf(ticket),
        runtime: { run: row.id, version: row.version },
        end: { end_reason: because, ...exit },
        to: {
          status: blocked ? 'blocked' : 'todo',
          attempts,
          not_before_at_ms: blocked ? null : at + 20 * MINUTE,
        },
        why: { reason: because, text: because === 'agent_exited' ? 'error: the context is too long' : '' },
      },
      { actor: 'tick:t', now_ms: at },
    );
    this.#forget(one);
  }

  async #review(at: number): Promise<void> {
    const [ticket] = await this.#board.tickets({ status: ['in_review'], limit: 1 });
    if (ticket === undefined || at - ticket.updated_at_ms < 20 * MINUTE) return;
    const chance = this.random();
    if (chance < 0.1) await this.#move(ticket, 'cancelled', 'not needed any more', at);
    else await this.#move(ticket, 'done', 'merged', at);
  }

  async #answer(at: number): Promise<void> {
    const [ticket] = await this.#board.tickets({ status: ['needs_input'], limit: 1 });
    const one = this.#working.find(({ ticket: id }) => id === ticket?.id);
    if (ticket === undefined || one === undefined) return;
    const row = await this.#board.runtime(one.run);
    if (row === null) return;
    const guard = { run: row.id, version: row.version };
    const why = 'activity_after_question';
    await this.#board.normalize(
      { ticket: ticket.id, guard: guardOf(ticket), runtime: guard, pid: row.pid ?? 1, because: why },
      { actor: 'tick:t', now_ms: at },
    );
    this.#working[this.#working.indexOf(one)] = {
      ...one,
      reported: false,
      asked: false,
      fate: 'review',
      ends_at_ms: at + 25 * MINUTE,
    };
  }

  async #use(one: Working, at: number): Promise<void> {
    if (one.reported) return;
    const n = ++one.turns;
    await this.#board.recordUsage({
      ...{ session: one.run, run_id: one.run, ticket_id: one.ticket, agent: one.agent },
      day: new Date(at).toISOString().slice(0, 10),
      totals: {
        ...{ input_tokens: 2_100 * n, output_tokens: 1_300 * n, cache_write_tokens: 5_200 * n },
        ...{ cache_read_tokens: 88_000 * n, turns: n },
        cost_usd: one.agent === 'claude' ? 0.11 * n : one.agent === 'gemini' ? 0.03 * n : null,
      },
    });
  }

  async #move(ticket: Ticket, to: Ticket['status'], why: string, at: number): Promise<void> {
    await this.#board.move(
      { ticket: ticket.id, version: ticket.version, to, why, trusted: true },
      { actor: 'ann', now_ms: at },
    );
  }

  #forget(one: Working): void {
    this.#working.splice(this.#working.indexOf(one), 1);
  }
}

/** A tick a minute, but for an hour and a half in which the machine slept, and seven minutes of a reboot. */
async function ticks(
  board: Board,
  o: Busy & {
    readonly tick_hours: number;
    readonly random: () => number;
    readonly refresh: readonly Refresh[];
  },
): Promise<void> {
  const { now_ms, host_id, tick_hours, random, refresh } = o;
  const away = [
    [now_ms - 9 * HOUR, now_ms - 7.5 * HOUR - 2 * MINUTE],
    [now_ms - 3 * HOUR, now_ms - 3 * HOUR + 7 * MINUTE],
  ] as const;
  const first = now_ms - tick_hours * HOUR;
  for (let at = first, n = 0; at < now_ms - 5000; at += MINUTE, n++) {
    if (away.some(([from, to]) => at > from && at < to)) continue;
    const launches = random() < 0.03;
    const took = launches ? 1800 + random() * 6000 : 34 + random() * 30 + (random() < 0.01 ? 900 : 0);
    const counts = { reconciled: random() < 0.04 ? 1 : 0, launched: launches ? 1 : 0, skipped: 3, live: 3 };
    await board.saveTick({
      tick: {
        ...{ id: `t-${n}`, host_id, boot_id: 'boot-1', mono_ms: at - first, ramp: null },
        ...{ started_at_ms: at, finished_at_ms: at + Math.round(took) },
        ...{ outcome: 'ok', report: JSON.stringify({ counts }) },
      },
      refresh: at + MINUTE >= now_ms - 5000 ? refresh : [],
    });
  }
}

export const guardOf = ({ status, owner, claim_epoch, version }: Ticket) => ({
  status,
  owner,
  claim_epoch,
  version,
});

/** Numbers from 0 to 1, the same for the same seed. */
function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_507) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}
