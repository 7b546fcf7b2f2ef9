/** How a ticket and a runtime come together. */
import { expect, it } from 'vitest';
import type { Refresh, RuntimeGuard } from '../../src/model/plan.ts';
import type { Ticket } from '../../src/model/ticket.ts';
import { NOW } from '../support/builders.ts';
import { DEAD, guardOf, rowGuard, type Subject, WRONG } from './subject.ts';

export function claims({
  sql,
  add,
  get,
  row,
  claim,
  reg,
  adoptReq,
  working,
  kinds,
  loses,
  b,
  opened,
}: Subject): void {
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
    await loses(() => b.adopt(adoptReq(free, { pid: 42, pid_start: '7' }), { actor: 'tick:1', now_ms: NOW }));
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
    if (opened().outside === undefined) skip();
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

  async function changed(how: string, { id: ticket, version }: Ticket, runtime: RuntimeGuard): Promise<void> {
    const by = { actor: 'ann', now_ms: NOW };
    if (how === 'moved') await b.move({ ticket, version, to: 'cancelled', why: 'no', trusted: false }, by);
    if (how === 'owner') await b.edit({ ticket, version, change: { owner: 'bob' } }, by);
    if (how === 'ended') await b.end({ runtime, end: DEAD }, { ...by, actor: 'tick:2' });
  }

  it.each(['moved', 'owner', 'ended'])('but not after: %s', async (how) => {
    const { t, r } = await working();
    await changed(how, t, rowGuard(r));
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
    await changed(how, await get('MC-1'), { run: 'r1', version: 1 });
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
    await loses(() => b.adopt(adoptReq(busy, { instead_of: 'r7', mark: 'm9' }), { actor: 'x', now_ms: NOW })); // it is an agent
  });

  it('does not register a run of an older epoch, whoever raised it', async ({ skip }) => {
    if (opened().outside === undefined) skip();
    await claim(await add());
    sql(`UPDATE tickets SET claim_epoch = claim_epoch + 1 WHERE id = 'MC-1'`);
    await loses(() => b.register(reg(), { now_ms: NOW }));
  });
}
