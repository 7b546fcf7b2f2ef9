/** What people say of a ticket, and which runs had it. */
import { describe, expect, it } from 'vitest';
import { NOW } from '../support/builders.ts';
import { AGAIN, DEAD, guardOf, rowGuard, type Subject, WHY } from './subject.ts';

export function words({ add, get, row, claim, reg, b }: Subject): void {
  describe('words of people', () => {
    const owed = async (ticket: string) =>
      (await b.words(ticket)).filter(({ honoured_by }) => honoured_by === null).map(({ text }) => text);
    const saved = async (n: number, turn: number, activity: 'busy' | 'idle', level: 'busy' | null = null) => {
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
      expect(await b.report({ run: 'r1', to: 'in_review', message: '', turn: 1 }, { now_ms: NOW + 5 })).toBe(
        'won',
      );
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
}
