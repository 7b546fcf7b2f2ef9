/**
 * Writers that are really at work at once, each on a connection of its own. What must hold whichever of them is first: a
 * board that has no single writer keeps it by the WHERE of each write, and by one order of locks (board/port/index.ts).
 */
import { expect, it } from 'vitest';
import type { ActivityRow } from '../../src/board/port/index.ts';
import { NOW } from '../support/builders.ts';
import { AGAIN, type Call, DEAD, guardOf, NEW, rowGuard, type Subject, WHY } from './subject.ts';

/** So often each race is run. */
const ROUNDS = 6;
const BY = { actor: 'tick:1', now_ms: NOW };

export function races({ b, add, get, row, claim, reg, working, opened }: Subject): void {
  const together = (...calls: readonly Call[]) => opened().together(calls);
  /** Of two, now this one is let go first, now that one: threads mostly keep the order in which they are woken. */
  const both = async (n: number, one: Call, other: Call): Promise<unknown[]> =>
    n % 2 === 0 ? together(one, other) : (await together(other, one)).reverse();
  const rounds = async (race: (n: number) => Promise<void>): Promise<void> => {
    for (let n = 0; n < ROUNDS; n++) await race(n);
  };

  it('of eight claims at once one wins, and one row lives', async () => {
    await rounds(async (n) => {
      const t = await add();
      const calls = Array.from(
        { length: 8 },
        (_, k): Call => [
          'claim',
          {
            ...{
              ticket: t.id,
              guard: guardOf(t),
              run: `r${n}-${k}`,
              agent: 'robot',
              project: 'house',
              attempt: 1,
            },
            ...{ host_id: `h${k}`, boot_id: 'b1', kind: 'command', headless: false },
          },
          BY,
        ],
      );
      const won = (await together(...calls)).filter((one) => one === 'won');
      expect(won).toHaveLength(1);
      expect(await get(t.id)).toMatchObject({ status: 'in_progress', claim_epoch: 1, version: 2 });
      expect((await b.runtimesOf({ ticket: t.id, limit: 9 })).length).toBe(1);
    });
  });

  it('of a report and a retry at once one wins, and what the ticket says is what it did', async () => {
    await rounds(async (n) => {
      const { t, r } = await working({}, `r${n}`, { pid: 100 + n });
      const [report, retry] = await both(
        n,
        ['report', { run: r.id, to: 'in_review', message: 'done', turn: 1 }, { now_ms: NOW }],
        [
          'retry',
          { ticket: t.id, guard: guardOf(t), runtime: rowGuard(r), end: DEAD, to: AGAIN, why: WHY },
          BY,
        ],
      );
      expect([report, retry].sort()).toEqual(['lost', 'won']);
      const [now, then] = [await get(t.id), await row(r.id)];
      if (report === 'won') expect([now.status, then.ended_at_ms]).toEqual(['in_review', null]);
      else expect([now.status, then.end_reason]).toEqual(['todo', 'agent_dead']);
    });
  });

  it('of a registration and its deadline at once one wins: no agent begins on a ticket that was given back', async () => {
    await rounds(async (n) => {
      const t = await add();
      await claim(t, `r${n}`);
      const [now, r] = [await get(t.id), await row(`r${n}`)];
      const [registered, retried] = await both(
        n,
        ['register', reg(r.id, { pid: 100 + n }), { now_ms: NOW }],
        [
          'retry',
          { ticket: t.id, guard: guardOf(now), runtime: rowGuard(r), end: DEAD, to: AGAIN, why: WHY },
          BY,
        ],
      );
      expect([registered, retried].sort()).toEqual(['lost', 'won']);
      const [after, then] = [await get(t.id), await row(r.id)];
      if (registered === 'won')
        expect([after.status, after.worker_pid, then.phase]).toEqual(['in_progress', 100 + n, 'registered']);
      else expect([after.status, after.worker_pid, then.phase]).toEqual(['todo', null, 'ended']);
    });
  });

  it('work is submitted by a runtime that lives, or it has ended first: never both as if they were one', async () => {
    await rounds(async (n) => {
      const { t, r } = await working({}, `r${n}`, { pid: 100 + n });
      const [submitted, ended] = await both(
        n,
        ['submit', { ticket: t.id, guard: guardOf(t), runtime: rowGuard(r), because: 'work_in_commits' }, BY],
        ['end', { runtime: rowGuard(r), end: DEAD }, BY],
      );
      expect(ended).toBe('won');
      const kinds = (await b.activity({ ticket: t.id, limit: 9 })).map(({ kind }) => kind).slice(-2);
      expect(submitted === 'won' ? ['moved', 'ended'] : ['registered', 'ended']).toEqual(kinds);
      expect((await get(t.id)).status).toBe(submitted === 'won' ? 'in_review' : 'in_progress');
    });
  });

  it('of two edits that would close a circle together one is refused', async () => {
    await rounds(async () => {
      const [one, two] = [await add(), await add()];
      const edit = (of: typeof one, on: typeof one): Call => [
        'edit',
        { ticket: of.id, version: of.version, change: { depends_on: [on.id] } },
        BY,
      ];
      const answers = await together(edit(one, two), edit(two, one));
      expect(answers.filter((answer) => answer === 'won')).toHaveLength(1);
      expect(answers.filter((answer) => answer !== 'won')).toMatchObject([{ error: /can't depend on/ }]);
      const [a, z] = [await get(one.id), await get(two.id)];
      expect(a.depends_on.length + z.depends_on.length).toBe(1);
    });
  });

  it('of two imports of the same source at once one adds it, and both are told the same ticket', async () => {
    await rounds(async (n) => {
      const foreign = {
        ...{ ...NEW, source: `csv:a:${n}`, author: 'file:ann', trusted: false, attempts: 0 },
        ...{
          not_before_at_ms: null,
          reason: null,
          reason_text: null,
          created_at_ms: NOW,
          updated_at_ms: NOW,
        },
        comments: [],
      };
      const once: Call = ['importTickets', [foreign], BY];
      const answers = (await together(once, once, once)) as { id: string; added: boolean }[][];
      const all = answers.flat();
      expect(all.map(({ added }) => added).sort()).toEqual([false, false, true]);
      expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    });
  });

  it('what a session has used is counted once, however many record it at once', async () => {
    await rounds(async (n) => {
      const t = await add();
      const totals = {
        ...{ input_tokens: 10, output_tokens: 5, cache_read_tokens: 7, cache_write_tokens: 1, turns: 1 },
        cost_usd: 0.5,
      };
      const once: Call = [
        'recordUsage',
        { session: `s${n}`, run_id: `r${n}`, ticket_id: t.id, agent: 'robot', day: '2027-01-15', totals },
      ];
      await together(once, once, once, once);
      expect(await b.usage({ ticket: t.id })).toMatchObject([totals]);
    });
  });

  it('words that a run has while it reports are honoured by that report, whichever is first', async () => {
    await rounds(async (n) => {
      const { t, r } = await working({}, `r${n}`, { pid: 100 + n });
      const id = await b.keepAnswer({ ticket: t.id, text: 'green', author: 'ann' }, { now_ms: NOW });
      await both(
        n,
        ['handWords', { ids: [id], run: r.id, outcome: 'delivered', turn: 1 }, { now_ms: NOW + 1 }],
        ['report', { run: r.id, to: 'in_review', message: '', turn: 1 }, { now_ms: NOW + 1 }],
      );
      expect(await b.words(t.id)).toMatchObject([{ id, honoured_by: r.id }]);
    });
  });

  it('the log is numbered in the order of commits: who reads on after the last id misses nothing', async () => {
    const line = (writer: number, n: number): Omit<ActivityRow, 'id'> => ({
      ...{ at_ms: NOW, ticket_id: null, run_id: null, actor: `w${writer}`, kind: 'warning' },
      ...{ because: null, text: String(n) },
    });
    const seen: ActivityRow[] = [];
    let over = false;
    const writing = (async () => {
      for (let n = 0; n < 10; n++)
        await together(...Array.from({ length: 4 }, (_, writer): Call => ['log', line(writer, n)]));
      over = true;
    })();
    for (let last = false; !last; ) {
      last = over;
      // The writers' answers have to come in: a board in a file answers without ever letting go of the loop.
      await new Promise((go) => setImmediate(go));
      seen.push(...(await b.activity({ after: seen.at(-1)?.id ?? 0, limit: 100 })));
    }
    await writing;
    expect(seen).toHaveLength(40);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(40);
  });
}
