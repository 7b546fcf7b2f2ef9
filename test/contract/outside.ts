/** What other programs do to a board behind its back. */
import { expect, it } from 'vitest';
import { NOW } from '../support/builders.ts';
import { guardOf, rowGuard, type Subject } from './subject.ts';

export function outsiders({ sql, get, claim, working, loses, b, opened }: Subject): void {
  it('withstands resets by other programs, and heals after them', async ({ skip }) => {
    if (opened().outside === undefined) skip();
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
}
