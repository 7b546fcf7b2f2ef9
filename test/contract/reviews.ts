/** What went out of the work of claims. */
import { expect, it } from 'vitest';
import { aReview } from '../support/builders.ts';
import { NEW, type Subject } from './subject.ts';

export function reviews({ b, add, opened }: Subject): void {
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
    const later = {
      ...first,
      stage: 'open',
      number: 7,
      url: 'https://forge.example/7',
      head: 'abc',
    } as const;
    expect(await b.saveReview({ review: { ...later, version: 1 }, reader: null })).toBe('won');
    expect(await b.saveReview({ review: { ...later, version: 1, stage: 'closed' }, reader: null })).toBe(
      'lost',
    );
    expect(await b.reviews([t.id, other.id])).toEqual([
      { ...later, version: 2 },
      aReview({ ticket_id: t.id, claim_epoch: 2, version: 1 }),
    ]);
    expect(await (await opened().reopen()).reviews([t.id])).toHaveLength(2);
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
}
