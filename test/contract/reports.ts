/** The word of an agent. */
import { describe, expect, it } from 'vitest';
import { NOW } from '../support/builders.ts';
import { AGAIN, DEAD, guardOf, rowGuard, type Subject, WHY } from './subject.ts';

export function reports({ add, get, row, claim, adoptReq, working, kinds, loses, b }: Subject): void {
  describe('report', () => {
    const say = (to: 'in_review' | 'needs_input' | 'done' | 'blocked', run = 'r1') =>
      b.report({ run, to, message: 'words', turn: 4 }, { now_ms: NOW });

    it('moves the ticket and says why; in_review twice is once', async () => {
      const { t } = await working();
      expect(await say('needs_input')).toBe('won');
      const asked = { status: 'needs_input', reason: 'asked', reason_turn: 4, reason_run: 'r1' };
      expect(await get(t.id)).toMatchObject({ ...asked, reason_text: 'words' });
      expect(await say('in_review')).toBe('won');
      expect(await get(t.id)).toMatchObject({ status: 'in_review', reason: 'reported', reason_turn: null });
      const before = await kinds(t.id);
      expect(await say('in_review')).toBe('won');
      expect(await kinds(t.id)).toEqual(before);
      await loses(() => say('done'));
    });

    it.each(['done', 'cancelled', 'blocked'] as const)('is refused by a ticket in %s', async (status) => {
      const { t } = await working();
      await b.move(
        { ticket: t.id, version: t.version, to: status, why: 'x', trusted: false },
        { actor: 'ann', now_ms: NOW },
      );
      await loses(() => say('in_review'));
    });

    it.each<[string, string | null, string | null, 'won' | 'lost']>([
      ['to the name of the profile that runs', 'robot', null, 'won'],
      ['to another profile, as the caller knows', 'other', 'other', 'won'],
      ['to another one than the caller knows', 'ann', 'other', 'lost'],
      ['to a person', 'ann', null, 'lost'],
    ])('after the owner has changed %s', async (_name, owner, known, expected) => {
      const { t } = await working();
      await b.edit({ ticket: t.id, version: t.version, change: { owner } }, { actor: 'ann', now_ms: NOW });
      const said = { run: 'r1', to: 'in_review', message: 'done', turn: 1, owner: known } as const;
      expect(await b.report(said, { now_ms: NOW })).toBe(expected);
      expect((await get(t.id)).status).toBe(expected === 'won' ? 'in_review' : 'in_progress');
    });

    it("stands where the ticket has become nobody's", async () => {
      const { t } = await working({ owner: 'robot' });
      await b.edit(
        { ticket: t.id, version: t.version, change: { owner: null } },
        { actor: 'ann', now_ms: NOW },
      );
      expect(await say('in_review')).toBe('won');
    });

    it('is refused from a superseded run, an unknown run, and after the owner changed', async () => {
      const { t, r } = await working();
      await loses(() => say('done', 'nobody'));
      await b.edit(
        { ticket: t.id, version: t.version, change: { owner: 'bob' } },
        { actor: 'ann', now_ms: NOW },
      );
      await loses(() => say('done'));
      const taken = await get(t.id);
      await b.edit(
        { ticket: t.id, version: taken.version, change: { owner: null } },
        { actor: 'ann', now_ms: NOW },
      );
      const back = await get(t.id);
      await b.retry(
        { ticket: t.id, guard: guardOf(back), runtime: rowGuard(r), end: DEAD, to: AGAIN, why: WHY },
        { actor: 'x', now_ms: NOW },
      );
      expect(await claim(await get(t.id), 'r2')).toBe('won');
      await loses(() => say('done'));
      expect(await say('done', 'r2')).toBe('won');
    });

    it('that is told again, with the same words and time, is won and changes nothing, also when a person has answered since', async () => {
      const { t } = await working();
      expect(await say('needs_input')).toBe('won');
      const { version } = await get(t.id);
      const by = { actor: 'ann', now_ms: NOW };
      await b.move({ ticket: t.id, version, to: 'in_progress', why: 'x', trusted: false }, by);
      const before = [await get(t.id), await kinds(t.id)];
      expect(await say('needs_input')).toBe('won');
      expect([await get(t.id), await kinds(t.id)]).toEqual(before);
      expect(await b.report({ run: 'r1', to: 'done', message: 'words', turn: 4 }, { now_ms: NOW + 1 })).toBe(
        'won',
      );
      expect(await b.report({ run: 'r1', to: 'done', message: 'words', turn: 4 }, { now_ms: NOW + 1 })).toBe(
        'won',
      );
      await loses(() => say('done'));
    });

    it('finds an adopted row by the mark', async () => {
      const t = await add();
      await b.adopt(adoptReq(t), { actor: 'x', now_ms: NOW });
      await b.end({ runtime: rowGuard(await row('m1')), end: DEAD }, { actor: 'x', now_ms: NOW });
      await b.adopt(adoptReq(await get(t.id)), { actor: 'x', now_ms: NOW });
      expect(await say('done', 'm1')).toBe('won');
      expect((await get(t.id)).reason_run).toBe('m1.2');
    });
  });
}
