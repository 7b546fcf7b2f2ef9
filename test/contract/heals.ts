/** The writes of the reconcile pass, each under its guard. */
import { describe, expect, it } from 'vitest';
import type { RuntimeGuard, TicketGuard } from '../../src/model/plan.ts';
import { NOW } from '../support/builders.ts';
import { AGAIN, DEAD, guardOf, rowGuard, type Subject, WHY, WRONG } from './subject.ts';

export function heals({ add, get, row, claim, working, kinds, loses, b }: Subject): void {
  describe('guarded heals', () => {
    type Call = (t: string, g: TicketGuard, r: RuntimeGuard) => Promise<string>;
    const ask = { reason: 'agent_waiting', text: 'why?', turn: 3, park: false };
    const calls: Readonly<Record<string, Call>> = {
      normalize: (t, g, r) =>
        b.normalize(
          { ticket: t, guard: g, runtime: r, pid: 42, because: 'agent_alive' },
          { actor: 'tick:1', now_ms: NOW },
        ),
      ask: (t, g, r) => b.ask({ ticket: t, guard: g, runtime: r, ...ask }, { actor: 'tick:1', now_ms: NOW }),
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
    const [t3, r3] = [await get(t.id), await row('r1')];
    const goesOn = { ticket: t.id, guard: guardOf(t3), runtime: rowGuard(r3), turn: 3, free: true };
    expect(await b.nudge(goesOn, { actor: 'x', now_ms: NOW })).toBe('won');
    expect(await row('r1')).toMatchObject({ nudges: 2, nudged_turn: 3 });
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
}
