/** What is only ever recorded: ticks, the log, deliveries; and what is read of them. */
import { expect, it } from 'vitest';
import type { Refresh } from '../../src/model/plan.ts';
import { NOW } from '../support/builders.ts';
import { AGAIN, DEAD, guardOf, READY, rowGuard, type Subject, WHY } from './subject.ts';

export function records({ row, working, b }: Subject): void {
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
    for (const one of told.slice(2)) expect(one).toMatchObject({ reconcile: [], dispatch: [], skipped: [] });
    expect((await b.ticksAbout({ ticket: 'MC-10', limit: 2 })).map(({ tick }) => tick)).toEqual(['t3']);
    expect(await b.ticksAbout({ ticket: 'MC-1', limit: 0 })).toEqual([]);
    expect(await b.ticksAbout({ ticket: "MC-1' OR 1", limit: 9 })).toEqual([]);
  });
}
