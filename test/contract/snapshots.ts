/** What a tick sees. */
import { expect, it } from 'vitest';
import type { NewTicket } from '../../src/board/port/index.ts';
import { isReady } from '../../src/model/ready.ts';
import { NOW } from '../support/builders.ts';
import { DEAD, guardOf, READY, rowGuard, type Subject, WHY } from './subject.ts';

export function snapshots({ sql, add, get, row, claim, working, b, opened }: Subject): void {
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
    const later = {
      now_ms: NOW + 31 * 60_000,
      heals_since_ms: NOW + 60_000,
      recent_since_ms: NOW + 21 * 60_000,
    };
    const much = await b.snapshot({ host_id: 'h1', limit: 9, ...READY, ...later });
    expect(much.tickets.find(({ ticket }) => ticket.id === t.id)?.heals).toBe(0);
    expect(much.recent).toEqual([]);
    // A clock that has run ahead wrote it: before that time it says nothing.
    const earlier = await b.snapshot({ host_id: 'h1', now_ms: NOW - 1, limit: 9, ...READY });
    expect(earlier.recent).toEqual([]);
    expect(earlier.tickets.find(({ ticket }) => ticket.id === t.id)?.heals).toBe(0);
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
      heals_since_ms: NOW,
      recent_since_ms: NOW,
    });
    const ids = look.tickets.map(({ ticket }) => ticket.id);
    expect(ids[0]).toBe(last.id);
    expect(ids).toContain(named.id);
    expect(look.beyond).toBe(13);
  });

  it('passes over a ticket that cannot be read, and over no other', async ({ skip }) => {
    if (opened().outside === undefined) skip();
    const [broken, fine] = [await add(), await add()];
    sql(`PRAGMA ignore_check_constraints = 1; UPDATE tickets SET labels = '{no' WHERE id = '${broken.id}'`);
    const look = await b.snapshot({ host_id: 'h1', now_ms: NOW, limit: 9, ...READY });
    expect(look.unreadable).toEqual([broken.id]);
    expect(look.tickets.map(({ ticket }) => ticket.id)).toEqual([fine.id]);
  });

  it('looks first at what is ready, as the model says what that is', async () => {
    const done = await add();
    await b.move(
      { ticket: done.id, version: 1, to: 'done', why: '', trusted: true },
      { actor: 'a', now_ms: NOW },
    );
    const kinds: readonly Partial<NewTicket>[] = [
      { trusted: false },
      { trusted: false, author: 'friend' },
      { agent: 'nobody' },
      { owner: 'ann' },
      { owner: 'robot', agent: 'nobody' },
      { project: 'closed' },
      { project: 'unnamed' },
      { project: 'unnamed', agent: 'robot' },
      { depends_on: [done.id] },
      { depends_on: [done.id, 'MC-99'] },
      {},
    ];
    for (const kind of kinds) await add({ project: 'demo', ...kind });
    const ready = {
      ...{ authors: ['friend'], max_attempts: 3, agents: { robot: { max_agents: null } } },
      projects: { demo: { max_agents: null, agent: 'robot' }, unnamed: { max_agents: null, agent: null } },
    };
    const all = await b.tickets({ status: ['todo'], limit: 99 });
    const first = all.filter((one) => isReady(one, ready, { now_ms: NOW, done: new Set([done.id]) }));
    expect(first.length).toBe(5);
    const look = await b.snapshot({ host_id: 'h1', now_ms: NOW, ...READY, ready, limit: first.length });
    expect(look.tickets.map(({ ticket }) => ticket.id)).toEqual(first.map(({ id }) => id));
  });
}
