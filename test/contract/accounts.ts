/** What profiles may do, and what was used. */
import { expect, it } from 'vitest';
import { NOW } from '../support/builders.ts';
import { READY, type Subject } from './subject.ts';

export function accounts({ add, b }: Subject): void {
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
        reason: 'why',
        not_ready: 'log in',
        not_ready_stamp: 's',
      },
    ]);
    expect(await b.setReady({ name: 'a', fix: null, stamp: null }, { actor: 'x', now_ms: NOW })).toBe('won');
    expect((await b.accounts())[0]).toMatchObject({ not_ready: null, not_before_at_ms: NOW + 9 });
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
}
