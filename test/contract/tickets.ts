/** Tickets as people handle them. */
import { expect, it } from 'vitest';
import { NOW } from '../support/builders.ts';
import { DEAD, guardOf, NEW, rowGuard, type Subject, WHY } from './subject.ts';

export function tickets({ add, get, row, claim, working, loses, b, opened }: Subject): void {
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
    expect(await (await opened().reopen()).ticket('MC-1')).toEqual(t);
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

  it('a person who takes a ticket from a dead run opens an epoch: that run is not retried', async () => {
    const { t } = await working();
    const taken = { to: 'in_progress', why: 'mine', trusted: true } as const;
    expect(await b.move({ ticket: t.id, version: t.version, ...taken }, { actor: 'ann', now_ms: NOW })).toBe(
      'won',
    );
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
}
