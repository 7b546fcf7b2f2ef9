/** Tickets that come from elsewhere. */
import { expect, it } from 'vitest';
import type { ForeignTicket } from '../../src/board/port/index.ts';
import { NOW } from '../support/builders.ts';
import { NEW, type Subject } from './subject.ts';

export function imports({ add, get, b, opened }: Subject): void {
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
    const again = [foreign('csv:a:1', { title: 'another' }), foreign('csv:a:3', { depends_on: ['csv:a:2'] })];
    expect((await b.importTickets(again, { actor: 'ann', now_ms: NOW })).map(({ added: is }) => is)).toEqual([
      false,
      true,
    ]);
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
    expect(await (await opened().reopen()).boardId()).toBe(id);
  });
}
