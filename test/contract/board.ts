import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  AdoptRequest,
  Board,
  ClaimRequest,
  ForeignTicket,
  NewTicket,
  RegisterRequest,
} from '../../src/board/port/index.ts';
import type { Refresh, RuntimeGuard, TicketGuard } from '../../src/model/plan.ts';
import type { Runtime } from '../../src/model/runtime.ts';
import type { Ticket } from '../../src/model/ticket.ts';
import { aReview, NOW } from '../support/builders.ts';

/** Nothing is left out of a snapshot for want of a profile or a project: this is only the order. */
const READY = {
  ready: {
    authors: [],
    max_attempts: 3,
    projects: { demo: { max_agents: null, agent: 'robot' } },
    agents: { robot: { max_agents: null } },
  },
  budget_day: null,
  also: [],
  recent_since_ms: NOW - 10 * 60_000,
} as const;

/** One board under test, and what another program can do to it behind its back. */
export interface Opened {
  readonly board: Board;
  /** A second, independent view of the same board. */
  reopen(): Promise<Board>;
  /** A change by another program, in SQL; absent where the board has no such back door. */
  outside?(sql: string): void;
  cleanup(): Promise<void>;
}

const NEW: NewTicket = {
  title: 'Mend the roof',
  body: 'all of it',
  status: 'todo',
  priority: 2,
  project: 'house',
  labels: ['x'],
  agent: null,
  owner: null,
  author: 'ann',
  trusted: true,
  depends_on: [],
};
const DEAD = { end_reason: 'agent_dead', exit_code: null, exit_signal: 9 };
const WHY = { reason: 'agent_dead', text: 'it died' };
const AGAIN = { status: 'todo', attempts: 1, not_before_at_ms: NOW + 60_000 } as const;

export const guardOf = ({ status, owner, claim_epoch, version }: Ticket): TicketGuard => ({
  status,
  owner,
  claim_epoch,
  version,
});
const rowGuard = ({ id, version }: Runtime): RuntimeGuard => ({ run: id, version });

/** What every board must do, whatever it is made of. */
export function boardContract(name: string, open: () => Promise<Opened>): void {
  describe(`board contract: ${name}`, () => {
    let it_: Opened;
    let b: Board;
    const sql = (text: string): void => {
      if (it_.outside === undefined) throw new Error('this board has no back door');
      it_.outside(text);
    };
    beforeEach(async () => {
      it_ = await open();
      b = it_.board;
    });
    afterEach(() => it_.cleanup());

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
    const claim = (
      t: Ticket,
      run = 'r1',
      over: Partial<TicketGuard> = {},
      where: Partial<ClaimRequest> = {},
    ) =>
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
    const WRONG: readonly Partial<TicketGuard>[] = [
      { status: 'needs_input' },
      { owner: 'bob' },
      { claim_epoch: 9 },
      { version: 99 },
    ];

    it('adds, reads, lists and counts tickets', async () => {
      const t = await add({ depends_on: ['MC-9'] });
      expect(t).toMatchObject({
        ...NEW,
        id: 'MC-1',
        depends_on: ['MC-9'],
        version: 1,
        claim_epoch: 0,
        attempts: 0,
      });
      await add({ status: 'blocked', project: 'barn' });
      expect(await b.ticket('MC-7')).toBeNull();
      expect((await b.tickets({ status: ['blocked'], limit: 9 })).map(({ id }) => id)).toEqual(['MC-2']);
      expect((await b.tickets({ project: 'house', limit: 9 })).map(({ id }) => id)).toEqual(['MC-1']);
      expect(await b.tickets({ limit: 1 })).toHaveLength(1);
      expect(await b.counts()).toMatchObject({ todo: 1, blocked: 1, done: 0 });
      expect(await (await it_.reopen()).ticket('MC-1')).toEqual(t);
    });

    const foreign = (source: string, over: Partial<ForeignTicket> = {}): ForeignTicket => ({
      ...{ ...NEW, source, author: 'file:ann', trusted: false, attempts: 2, not_before_at_ms: null },
      ...{
        reason: 'asked',
        reason_text: 'Which?',
        created_at_ms: NOW - 9,
        updated_at_ms: NOW - 5,
        comments: [],
      },
      ...over,
    });

    it('imports each source once, and binds what depends on it by its source', async () => {
      const comments = [{ actor: 'file:bob', at_ms: NOW - 7, text: 'Mind the cat.' }];
      const first = [
        foreign('csv:a:1', { status: 'in_review', comments }),
        foreign('csv:a:2', { depends_on: ['csv:a:1'] }),
      ];
      const added = await b.importTickets(first, { actor: 'ann', now_ms: NOW });
      expect(added.map(({ source, added: is }) => [source, is])).toEqual([
        ['csv:a:1', true],
        ['csv:a:2', true],
      ]);
      const [one, two] = added.map(({ id }) => id) as [string, string];
      expect(await get(one)).toMatchObject({
        ...{ source: 'csv:a:1', status: 'in_review', author: 'file:ann', trusted: false, attempts: 2 },
        ...{
          reason: 'asked',
          reason_text: 'Which?',
          created_at_ms: NOW - 9,
          updated_at_ms: NOW - 5,
          claim_epoch: 0,
        },
      });
      expect((await get(two)).depends_on).toEqual([one]);
      expect(
        (await b.activity({ ticket: one, limit: 9 })).map(({ kind, actor, text }) => [kind, actor, text]),
      ).toEqual([
        ['created', 'ann', NEW.title],
        ['comment', 'file:bob', 'Mind the cat.'],
      ]);
      const again = [
        foreign('csv:a:1', { title: 'another' }),
        foreign('csv:a:3', { depends_on: ['csv:a:2'] }),
      ];
      expect(
        (await b.importTickets(again, { actor: 'ann', now_ms: NOW })).map(({ added: is }) => is),
      ).toEqual([false, true]);
      expect((await get(one)).title).toBe(NEW.title);
      expect((await b.bySource(['csv:a:3', 'csv:a:9', 'csv:a:1'])).map(({ source }) => source)).toEqual([
        'csv:a:1',
        'csv:a:3',
      ]);
      expect(await b.bySource([])).toEqual([]);
      expect(await b.importTickets([], { actor: 'ann', now_ms: NOW })).toEqual([]);
      expect((await add()).source).toBeNull();
    });

    it('imports all or none: what depends on nothing that is there takes its neighbours back', async () => {
      const lost = [foreign('md:a:1'), foreign('md:a:2', { depends_on: ['md:a:3'] }), foreign('md:a:3')];
      await expect(b.importTickets(lost, { actor: 'ann', now_ms: NOW })).rejects.toMatchObject({ exit: 2 });
      expect(await b.tickets({ limit: 9 })).toEqual([]);
    });

    it('has a name of its own that stays', async () => {
      const id = await b.boardId();
      expect(id).not.toBe('');
      expect(await (await it_.reopen()).boardId()).toBe(id);
    });

    it('claims: epoch, launching row and worker_pid in one', async () => {
      const t = await add({ owner: 'robot' });
      expect(await claim(t)).toBe('won');
      expect(await get(t.id)).toMatchObject({
        status: 'in_progress',
        claim_epoch: 1,
        version: 2,
        worker_pid: null,
      });
      expect(await row('r1')).toMatchObject({
        mark: 'r1',
        ticket_id: t.id,
        phase: 'launching',
        owner: 'robot',
        claim_epoch: 1,
        version: 1,
      });
      expect(await kinds(t.id)).toEqual(['created', 'claimed']);
    });

    it('loses a claim: a wrong guard, a taken ticket, a live row, a taken run id', async () => {
      const t = await add();
      for (const wrong of WRONG) await loses(() => claim(t, 'r1', wrong));
      await claim(t);
      await loses(() => claim(t, 'r2'));
      const now = await get(t.id);
      await loses(() => claim(now, 'r2'));
      expect(
        await b.move(
          { ticket: t.id, version: now.version, to: 'todo', why: 'x', trusted: true },
          { actor: 'ann', now_ms: NOW },
        ),
      ).toBe('won');
      const todo = await get(t.id);
      await loses(() => claim(todo, 'r2')); // the row still lives
      const other = await add();
      await loses(() => claim(other, 'r1'));
    });

    it('stages only a launching row', async () => {
      const where = { worktree: '/w', branch: 'x', client_session: 'c', resumed: 'c' };
      await claim(await add());
      expect(await b.staged({ run: 'r1', ...where })).toBe('won');
      expect(await row('r1')).toMatchObject({ ...where, version: 2 });
      await b.register(reg(), { now_ms: NOW });
      await loses(() => b.staged({ run: 'r1', ...where }));
    });

    it('registers once', async () => {
      const { t, r } = await working();
      expect(t.worker_pid).toBe(42);
      expect(r).toMatchObject({
        phase: 'registered',
        pid: 42,
        pid_start: '7',
        registered_at_ms: NOW,
        version: 2,
      });
      for (const other of [
        { pid: 43 },
        { pid_start: '8' },
        { boot_id: 'b2' },
        { pid_ns: 'pid:[2]' },
        { host_id: 'h2' },
      ])
        await loses(() => b.register(reg('r1', other), { now_ms: NOW + 1 }));
      await loses(() => b.register(reg('nobody'), { now_ms: NOW }));
    });

    it('lets no process be two live runtimes, whoever binds it', async ({ skip }) => {
      const { r } = await working();
      await claim(await add(), 'r2');
      const own = { pid: 43, pid_start: '7' };
      // The time namespace tells how a start is counted, and is not what tells processes apart.
      for (const same of [{}, { time_ns: 'time:[2]' }])
        await loses(() => b.register(reg('r2', same), { now_ms: NOW }));
      const t = await get('MC-2');
      await loses(() =>
        b.adopt(adoptReq(t, { instead_of: 'r2', pid: 42, pid_start: '7' }), { actor: 'tick:1', now_ms: NOW }),
      );
      const free = await add();
      await loses(() =>
        b.adopt(adoptReq(free, { pid: 42, pid_start: '7' }), { actor: 'tick:1', now_ms: NOW }),
      );
      expect(await row('r1')).toEqual(r);
      // The same number elsewhere, or later, is another process.
      expect(await b.register(reg('r2', own), { now_ms: NOW })).toBe('won');
      for (const [run, other] of [
        ['r3', { pid_start: '8' }],
        ['r4', { boot_id: 'b2' }],
        ['r5', { host_id: 'h2' }],
      ] as const) {
        await claim(await add(), run);
        expect(await b.register(reg(run, other), { now_ms: NOW })).toBe('won');
      }
      // One that has ended has its process no longer.
      await b.end({ runtime: rowGuard(r), end: DEAD }, { actor: 'x', now_ms: NOW });
      await claim(await add(), 'r6');
      expect(await b.register(reg('r6'), { now_ms: NOW })).toBe('won');
      if (it_.outside === undefined) skip();
      const chat = (start: string) =>
        sql(`INSERT INTO runtime_sessions (id, host_id, boot_id, pid, pid_start, phase)
          VALUES ('chat-${start}', 'h1', 'b1', 42, '${start}', 'running')`);
      expect(() => chat('7')).toThrow(/UNIQUE/);
      chat('9');
      await claim(await add(), 'r7');
      await loses(() => b.register(reg('r7', { pid_start: '9' }), { now_ms: NOW }));
    });

    it('keeps the time namespace of a process, and fills it in once where there is none', async () => {
      await claim(await add(), 'r1');
      await b.register(reg('r1', { time_ns: 'time:[1]' }), { now_ms: NOW });
      await working({}, 'r2', { pid: 43 });
      const t = await add();
      await b.adopt(adoptReq(t, { time_ns: 'time:[3]' }), { actor: 'tick:1', now_ms: NOW });
      const noted = async () => (await b.liveRuntimes()).map(({ time_ns }) => time_ns);
      expect(await noted()).toEqual(['time:[1]', null, 'time:[3]']);
      const seen = {
        activity: 'unknown',
        question: null,
        turn: 0,
        client_session: null,
        fresh: 0,
        cursor: null,
      } as const;
      const quiet = { level: null, level_ms: 0, limited_until_ms: null, not_ready: null };
      const fill = (run: string, time_ns: string): Refresh => ({
        ...{ run, phase: 'running', seen: { ...seen, ...quiet }, silent_ms: 0, launching_ms: 0 },
        ...{ output_at_s: null, alive: true, time_ns },
      });
      const tick = {
        host_id: 'h1',
        boot_id: 'b',
        mono_ms: 5,
        ramp: null,
        started_at_ms: NOW,
        finished_at_ms: NOW,
      };
      await b.saveTick({
        tick: { ...tick, id: 't1', outcome: 'ok', report: '{}' },
        refresh: [fill('r1', 'x'), fill('r2', 'time:[2]')],
      });
      expect(await noted()).toEqual(['time:[1]', 'time:[2]', 'time:[3]']);
    });

    it('lets the process that has registered do it again, and writes nothing', async () => {
      const { r } = await working();
      const before = await b.activity({ limit: 99 });
      expect(await b.register(reg(), { now_ms: NOW + 1 })).toBe('won');
      expect(await row('r1')).toEqual(r);
      expect(await b.activity({ limit: 99 })).toEqual(before);
    });

    it.each(['moved', 'owner', 'ended'])('but not after: %s', async (how) => {
      const { t, r } = await working();
      if (how === 'moved')
        await b.move(
          { ticket: t.id, version: t.version, to: 'cancelled', why: 'no', trusted: false },
          { actor: 'ann', now_ms: NOW },
        );
      if (how === 'owner')
        await b.edit(
          { ticket: t.id, version: t.version, change: { owner: 'bob' } },
          { actor: 'ann', now_ms: NOW },
        );
      if (how === 'ended') await b.end({ runtime: rowGuard(r), end: DEAD }, { actor: 'tick:2', now_ms: NOW });
      await loses(() => b.register(reg(), { now_ms: NOW + 1 }));
    });

    it('stages a first prompt with the row, and takes it for started once its process has registered', async () => {
      await claim(await add());
      const prompt = {
        ...({ id: 'r1-prompt', run_id: 'r1', ticket_id: 'MC-1', kind: 'prompt', nonce: 'n' } as const),
        ...({ sha256: 'x', bytes: 1, outcome: 'pending', ack_source: null, at_ms: NOW } as const),
      };
      const where = { worktree: '/w', branch: 'x', client_session: null, resumed: null };
      expect(
        await b.staged({ run: 'nobody', ...where, prompt: { ...prompt, id: 'd0', run_id: 'nobody' } }),
      ).toBe('lost');
      expect(await b.lastDelivery({ run: 'nobody', kinds: ['prompt'] })).toBeNull();
      expect(await b.staged({ run: 'r1', ...where, prompt })).toBe('won');
      expect(await b.lastDelivery({ run: 'r1', kinds: ['prompt'] })).toEqual(prompt);
      await b.register(reg(), { now_ms: NOW });
      // A server may leave that to the tick, which says so in any case.
      await b.setDelivery({ id: 'r1-prompt', outcome: 'started', ack_source: 'registered' });
      const started = { ...prompt, outcome: 'started', ack_source: 'registered' };
      expect(await b.lastDelivery({ run: 'r1', kinds: ['prompt'] })).toEqual(started);
    });

    it.each(['moved', 'owner', 'ended'])('does not register after: %s', async (how) => {
      await claim(await add());
      const t = await get('MC-1');
      if (how === 'moved')
        await b.move(
          { ticket: t.id, version: t.version, to: 'cancelled', why: 'no', trusted: false },
          { actor: 'ann', now_ms: NOW },
        );
      if (how === 'owner')
        await b.edit(
          { ticket: t.id, version: t.version, change: { owner: 'bob' } },
          { actor: 'ann', now_ms: NOW },
        );
      if (how === 'ended')
        await b.end({ runtime: { run: 'r1', version: 1 }, end: DEAD }, { actor: 'tick:2', now_ms: NOW });
      await loses(() => b.register(reg(), { now_ms: NOW }));
    });

    it('adopts without a claim, with a new id when the mark is history', async () => {
      const t = await add();
      for (const wrong of WRONG) {
        await loses(() =>
          b.adopt(adoptReq(t, { guard: { ...guardOf(t), ...wrong } }), { actor: 'tick:1', now_ms: NOW }),
        );
      }
      expect(await b.adopt(adoptReq(t), { actor: 'tick:1', now_ms: NOW })).toBe('won');
      expect(await get(t.id)).toMatchObject({ status: 'in_progress', claim_epoch: 1, worker_pid: 77 });
      const first = await row('m1');
      expect(first).toMatchObject({ phase: 'running', claim_epoch: 1, mark: 'm1' });
      const now = await get(t.id);
      await loses(() => b.adopt(adoptReq(now), { actor: 'tick:1', now_ms: NOW })); // it has a live row
      await b.end({ runtime: rowGuard(first), end: DEAD }, { actor: 'x', now_ms: NOW });
      expect(await b.adopt(adoptReq(now), { actor: 'tick:1', now_ms: NOW })).toBe('won');
      expect(await b.liveRuntime(t.id)).toMatchObject({ id: 'm1.2', mark: 'm1', claim_epoch: 2 });
      expect((await b.runtimeByMark('m1'))?.id).toBe('m1.2');
      expect((await b.runtimesOf({ ticket: t.id, limit: 9 })).map(({ id }) => id)).toEqual(['m1.2', 'm1']);
      const other = await add();
      await loses(() => b.adopt(adoptReq(other), { actor: 'tick:1', now_ms: NOW })); // that mark lives already
    });

    it('adopts instead of its own claim', async () => {
      await claim(await add());
      const t = await get('MC-1');
      await loses(() => b.adopt(adoptReq(t, { instead_of: 'other' }), { actor: 'tick:1', now_ms: NOW }));
      expect(await b.adopt(adoptReq(t, { instead_of: 'r1' }), { actor: 'tick:1', now_ms: NOW })).toBe('won');
      expect(await row('r1')).toMatchObject({ phase: 'ended', end_reason: 'gave_way' });
      expect(await row('m1')).toMatchObject({ phase: 'running', claim_epoch: 1 });
      const { r } = await working({}, 'r7');
      const busy = await get(r.ticket_id ?? '');
      await loses(() =>
        b.adopt(adoptReq(busy, { instead_of: 'r7', mark: 'm9' }), { actor: 'x', now_ms: NOW }),
      ); // it is an agent
    });

    describe('guarded heals', () => {
      type Call = (t: string, g: TicketGuard, r: RuntimeGuard) => Promise<string>;
      const ask = { reason: 'agent_waiting', text: 'why?', turn: 3, park: false };
      const calls: Readonly<Record<string, Call>> = {
        normalize: (t, g, r) =>
          b.normalize(
            { ticket: t, guard: g, runtime: r, pid: 42, because: 'agent_alive' },
            { actor: 'tick:1', now_ms: NOW },
          ),
        ask: (t, g, r) =>
          b.ask({ ticket: t, guard: g, runtime: r, ...ask }, { actor: 'tick:1', now_ms: NOW }),
        park: (t, g, r) =>
          b.ask({ ticket: t, guard: g, runtime: r, ...ask, park: true }, { actor: 'tick:1', now_ms: NOW }),
        submit: (t, g, r) =>
          b.submit(
            { ticket: t, guard: g, runtime: r, because: 'idle_without_report' },
            { actor: 'tick:1', now_ms: NOW },
          ),
        retry: (t, g, r) =>
          b.retry(
            { ticket: t, guard: g, runtime: r, end: DEAD, to: AGAIN, why: WHY },
            { actor: 'tick:1', now_ms: NOW },
          ),
      };
      const call = (name: string): Call => calls[name] ?? (() => Promise.reject(new Error(name)));

      it.each(Object.keys(calls))('%s loses on every difference', async (name) => {
        const { t, r } = await working();
        const other = await add();
        const g = guardOf(t);
        for (const wrong of WRONG) await loses(() => call(name)(t.id, { ...g, ...wrong }, rowGuard(r)));
        await loses(() => call(name)(t.id, g, { run: r.id, version: 99 }));
        await loses(() => call(name)(t.id, g, { run: 'nobody', version: 1 }));
        await loses(() => call(name)(other.id, guardOf(other), rowGuard(r)));
        for (const status of ['in_review', 'done', 'cancelled', 'blocked'] as const) {
          const before = await get(t.id);
          await b.move(
            { ticket: t.id, version: before.version, to: status, why: 'x', trusted: false },
            { actor: 'ann', now_ms: NOW },
          );
          const settled = await get(t.id);
          await loses(() => call(name)(t.id, guardOf(settled), rowGuard(r)));
        }
      });

      it.each(Object.keys(calls))('%s loses once the owner changed or the row ended', async (name) => {
        const { t, r } = await working();
        await b.edit(
          { ticket: t.id, version: t.version, change: { owner: 'bob' } },
          { actor: 'ann', now_ms: NOW },
        );
        const taken = await get(t.id);
        await loses(() => call(name)(t.id, guardOf(taken), rowGuard(r)));
        await b.edit(
          { ticket: t.id, version: taken.version, change: { owner: null } },
          { actor: 'ann', now_ms: NOW },
        );
        await b.end({ runtime: rowGuard(r), end: DEAD }, { actor: 'x', now_ms: NOW });
        const back = await get(t.id);
        await loses(() => call(name)(t.id, guardOf(back), { run: r.id, version: r.version + 1 }));
      });

      it('follows a client into another process, and forgets its program', async () => {
        const { t, r } = await working();
        const process = {
          host_id: r.host_id,
          boot_id: 'b-1',
          pid_ns: null,
          time_ns: null,
          pid: 99,
          pid_start: '9',
        };
        await loses(() =>
          b.follow({ runtime: { run: r.id, version: 99 }, process }, { actor: 'tick:1', now_ms: NOW }),
        );
        await loses(() =>
          b.follow({ runtime: { run: 'nobody', version: 1 }, process }, { actor: 'tick:1', now_ms: NOW }),
        );
        await loses(() =>
          b.follow(
            { runtime: rowGuard(r), process: { ...process, host_id: 'h-far' } },
            { actor: 'tick:1', now_ms: NOW },
          ),
        );
        expect(await b.follow({ runtime: rowGuard(r), process }, { actor: 'tick:1', now_ms: NOW + 5 })).toBe(
          'won',
        );
        const now = await row(r.id);
        expect(now).toMatchObject({
          ...process,
          version: r.version + 1,
          heartbeat_at_ms: NOW + 5,
          program: null,
        });
        expect(await get(t.id)).toMatchObject({
          ...{ status: 'in_progress', worker_pid: 99, claim_epoch: t.claim_epoch, attempts: t.attempts },
        });
        expect(await kinds(t.id)).toContain('adopted');
        await b.end({ runtime: rowGuard(now), end: DEAD }, { actor: 'x', now_ms: NOW });
        await loses(() =>
          b.follow(
            { runtime: { run: r.id, version: now.version + 1 }, process },
            { actor: 'tick:1', now_ms: NOW },
          ),
        );
      });

      it('follows no launch, and leaves the ticket of a person alone', async () => {
        const t = await add();
        expect(await claim(t)).toBe('won');
        const { host_id } = await row('r1');
        const process = { host_id, boot_id: 'b-1', pid_ns: null, time_ns: null, pid: 99, pid_start: '9' };
        await loses(async () =>
          b.follow({ runtime: rowGuard(await row('r1')), process }, { actor: 'tick:1', now_ms: NOW }),
        );
        const other = await working({}, 'r2');
        await b.edit(
          { ticket: other.t.id, version: (await get(other.t.id)).version, change: { owner: 'bob' } },
          { actor: 'ann', now_ms: NOW },
        );
        const before = await get(other.t.id);
        expect(
          await b.follow(
            { runtime: rowGuard(await row(other.r.id)), process },
            { actor: 'tick:1', now_ms: NOW },
          ),
        ).toBe('won');
        expect(await get(other.t.id)).toEqual(before);
      });

      it('normalizes', async () => {
        const { t, r } = await working();
        await b.move(
          { ticket: t.id, version: t.version, to: 'todo', why: 'reverted', trusted: true },
          { actor: 'ann', now_ms: NOW },
        );
        const g = guardOf(await get(t.id));
        expect(
          await b.normalize(
            { ticket: t.id, guard: g, runtime: rowGuard(r), pid: 42, because: 'agent_alive' },
            { actor: 'tick:1', now_ms: NOW + 5 },
          ),
        ).toBe('won');
        expect(await get(t.id)).toMatchObject({
          status: 'in_progress',
          reason: null,
          reason_text: null,
          worker_pid: 42,
          version: g.version + 1,
        });
        expect(await row('r1')).toMatchObject({ phase: 'running', heartbeat_at_ms: NOW + 5, version: 3 });
        expect((await kinds(t.id)).at(-1)).toBe('heal');
      });

      it('asks, parks, submits', async () => {
        const { t, r } = await working();
        await b.ask(
          { ticket: t.id, guard: guardOf(t), runtime: rowGuard(r), ...ask },
          { actor: 'tick:1', now_ms: NOW },
        );
        expect(await get(t.id)).toMatchObject({
          status: 'needs_input',
          reason: 'agent_waiting',
          reason_text: 'why?',
          reason_run: 'r1',
          reason_turn: 3,
        });
        expect((await row('r1')).phase).toBe('registered');
        const asked = await get(t.id);
        const parked = { ...ask, reason: 'silent_past_ttl', park: true };
        expect(
          await b.ask(
            { ticket: t.id, guard: guardOf(asked), runtime: rowGuard(await row('r1')), ...parked },
            { actor: 'tick:1', now_ms: NOW },
          ),
        ).toBe('won');
        expect((await row('r1')).phase).toBe('parked');
        const now = await get(t.id);
        expect(
          await b.submit(
            { ticket: t.id, guard: guardOf(now), runtime: rowGuard(await row('r1')), because: 'x' },
            { actor: 'tick:1', now_ms: NOW },
          ),
        ).toBe('won');
        expect((await get(t.id)).status).toBe('in_review');
        expect((await row('r1')).ended_at_ms).toBeNull();
        expect((await kinds(t.id)).slice(-3)).toEqual(['asked', 'parked', 'moved']);
      });

      it('retries with and without a row', async () => {
        const { t, r } = await working();
        const none = () =>
          b.retry(
            { ticket: t.id, guard: guardOf(t), runtime: null, end: null, to: AGAIN, why: WHY },
            { actor: 'tick:1', now_ms: NOW },
          );
        await loses(none); // its row lives
        expect(
          await b.retry(
            { ticket: t.id, guard: guardOf(t), runtime: rowGuard(r), end: DEAD, to: AGAIN, why: WHY },
            { actor: 'tick:1', now_ms: NOW },
          ),
        ).toBe('won');
        expect(await get(t.id)).toMatchObject({
          ...AGAIN,
          worker_pid: null,
          reason: 'agent_dead',
          claim_epoch: 1,
        });
        expect(await row('r1')).toMatchObject({ phase: 'ended', ended_at_ms: NOW, ...DEAD });
        const now = await get(t.id);
        const stop = { status: 'blocked', attempts: 3, not_before_at_ms: null } as const;
        expect(
          await b.retry(
            { ticket: t.id, guard: guardOf(now), runtime: null, end: null, to: stop, why: WHY },
            { actor: 'tick:1', now_ms: NOW },
          ),
        ).toBe('won');
        expect(await get(t.id)).toMatchObject(stop);
      });

      it('ends a row whatever the owner, and only once', async () => {
        const { t, r } = await working();
        await b.edit(
          { ticket: t.id, version: t.version, change: { owner: 'bob' } },
          { actor: 'ann', now_ms: NOW },
        );
        await loses(() =>
          b.end({ runtime: { run: r.id, version: 99 }, end: DEAD }, { actor: 'x', now_ms: NOW }),
        );
        expect(await b.end({ runtime: rowGuard(r), end: DEAD }, { actor: 'x', now_ms: NOW })).toBe('won');
        await loses(() =>
          b.end({ runtime: { run: r.id, version: r.version + 1 }, end: DEAD }, { actor: 'x', now_ms: NOW }),
        );
        expect((await get(t.id)).status).toBe('in_progress');
        expect(await b.liveRuntime(t.id)).toBeNull();
      });
    });

    it('refreshes living rows without raising their version', async () => {
      const { r } = await working();
      const seen = {
        activity: 'busy',
        question: 'q',
        turn: 2,
        client_session: 'c',
        fresh: 3,
        cursor: 'e3',
        level: 'idle',
        level_ms: 1234,
        limited_until_ms: 77,
        not_ready: 'log in',
      } as const;
      const refresh: Refresh = {
        ...{ run: 'r1', phase: 'running', seen, silent_ms: 5, launching_ms: 6, output_at_s: 7, alive: true },
      } as const;
      const save = (id: string, at_ms: number, ...rows: Refresh[]) =>
        b.saveTick({
          tick: {
            ...{
              id,
              host_id: 'h1',
              boot_id: 'b',
              mono_ms: 5,
              ramp: null,
              started_at_ms: at_ms,
              finished_at_ms: at_ms,
            },
            ...{ outcome: 'ok', report: '{}' },
          },
          refresh: rows,
        });
      expect(await save('t1', NOW + 9, refresh, { ...refresh, run: 'nobody' })).toBe(1);
      expect(await row('r1')).toMatchObject({
        ...{ phase: 'running', version: r.version, activity: 'busy', question: 'q', turn: 2, events_seen: 3 },
        ...{ events_cursor: 'e3', silent_ms: 5, launching_ms: 6, output_at_s: 7, heartbeat_at_ms: NOW + 9 },
      });
      await save('t2', NOW + 99, { ...refresh, alive: false, phase: 'parked' });
      const still = { ...refresh, silent_ms: 60_005, seen: { ...seen, level_ms: 61_234 } };
      expect(await save('t2b', NOW + 9, { ...still, quiet: true })).toBe(1);
      expect(await row('r1')).toMatchObject({
        ...{ version: r.version, activity: 'busy', question: 'q', silent_ms: 60_005, level_ms: 61_234 },
        ...{ launching_ms: 6, output_at_s: 7, heartbeat_at_ms: NOW + 9 },
      });
      expect(await row('r1')).toMatchObject({ phase: 'running', heartbeat_at_ms: NOW + 9 });
      await save('t2c', NOW + 9, { ...refresh, program: 'first' });
      expect(await row('r1')).toMatchObject({ program: 'first', version: r.version });
      await save('t2d', NOW + 9, { ...refresh, program: 'second' });
      await save('t2e', NOW + 9, refresh);
      expect(await row('r1')).toMatchObject({ program: 'first' });
      await b.end({ runtime: rowGuard(r), end: DEAD }, { actor: 'x', now_ms: NOW });
      expect(await save('t3', NOW, refresh)).toBe(0);
      // Observed time is counted once or not at all: a tick that can't be saved refreshes nothing.
      await expect(save('t3', NOW, refresh)).rejects.toThrow();
    });

    describe('report', () => {
      const say = (to: 'in_review' | 'needs_input' | 'done' | 'blocked', run = 'r1') =>
        b.report({ run, to, message: 'words', turn: 4 }, { now_ms: NOW });

      it('moves the ticket and says why; in_review twice is once', async () => {
        const { t } = await working();
        expect(await say('needs_input')).toBe('won');
        const asked = { status: 'needs_input', reason: 'asked', reason_turn: 4, reason_run: 'r1' };
        expect(await get(t.id)).toMatchObject({ ...asked, reason_text: 'words' });
        expect(await say('in_review')).toBe('won');
        expect(await get(t.id)).toMatchObject({ status: 'in_review', reason: 'reported', reason_turn: null });
        const before = await kinds(t.id);
        expect(await say('in_review')).toBe('won');
        expect(await kinds(t.id)).toEqual(before);
        await loses(() => say('done'));
      });

      it.each(['done', 'cancelled', 'blocked'] as const)('is refused by a ticket in %s', async (status) => {
        const { t } = await working();
        await b.move(
          { ticket: t.id, version: t.version, to: status, why: 'x', trusted: false },
          { actor: 'ann', now_ms: NOW },
        );
        await loses(() => say('in_review'));
      });

      it.each<[string, string | null, string | null, 'won' | 'lost']>([
        ['to the name of the profile that runs', 'robot', null, 'won'],
        ['to another profile, as the caller knows', 'other', 'other', 'won'],
        ['to another one than the caller knows', 'ann', 'other', 'lost'],
        ['to a person', 'ann', null, 'lost'],
      ])('after the owner has changed %s', async (_name, owner, known, expected) => {
        const { t } = await working();
        await b.edit({ ticket: t.id, version: t.version, change: { owner } }, { actor: 'ann', now_ms: NOW });
        const said = { run: 'r1', to: 'in_review', message: 'done', turn: 1, owner: known } as const;
        expect(await b.report(said, { now_ms: NOW })).toBe(expected);
        expect((await get(t.id)).status).toBe(expected === 'won' ? 'in_review' : 'in_progress');
      });

      it("stands where the ticket has become nobody's", async () => {
        const { t } = await working({ owner: 'robot' });
        await b.edit(
          { ticket: t.id, version: t.version, change: { owner: null } },
          { actor: 'ann', now_ms: NOW },
        );
        expect(await say('in_review')).toBe('won');
      });

      it('is refused from a superseded run, an unknown run, and after the owner changed', async () => {
        const { t, r } = await working();
        await loses(() => say('done', 'nobody'));
        await b.edit(
          { ticket: t.id, version: t.version, change: { owner: 'bob' } },
          { actor: 'ann', now_ms: NOW },
        );
        await loses(() => say('done'));
        const taken = await get(t.id);
        await b.edit(
          { ticket: t.id, version: taken.version, change: { owner: null } },
          { actor: 'ann', now_ms: NOW },
        );
        const back = await get(t.id);
        await b.retry(
          { ticket: t.id, guard: guardOf(back), runtime: rowGuard(r), end: DEAD, to: AGAIN, why: WHY },
          { actor: 'x', now_ms: NOW },
        );
        expect(await claim(await get(t.id), 'r2')).toBe('won');
        await loses(() => say('done'));
        expect(await say('done', 'r2')).toBe('won');
      });

      it('finds an adopted row by the mark', async () => {
        const t = await add();
        await b.adopt(adoptReq(t), { actor: 'x', now_ms: NOW });
        await b.end({ runtime: rowGuard(await row('m1')), end: DEAD }, { actor: 'x', now_ms: NOW });
        await b.adopt(adoptReq(await get(t.id)), { actor: 'x', now_ms: NOW });
        expect(await say('done', 'm1')).toBe('won');
        expect((await get(t.id)).reason_run).toBe('m1.2');
      });
    });

    it('moves on the version alone, resets on todo, and never touches the row', async () => {
      const { t, r } = await working({ trusted: false });
      await loses(() =>
        b.move(
          { ticket: t.id, version: 99, to: 'todo', why: 'x', trusted: true },
          { actor: 'ann', now_ms: NOW },
        ),
      );
      await loses(() =>
        b.move(
          { ticket: 'MC-99', version: 1, to: 'todo', why: 'x', trusted: true },
          { actor: 'ann', now_ms: NOW },
        ),
      );
      await b.move(
        { ticket: t.id, version: t.version, to: 'blocked', why: 'x', trusted: true },
        { actor: 'ann', now_ms: NOW },
      );
      expect((await get(t.id)).trusted).toBe(false);
      expect(
        await b.move(
          { ticket: t.id, version: t.version + 1, to: 'todo', why: 'go on', trusted: true },
          { actor: 'ann', now_ms: NOW },
        ),
      ).toBe('won');
      expect(await get(t.id)).toMatchObject({
        trusted: true,
        attempts: 0,
        not_before_at_ms: null,
        reason_text: 'go on',
      });
      expect(await row('r1')).toEqual(r);
    });

    it('edits what is given', async () => {
      const t = await add({ owner: 'bob' });
      await loses(() =>
        b.edit({ ticket: t.id, version: 99, change: { title: 'x' } }, { actor: 'ann', now_ms: NOW }),
      );
      expect(
        await b.edit(
          { ticket: t.id, version: 1, change: { title: 'New', owner: null, labels: ['a', 'b'] } },
          { actor: 'ann', now_ms: NOW },
        ),
      ).toBe('won');
      expect(await get(t.id)).toMatchObject({
        title: 'New',
        owner: null,
        labels: ['a', 'b'],
        body: 'all of it',
        version: 2,
      });
    });

    it('keeps activity, ticks and deliveries', async () => {
      const note = {
        at_ms: NOW,
        ticket_id: null,
        run_id: null,
        actor: 'a',
        kind: 'comment',
        because: null,
        text: 'hi',
      };
      await b.log(note);
      await b.log({ ...note, text: 'ho' });
      const [first] = await b.activity({ after: 0, limit: 1 });
      expect((await b.activity({ limit: 1 })).map(({ text }) => text)).toEqual(['ho']); // the newest
      expect(first).toMatchObject(note);
      expect((await b.activity({ after: first?.id ?? 0, limit: 9 })).map(({ text }) => text)).toEqual(['ho']);
      expect(await b.lastTick('h1')).toBeNull();
      const tick = {
        id: 't1',
        host_id: 'h1',
        boot_id: 'b',
        mono_ms: 5,
        ramp: 1,
        started_at_ms: NOW,
        finished_at_ms: NOW,
      };
      await b.saveTick({ tick: { ...tick, outcome: 'ok', report: '{}' }, refresh: [] });
      const later = { id: 't2', mono_ms: 9, ramp: 2, started_at_ms: NOW + 1, outcome: 'ok', report: '{}' };
      await b.saveTick({ tick: { ...tick, ...later }, refresh: [] });
      expect(await b.lastTick('h1')).toMatchObject({ id: 't2', mono_ms: 9 });
      const look = await b.snapshot({ host_id: 'h1', now_ms: NOW, limit: 9, ...READY });
      expect(look.last_tick).toEqual({ boot_id: 'b', mono_ms: 9, ramp: 2 });
      const delivery = {
        id: 'd1',
        run_id: 'r',
        ticket_id: null,
        kind: 'send',
        nonce: 'n1',
        sha256: 'x',
        bytes: 1,
      } as const;
      await b.saveDelivery({ ...delivery, outcome: 'pending', ack_source: null, at_ms: NOW });
      await b.setDelivery({ id: 'd1', outcome: 'started', ack_source: 'event' });
    });

    it('tells what happened since a moment: what lives, what ended, ticks without their reports, what changed tickets', async () => {
      const { t, r } = await working({ title: 'Old' });
      await b.end({ runtime: rowGuard(r), end: DEAD }, { actor: 'tick:1', now_ms: NOW }); // before the moment
      const second = await working({ title: 'Ended' }, 'r2');
      const { t: now } = second;
      await b.retry(
        { ticket: now.id, guard: guardOf(now), runtime: rowGuard(second.r), end: DEAD, to: AGAIN, why: WHY },
        { actor: 'tick:1', now_ms: NOW + 20 },
      );
      const third = await working({ title: 'Lives' }, 'r3');
      await b.submit(
        {
          ticket: third.t.id,
          guard: guardOf(third.t),
          runtime: rowGuard(third.r),
          because: 'idle_without_report',
        },
        { actor: 'x', now_ms: NOW + 30 },
      );
      await b.move(
        { ticket: t.id, version: t.version, to: 'done', why: 'merged', trusted: true },
        { actor: 'ann', now_ms: NOW + 40 },
      );
      const counts = { reconciled: 2, launched: 1, skipped: 4, live: 3, todo_beyond: 9 };
      const tick = { boot_id: 'b', mono_ms: 5, ramp: null, outcome: 'ok' };
      for (const [id, host_id, at, report] of [
        ['t0', 'h1', NOW - 50, '{}'],
        ['t1', 'h1', NOW + 50, JSON.stringify({ counts })],
        ['t2', 'h2', NOW + 45, '{}'],
      ] as const)
        await b.saveTick({
          tick: { ...tick, id, host_id, started_at_ms: at, finished_at_ms: at + 3, report },
          refresh: [],
        });

      const all = await b.history({ since_ms: NOW + 10, limit: 99 });
      expect(all.runs.map(({ id }) => id)).toEqual(['r2', 'r3']);
      expect(all.runs[0]).toEqual({
        ...{ id: 'r2', ticket_id: now.id, title: 'Ended', agent: 'robot', project: 'house', host_id: 'h1' },
        ...{ branch: null, phase: 'ended', activity: 'unknown', attempt: 1, claimed_at_ms: NOW },
        ...{ registered_at_ms: NOW, ended_at_ms: NOW + 20, ...DEAD },
      });
      expect(all.runs[1]).toMatchObject({ title: 'Lives', phase: 'registered', ended_at_ms: null });
      expect(all.ticks).toEqual([
        {
          ...{ id: 't2', host_id: 'h2', started_at_ms: NOW + 45, finished_at_ms: NOW + 48, outcome: 'ok' },
          ...{ reconciled: 0, launched: 0, skipped: 0, live: 0 },
        },
        {
          ...{ id: 't1', host_id: 'h1', started_at_ms: NOW + 50, finished_at_ms: NOW + 53, outcome: 'ok' },
          ...{ reconciled: 2, launched: 1, skipped: 4, live: 3 },
        },
      ]);
      expect(all.events.map(({ kind, because, to }) => [kind, because, to])).toEqual([
        ['retry', 'agent_dead', null],
        ['moved', 'idle_without_report', 'in_review'],
        ['moved', 'done', 'done'],
      ]);
      expect(all.events[0]).toMatchObject({ ticket_id: now.id, run_id: 'r2', at_ms: NOW + 20 });
      // Cut to the newest; what lives is never cut before what has ended.
      const few = await b.history({ since_ms: 0, limit: 1 });
      expect(few.runs.map(({ id }) => id)).toEqual(['r3']);
      expect(few.ticks.map(({ id }) => id)).toEqual(['t1']);
      expect(few.events.map(({ to }) => to)).toEqual(['done']);
      expect(await b.history({ since_ms: NOW + 999, limit: 9 })).toMatchObject({ ticks: [], events: [] });
    });

    it('finds the last delivery of a run and kind', async () => {
      expect(await b.lastDelivery({ run: 'r', kinds: ['send'] })).toBeNull();
      const sent = {
        id: 'd1',
        run_id: 'r',
        ticket_id: 'MC-1',
        kind: 'send',
        nonce: 'n1',
        sha256: 'x',
        bytes: 1,
        outcome: 'pending',
        ack_source: 'turn:2',
        at_ms: NOW,
      } as const;
      await b.saveDelivery(sent);
      await b.saveDelivery({ ...sent, id: 'd0', sha256: 'y' }); // the same millisecond: the later one counts
      await b.saveDelivery({ ...sent, id: 'd2', kind: 'prompt', at_ms: NOW + 1 });
      await b.saveDelivery({ ...sent, id: 'd3', run_id: 'r2', at_ms: NOW + 1 });
      expect(await b.lastDelivery({ run: 'r', kinds: ['send'] })).toEqual({ ...sent, id: 'd0', sha256: 'y' });
      await b.setDelivery({ id: 'd0', outcome: 'delivered', ack_source: 'event' });
      expect(await b.lastDelivery({ run: 'r', kinds: ['send'] })).toMatchObject({
        outcome: 'delivered',
        ack_source: 'event',
      });
      // A text of another sha256 that came later hides none.
      await b.saveDelivery({ ...sent, id: 'd8', sha256: 'lost', outcome: 'indeterminate', at_ms: NOW + 1 });
      await b.saveDelivery({ ...sent, id: 'd9', sha256: 'later', outcome: 'delivered', at_ms: NOW + 2 });
      expect(await b.openDelivery({ run: 'r', sha256: 'lost' })).toMatchObject({
        id: 'd8',
        outcome: 'indeterminate',
      });
      expect(await b.openDelivery({ run: 'r', sha256: 'later' })).toBeNull();
      expect(await b.openDelivery({ run: 'another', sha256: 'lost' })).toBeNull();
    });

    it('shows a tick everything, in dispatch order and within the limit', async () => {
      const late = await add({ priority: 1 }, NOW + 1);
      const early = await add({ priority: 1, depends_on: [late.id, 'MC-99'] }, NOW);
      const urgent = await add({ priority: 0 }, NOW + 2);
      const { t, r } = await working({ priority: 4 }, 'r1');
      const gone = (await working({ priority: 4 }, 'r2', { pid: 43 })).t;
      await b.move(
        { ticket: gone.id, version: gone.version, to: 'done', why: 'x', trusted: false },
        { actor: 'ann', now_ms: NOW },
      );
      const idle = await add({ priority: 4 }, NOW + 9);
      const look = await b.snapshot({ host_id: 'h1', now_ms: NOW, limit: 3, ...READY });
      expect(look.tickets.map(({ ticket }) => ticket.id)).toEqual([
        urgent.id,
        early.id,
        late.id,
        t.id,
        gone.id,
      ]);
      expect(look.tickets[1]?.unmet).toEqual([late.id, 'MC-99']);
      expect(look.beyond).toBe(1);
      expect(look.runtimes.map(({ id }) => id)).toEqual(['r1', 'r2']);
      expect(look.last_tick).toBeNull();
      expect(look.tickets.some(({ ticket }) => ticket.id === idle.id)).toBe(false);

      expect(
        await b.normalize(
          { ticket: t.id, guard: guardOf(t), runtime: rowGuard(r), pid: 42, because: 'agent_alive' },
          { actor: 'x', now_ms: NOW },
        ),
      ).toBe('won');
      await b.end({ runtime: rowGuard(await row('r1')), end: DEAD }, { actor: 'x', now_ms: NOW + 30_000 });
      const after = await b.snapshot({ host_id: 'h1', now_ms: NOW + 30_000, limit: 9, ...READY });
      const view = after.tickets.find(({ ticket }) => ticket.id === t.id);
      expect(view).toMatchObject({ heals: 1, ended: { id: 'r1' } });
      expect(after.recent).toEqual([
        expect.objectContaining({ ticket: t.id, end_reason: 'agent_dead', ended_at_ms: NOW + 30_000 }),
      ]);
      const later = { now_ms: NOW + 31 * 60_000, recent_since_ms: NOW + 21 * 60_000 };
      const much = await b.snapshot({ host_id: 'h1', limit: 9, ...READY, ...later });
      expect(much.tickets.find(({ ticket }) => ticket.id === t.id)?.heals).toBe(0);
      expect(much.recent).toEqual([]);
      // A clock that has run ahead wrote it: before that time it says nothing.
      const earlier = await b.snapshot({ host_id: 'h1', now_ms: NOW - 1, limit: 9, ...READY });
      expect(earlier.recent).toEqual([]);
      expect(earlier.tickets.find(({ ticket }) => ticket.id === t.id)?.heals).toBe(0);
    });

    it('a person who takes a ticket from a dead run opens an epoch: that run is not retried', async () => {
      const { t } = await working();
      const taken = { to: 'in_progress', why: 'mine', trusted: true } as const;
      expect(
        await b.move({ ticket: t.id, version: t.version, ...taken }, { actor: 'ann', now_ms: NOW }),
      ).toBe('won');
      expect((await get(t.id)).claim_epoch).toBe(t.claim_epoch); // it may live: then it works on
      const again = await get(t.id);
      expect(
        await b.move(
          { ticket: t.id, version: again.version, ...taken, takes: true },
          { actor: 'ann', now_ms: NOW },
        ),
      ).toBe('won');
      expect((await get(t.id)).claim_epoch).toBe(t.claim_epoch + 1);
    });

    it('counts a continuation prompt once a turn, under its guard', async () => {
      const { t, r } = await working();
      await loses(() =>
        b.nudge(
          { ticket: t.id, guard: { ...guardOf(t), version: 99 }, runtime: rowGuard(r), turn: 1 },
          { actor: 'x', now_ms: NOW },
        ),
      );
      expect(
        await b.nudge(
          { ticket: t.id, guard: guardOf(t), runtime: rowGuard(r), turn: 1 },
          { actor: 'x', now_ms: NOW },
        ),
      ).toBe('won');
      expect(await row('r1')).toMatchObject({ nudges: 1, nudged_turn: 1 });
      const [t2, r2] = [await get(t.id), await row('r1')];
      await loses(() =>
        b.nudge(
          { ticket: t.id, guard: guardOf(t2), runtime: rowGuard(r2), turn: 1 },
          { actor: 'x', now_ms: NOW },
        ),
      );
      expect(
        await b.nudge(
          { ticket: t.id, guard: guardOf(t2), runtime: rowGuard(r2), turn: 2 },
          { actor: 'x', now_ms: NOW },
        ),
      ).toBe('won');
      expect(await row('r1')).toMatchObject({ nudges: 2, nudged_turn: 2 });
    });

    it('knows which accounts are limited or not ready; an earlier end of a limit changes nothing', async () => {
      expect(
        await b.limitAccount({ name: 'a', until_ms: NOW + 9, reason: 'why' }, { actor: 'x', now_ms: NOW }),
      ).toBe('won');
      expect(
        await b.limitAccount({ name: 'a', until_ms: NOW + 5, reason: 'why' }, { actor: 'x', now_ms: NOW }),
      ).toBe('lost');
      expect(
        await b.limitAccount({ name: 'a', until_ms: NOW + 9, reason: 'why' }, { actor: 'x', now_ms: NOW }),
      ).toBe('lost');
      expect(await b.setReady({ name: 'a', fix: 'log in', stamp: 's' }, { actor: 'x', now_ms: NOW })).toBe(
        'won',
      );
      expect(await b.setReady({ name: 'a', fix: 'log in', stamp: 's' }, { actor: 'x', now_ms: NOW })).toBe(
        'lost',
      );
      expect(await b.accounts()).toEqual([
        {
          name: 'a',
          not_before_at_ms: NOW + 9,
          wait_since_ms: NOW,
          not_ready: 'log in',
          not_ready_stamp: 's',
        },
      ]);
      expect(await b.setReady({ name: 'a', fix: null, stamp: null }, { actor: 'x', now_ms: NOW })).toBe(
        'won',
      );
      expect((await b.accounts())[0]).toMatchObject({ not_ready: null, not_before_at_ms: NOW + 9 });
    });

    it('shortens a wait where it ends as was observed, and only shortens it', async () => {
      const t = await add();
      await claim(t);
      const far = { status: 'todo', attempts: 1, not_before_at_ms: NOW + 99_000 } as const;
      const guard = guardOf(await get(t.id));
      expect(
        await b.retry(
          { ticket: t.id, guard, runtime: rowGuard(await row('r1')), end: DEAD, to: far, why: WHY },
          { actor: 'x', now_ms: NOW + 90_000 },
        ),
      ).toBe('won');
      expect(await get(t.id)).toMatchObject({ not_before_at_ms: NOW + 99_000, wait_since_ms: NOW + 90_000 });
      const shorten = (what: object, from_ms: number, to_ms: number) =>
        b.shortenWait({ ticket: '', agent: null, from_ms, to_ms, ...what }, { actor: 'tick:1', now_ms: NOW });
      expect(await shorten({ ticket: t.id }, NOW + 98_000, NOW + 9000)).toBe('lost');
      expect(await shorten({ ticket: t.id }, NOW + 99_000, NOW + 100_000)).toBe('lost');
      expect(await shorten({ ticket: t.id }, NOW + 99_000, NOW + 9000)).toBe('won');
      expect(await shorten({ ticket: t.id }, NOW + 99_000, NOW + 9000)).toBe('lost');
      expect(await get(t.id)).toMatchObject({ not_before_at_ms: NOW + 9000, wait_since_ms: NOW });

      expect(
        await b.limitAccount(
          { name: 'a', until_ms: NOW + 99_000, reason: 'why' },
          { actor: 'x', now_ms: NOW + 90_000 },
        ),
      ).toBe('won');
      expect(await shorten({ agent: 'a' }, NOW + 98_000, NOW + 9000)).toBe('lost');
      expect(await shorten({ agent: 'a' }, NOW + 99_000, NOW + 9000)).toBe('won');
      expect(await b.accounts()).toMatchObject([{ not_before_at_ms: NOW + 9000, wait_since_ms: NOW }]);
      const log = await b.activity({ limit: 20 });
      expect(log.filter(({ kind }) => kind === 'shortened')).toMatchObject([
        { ticket_id: t.id, because: 'wait_too_long', actor: 'tick:1' },
        { ticket_id: null, because: 'wait_too_long' },
      ]);

      // A person's move to todo is no wait at all.
      const now = await get(t.id);
      await b.move(
        { ticket: t.id, version: now.version, to: 'todo', why: '', trusted: true },
        { actor: 'ann', now_ms: NOW },
      );
      expect(await get(t.id)).toMatchObject({ not_before_at_ms: null, wait_since_ms: null });
    });

    it('looks first at waits that a clock which ran ahead has set, however many wait before them', async () => {
      for (let n = 0; n < 4; n++) await add({ priority: 0, depends_on: ['MC-99'] });
      const t = await add({ priority: 4, project: 'demo' });
      await claim(t);
      const far = { status: 'todo', attempts: 1, not_before_at_ms: NOW + 99_000 } as const;
      await b.retry(
        {
          ticket: t.id,
          guard: guardOf(await get(t.id)),
          runtime: rowGuard(await row('r1')),
          end: DEAD,
          to: far,
          why: WHY,
        },
        { actor: 'x', now_ms: NOW + 90_000 },
      );
      const look = await b.snapshot({ host_id: 'h1', now_ms: NOW, limit: 2, ...READY });
      expect(look.tickets[0]?.ticket.id).toBe(t.id);
    });

    describe('words of people', () => {
      const owed = async (ticket: string) =>
        (await b.words(ticket)).filter(({ honoured_by }) => honoured_by === null).map(({ text }) => text);
      const saved = async (
        n: number,
        turn: number,
        activity: 'busy' | 'idle',
        level: 'busy' | null = null,
      ) => {
        const { run, alive, ...rest } = { run: 'r1', alive: true, silent_ms: 0, launching_ms: 0 };
        const more = { question: null, client_session: null, level_ms: 0, limited_until_ms: null };
        const seen = { ...more, activity, level, turn, not_ready: null, fresh: 1, cursor: null };
        await b.saveTick({
          tick: {
            ...{ id: `w${n}`, host_id: 'h1', boot_id: 'b1', mono_ms: n, started_at_ms: NOW + n },
            ...{ finished_at_ms: NOW + n, outcome: 'ok', ramp: null, report: '{}' },
          },
          refresh: [{ run, alive, ...rest, phase: 'running', seen, output_at_s: null }],
        });
      };

      const worked = async () => {
        const t = await add();
        expect([await claim(t), await b.register(reg(), { now_ms: NOW })]).toEqual(['won', 'won']);
        return t;
      };

      it('are owed until a run that had them has reported', async () => {
        const t = await worked();
        const one = await b.keepAnswer({ ticket: t.id, text: 'blue', author: 'ann' }, { now_ms: NOW });
        const two = await b.keepAnswer({ ticket: t.id, text: 'or red', author: 'ann' }, { now_ms: NOW + 1 });
        await b.handWords({ ids: [one], run: 'r1', outcome: 'prompt', turn: 0 }, { now_ms: NOW + 2 });
        await b.takeAnswers({ ids: [one], run: 'r1' });
        expect(await owed(t.id)).toEqual(['blue', 'or red']);
        expect((await b.words(t.id))[0]).toMatchObject({
          ...{ id: one, ticket_id: t.id, author: 'ann', at_ms: NOW, honoured_by: null, honoured_at_ms: null },
          had: [{ run_id: 'r1', outcome: 'prompt', at_ms: NOW + 2 }],
        });
        expect(
          await b.report({ run: 'r1', to: 'in_review', message: '', turn: 1 }, { now_ms: NOW + 5 }),
        ).toBe('won');
        expect(await owed(t.id)).toEqual(['or red']);
        expect((await b.words(t.id))[0]).toMatchObject({ honoured_by: 'r1', honoured_at_ms: NOW + 5 });
        expect((await b.words(t.id))[1]).toMatchObject({ id: two, had: [] });
      });

      it('are owed until a run has ended a turn that began after them, by both of its signals', async () => {
        const t = await worked();
        const one = await b.keepAnswer({ ticket: t.id, text: 'blue', author: 'ann' }, { now_ms: NOW });
        await saved(1, 2, 'idle');
        await b.handWords({ ids: [one], run: 'r1', outcome: 'delivered', turn: 2 }, { now_ms: NOW });
        await saved(2, 2, 'idle');
        await saved(3, 3, 'busy');
        await saved(4, 3, 'idle', 'busy');
        expect(await owed(t.id)).toEqual(['blue']);
        await saved(5, 3, 'idle');
        expect(await owed(t.id)).toEqual([]);
        const two = await b.keepAnswer({ ticket: t.id, text: 'red', author: 'ann' }, { now_ms: NOW });
        await b.handWords({ ids: [two], run: 'r1', outcome: 'prompt', turn: 3 }, { now_ms: NOW });
        await saved(6, 5, 'busy');
        expect(await owed(t.id)).toEqual([]);
      });

      it('are honoured by a report that came before it was known that the run had them', async () => {
        const t = await worked();
        const one = await b.keepAnswer({ ticket: t.id, text: 'blue', author: 'ann' }, { now_ms: NOW });
        expect(
          await b.report({ run: 'r1', to: 'needs_input', message: '?', turn: 1 }, { now_ms: NOW + 5 }),
        ).toBe('won');
        await b.handWords({ ids: [one], run: 'r1', outcome: 'delivered', turn: 1 }, { now_ms: NOW + 6 });
        expect(await owed(t.id)).toEqual([]);
        const two = await b.keepAnswer({ ticket: t.id, text: 'red', author: 'ann' }, { now_ms: NOW + 7 });
        await b.handWords({ ids: [two], run: 'r1', outcome: 'delivered', turn: 1 }, { now_ms: NOW + 8 });
        expect(await owed(t.id)).toEqual(['red']);
      });

      it('that may not have arrived are honoured by nothing, until a later look tells', async () => {
        const t = await worked();
        const one = await b.keepAnswer({ ticket: t.id, text: 'blue', author: 'ann' }, { now_ms: NOW });
        await b.handWords({ ids: [one], run: 'r1', outcome: 'indeterminate', turn: 1 }, { now_ms: NOW });
        await saved(1, 3, 'idle');
        expect(await b.report({ run: 'r1', to: 'needs_input', message: '?', turn: 3 }, { now_ms: NOW })).toBe(
          'won',
        );
        expect(await owed(t.id)).toEqual(['blue']);
        await b.handWords({ ids: [one], run: 'r1', outcome: 'delivered', turn: 3 }, { now_ms: NOW + 1 });
        await b.handWords({ ids: [one], run: 'r1', outcome: 'indeterminate', turn: 3 }, { now_ms: NOW + 2 });
        expect((await b.words(t.id))[0]?.had).toEqual([{ run_id: 'r1', outcome: 'delivered', at_ms: NOW }]);
        await saved(2, 4, 'idle');
        expect(await owed(t.id)).toEqual([]);
      });

      it('are owed to the next attempt where one has died with them, and to none once withdrawn', async () => {
        const t = await worked();
        const one = await b.keepAnswer({ ticket: t.id, text: 'blue', author: 'ann' }, { now_ms: NOW });
        await b.handWords({ ids: [one], run: 'r1', outcome: 'delivered', turn: 0 }, { now_ms: NOW });
        const two = await b.keepAnswer({ ticket: t.id, text: 'no', author: 'ann' }, { now_ms: NOW });
        await b.takeAnswers({ ids: [two], run: 'withdrawn' });
        const [now, r1] = [await get(t.id), await row('r1')];
        expect(
          await b.retry(
            { ticket: t.id, guard: guardOf(now), runtime: rowGuard(r1), end: DEAD, to: AGAIN, why: WHY },
            { actor: 'x', now_ms: NOW },
          ),
        ).toBe('won');
        expect(await owed(t.id)).toEqual(['blue']);
        expect((await b.words(t.id)).map(({ text }) => text)).toEqual(['blue']);
      });
    });

    it('counts what is new of a session, by run and day', async () => {
      const totals = {
        ...{ input_tokens: 10, output_tokens: 5, cache_read_tokens: 7, cache_write_tokens: 1, turns: 1 },
        cost_usd: 0.5,
      };
      const t = await add();
      const record = {
        session: 's',
        run_id: 'r1',
        ticket_id: t.id,
        agent: 'robot',
        day: '2027-01-15',
        totals,
      };
      await b.recordUsage(record);
      await b.recordUsage(record); // nothing new
      const more = { ...totals, input_tokens: 30, turns: 2, cost_usd: 0.75 };
      await b.recordUsage({ ...record, run_id: 'r2', totals: more }); // the session goes on in another run
      expect(await b.usage({ ticket: t.id })).toEqual([
        { run_id: 'r1', day: '2027-01-15', ticket_id: t.id, agent: 'robot', ...totals },
        {
          ...{ run_id: 'r2', day: '2027-01-15', ticket_id: t.id, agent: 'robot' },
          ...{ input_tokens: 20, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0, turns: 1 },
          cost_usd: 0.25,
        },
      ]);
      const look = await b.snapshot({
        host_id: 'h1',
        now_ms: NOW,
        limit: 9,
        ...READY,
        budget_day: '2027-01-15',
      });
      expect(look.spent).toEqual({
        day: { tokens: 36, usd: 0.75 },
        tickets: { [t.id]: { tokens: 36, usd: 0.75 } },
      });
      expect(await b.usage({ since_day: '2027-01-16' })).toEqual([]);
    });

    it('lets no crowd that waits for a place hide the ticket that has one', async () => {
      for (let n = 0; n < 4; n++) await add({ priority: 0, project: 'full' });
      for (let n = 0; n < 4; n++) await add({ priority: 0, project: 'demo', agent: 'taken' });
      for (let n = 0; n < 4; n++) await add({ priority: 0, project: 'closed' });
      const busy = await add({ project: 'full', agent: 'taken', priority: 0 });
      await claim(busy, 'r1', {}, { project: 'full', agent: 'taken' });
      await add({ priority: 0, project: 'demo', agent: null });
      await add({ priority: 0, project: 'de"mo', agent: null });
      const last = await add({ priority: 4, project: 'de.mo-2_x', agent: null });
      const named = await add({ priority: 4, project: 'closed' });
      const ready = {
        authors: [],
        max_attempts: 3,
        projects: {
          full: { max_agents: 1, agent: 'robot' },
          demo: { max_agents: null, agent: 'taken' },
          'de.mo-2_x': { max_agents: null, agent: 'robot' },
        },
        agents: { robot: { max_agents: 2 }, taken: { max_agents: 1 } },
      };
      const look = await b.snapshot({
        host_id: 'h1',
        now_ms: NOW,
        limit: 2,
        ready,
        budget_day: null,
        also: [named.id],
        recent_since_ms: NOW,
      });
      const ids = look.tickets.map(({ ticket }) => ticket.id);
      expect(ids[0]).toBe(last.id);
      expect(ids).toContain(named.id);
      expect(look.beyond).toBe(13);
    });

    it('passes over a ticket that cannot be read, and over no other', async ({ skip }) => {
      if (it_.outside === undefined) skip();
      const [broken, fine] = [await add(), await add()];
      sql(`PRAGMA ignore_check_constraints = 1; UPDATE tickets SET labels = '{no' WHERE id = '${broken.id}'`);
      const look = await b.snapshot({ host_id: 'h1', now_ms: NOW, limit: 9, ...READY });
      expect(look.unreadable).toEqual([broken.id]);
      expect(look.tickets.map(({ ticket }) => ticket.id)).toEqual([fine.id]);
    });

    it('does not register a run of an older epoch, whoever raised it', async ({ skip }) => {
      if (it_.outside === undefined) skip();
      await claim(await add());
      sql(`UPDATE tickets SET claim_epoch = claim_epoch + 1 WHERE id = 'MC-1'`);
      await loses(() => b.register(reg(), { now_ms: NOW }));
    });

    it('tells what the newest ticks say of one ticket, and nothing of the others', async () => {
      const entry = (ticket: string, because: string) => ({ ticket, run: null, because, evidence: { n: 1 } });
      const save = (id: string, at_ms: number, report: object) =>
        b.saveTick({
          tick: {
            ...{ id, host_id: `h-${id}`, boot_id: 'b', mono_ms: 1, ramp: null, outcome: 'ok' },
            ...{ started_at_ms: at_ms, finished_at_ms: at_ms, report: JSON.stringify(report) },
          },
          refresh: [],
        });
      const both = [entry('MC-1', 'no_slot'), entry('MC-10', 'untrusted')];
      await save('t1', NOW, { reconcile: [], dispatch: [], skipped: both });
      await save('t2', NOW + 1, {
        reconcile: [{ ...entry('MC-1', 'agent_dead'), result: 'done' }],
        skipped: [],
      });
      await save('t3', NOW + 2, { skipped: [entry('MC-10', 'untrusted')] });
      await save('t4', NOW + 3, { skipped: ['"MC-1"', { ticket: ['MC-1'] }, 7], reconcile: 'MC-1' });
      const told = (await b.ticksAbout({ ticket: 'MC-1', limit: 9 })).map(({ report, ...head }) => ({
        ...head,
        ...(JSON.parse(report) as object),
      }));
      expect(told.slice(0, 2)).toEqual([
        {
          ...{ tick: 't1', host_id: 'h-t1', at_ms: NOW, outcome: 'ok', reconcile: [], dispatch: [] },
          skipped: [entry('MC-1', 'no_slot')],
        },
        {
          ...{ tick: 't2', host_id: 'h-t2', at_ms: NOW + 1, outcome: 'ok', dispatch: [], skipped: [] },
          reconcile: [{ ...entry('MC-1', 'agent_dead'), result: 'done' }],
        },
      ]);
      // What only looks like the ticket is no entry of it.
      for (const one of told.slice(2))
        expect(one).toMatchObject({ reconcile: [], dispatch: [], skipped: [] });
      expect((await b.ticksAbout({ ticket: 'MC-10', limit: 2 })).map(({ tick }) => tick)).toEqual(['t3']);
      expect(await b.ticksAbout({ ticket: 'MC-1', limit: 0 })).toEqual([]);
      expect(await b.ticksAbout({ ticket: "MC-1' OR 1", limit: 9 })).toEqual([]);
    });

    it('tells which tickets wait for the end of a back-off, the next first', async () => {
      const waits = async (not_before_at_ms: number | null): Promise<string> => {
        const t = await add();
        const run = `r-${t.id}`;
        await claim(t, run);
        const to = { status: 'todo', attempts: 1, not_before_at_ms } as const;
        const now = await get(t.id);
        const row = await b.runtime(run);
        if (row === null) throw new Error('no row');
        expect(
          await b.retry(
            { ticket: t.id, guard: guardOf(now), runtime: rowGuard(row), end: DEAD, to, why: WHY },
            { actor: 'x', now_ms: NOW },
          ),
        ).toBe('won');
        return t.id;
      };
      await add();
      const late = await waits(NOW + 9000);
      const soon = await waits(NOW + 1000);
      await waits(NOW);
      await waits(null);
      expect((await b.retries({ now_ms: NOW, limit: 9 })).map(({ id }) => id)).toEqual([soon, late]);
      expect((await b.retries({ now_ms: NOW, limit: 1 })).map(({ id }) => id)).toEqual([soon]);
      expect(await b.retries({ now_ms: NOW + 9000, limit: 9 })).toEqual([]);
      expect(await b.retries({ now_ms: NOW, limit: 0 })).toEqual([]);
    });

    it('keeps what went out of each claim, guarded by the version that was observed', async () => {
      const t = await add();
      const other = await add();
      expect(await b.reviews([t.id, other.id])).toEqual([]);
      expect(await b.reviews([])).toEqual([]);
      const first = aReview({ ticket_id: t.id });
      expect(await b.saveReview({ review: first, reader: null })).toBe('won');
      expect(await b.saveReview({ review: first, reader: null }), 'there is one already').toBe('lost');
      expect(await b.saveReview({ review: aReview({ ticket_id: t.id, claim_epoch: 2 }), reader: null })).toBe(
        'won',
      );
      expect(
        await b.saveReview({ review: aReview({ ticket_id: other.id, version: 3 }), reader: null }),
        'there is none',
      ).toBe('lost');
      const opened = {
        ...first,
        stage: 'open',
        number: 7,
        url: 'https://forge.example/7',
        head: 'abc',
      } as const;
      expect(await b.saveReview({ review: { ...opened, version: 1 }, reader: null })).toBe('won');
      expect(await b.saveReview({ review: { ...opened, version: 1, stage: 'closed' }, reader: null })).toBe(
        'lost',
      );
      expect(await b.reviews([t.id, other.id])).toEqual([
        { ...opened, version: 2 },
        aReview({ ticket_id: t.id, claim_epoch: 2, version: 1 }),
      ]);
      expect(await (await it_.reopen()).reviews([t.id])).toHaveLength(2);
    });

    it('adds the ticket of a reader with the row, once, or not at all', async () => {
      const t = await add();
      const reader = { ...NEW, title: 'Read it', labels: [`review-of:${t.id}`] };
      expect(await b.saveReview({ review: aReview({ ticket_id: t.id }), reader })).toBe('won');
      expect(await b.saveReview({ review: aReview({ ticket_id: t.id }), reader })).toBe('lost');
      const [row] = (await b.reviews([t.id])) ?? [];
      const all = await b.tickets({ limit: 9 });
      expect(all.map(({ title }) => title)).toEqual([t.title, 'Read it']);
      expect(row?.reader).toBe(all[1]?.id);
    });

    it('withstands resets by other programs, and heals after them', async ({ skip }) => {
      if (it_.outside === undefined) skip();
      const { t, r } = await working();
      sql(`UPDATE tickets SET status = 'todo' WHERE id = '${t.id}'`);
      await loses(() =>
        b.normalize(
          { ticket: t.id, guard: guardOf(t), runtime: rowGuard(r), pid: 42, because: 'agent_alive' },
          { actor: 'x', now_ms: NOW },
        ),
      );
      const reset = await get(t.id);
      await loses(() => claim(reset, 'r2'));
      expect(
        await b.normalize(
          { ticket: t.id, guard: guardOf(reset), runtime: rowGuard(r), pid: 42, because: 'agent_alive' },
          { actor: 'x', now_ms: NOW },
        ),
      ).toBe('won');
      sql(
        `UPDATE runtime_sessions SET phase = 'ended', ended_at_ms = ${NOW}, end_reason = 'me' WHERE id = 'r1'`,
      );
      expect(await b.liveRuntime(t.id)).toBeNull();
      expect(() => sql(`UPDATE runtime_sessions SET end_reason = 'x' WHERE id = 'r1'`)).toThrow(
        /never changes/,
      );
      expect(() => sql(`UPDATE tickets SET claim_epoch = 0 WHERE id = '${t.id}'`)).toThrow(/never falls/);
      expect(() => sql(`UPDATE activity SET text = 'x'`)).toThrow(/append-only/);
      sql(`DELETE FROM runtime_sessions WHERE id = 'r1'`);
      expect(await b.runtime('r1')).toBeNull();
      const live = (id: string) =>
        sql(`INSERT INTO runtime_sessions (id, ticket_id, host_id) VALUES ('${id}', '${t.id}', 'h')`);
      live('x1');
      expect(() => live('x2')).toThrow(/UNIQUE/);
      expect(() => sql(`UPDATE runtime_sessions SET phase = 'running' WHERE id = 'x1'`)).toThrow(/CHECK/);
      sql(`INSERT INTO tickets (title, project) VALUES ('by hand', 'house')`);
      expect(await get('MC-2')).toMatchObject({
        title: 'by hand',
        status: 'todo',
        trusted: false,
        labels: [],
      });
    });
  });
}
