import type { HandRequest, Words, WordsRow } from '../port/index.ts';
import { HOLD_LIVE } from './rows.ts';
import type { Store } from './store.ts';

interface Row extends Omit<WordsRow, 'had'> {
  readonly had: string;
}

/** What people say of a ticket, and which runs had it. */
export function words(store: Store): Words {
  return {
    keepAnswer: async ({ ticket, text, author }, { now_ms }) =>
      store.write(() =>
        store.insert(
          `INSERT INTO answers (ticket_id, text, author, at_ms) VALUES (@ticket, @text, @author, @now_ms)`,
          { ticket, text, author, now_ms },
        ),
      ),
    words: async (ticket) =>
      store
        .read(() => store.all<Row>(WORDS, { ticket }))
        .map((row) => ({ ...row, had: JSON.parse(row.had) as WordsRow['had'] })),
    handWords: async ({ ids, ...rest }, { now_ms }) =>
      store.write(() => {
        // A report of this run looks at what it has had, and this looks at its reports: one of them waits for the other.
        store.run(HOLD_LIVE, { run: rest.run });
        for (const id of ids) hand(store, { ...rest, id, now_ms });
      }),
    takeAnswers: async ({ ids, run }) => store.write(() => take(store, ids, run)),
  };
}

/** A launch that never registered showed its prompt to nobody. */
const WORDS = `
  SELECT id, ticket_id, text, author, at_ms, honoured_by, honoured_at_ms,
    (SELECT json_group_array(json_object('run_id', run_id, 'outcome', outcome, 'at_ms', at_ms)) FROM (
      SELECT h.run_id, h.outcome, h.at_ms FROM answer_runs AS h LEFT JOIN runtime_sessions AS r ON r.id = h.run_id
      WHERE h.answer_id = answers.id AND NOT (r.registered_at_ms IS NULL AND r.ended_at_ms IS NOT NULL)
      ORDER BY h.at_ms, h.run_id)) AS had
  FROM answers WHERE ticket_id = @ticket AND taken_by IS NOT 'withdrawn' ORDER BY id`;

/** What is certain is never made less so. */
function hand(
  store: Store,
  one: Omit<HandRequest, 'ids'> & { readonly id: number; readonly now_ms: number },
): void {
  store.run(
    `INSERT INTO answer_runs (answer_id, run_id, outcome, turn, at_ms) VALUES (@id, @run, @outcome, @turn, @now_ms)
     ON CONFLICT (answer_id, run_id) DO UPDATE SET outcome = excluded.outcome, turn = excluded.turn
     WHERE outcome = 'indeterminate' AND excluded.outcome <> 'indeterminate'`,
    one,
  );
  if (one.outcome !== 'delivered') return;
  take(store, [one.id], one.run);
  // It may have reported before it was known that it had them.
  store.run(
    `UPDATE answers SET honoured_by = @run, honoured_at_ms = @now_ms
     WHERE id = @id AND honoured_by IS NULL AND EXISTS (
       SELECT 1 FROM activity AS a WHERE a.ticket_id = answers.ticket_id AND a.run_id = @run AND a.kind = 'report'
         AND a.at_ms >= answers.at_ms)`,
    { id: one.id, run: one.run, now_ms: one.now_ms },
  );
}

/** Whoever says no more than this (a client of a contract before 1.4) has a run that had them all the same. */
function take(store: Store, ids: readonly number[], run: string): void {
  const values = { run, ids: JSON.stringify(ids) };
  store.run(
    `UPDATE answers SET taken_by = @run
     WHERE taken_by IS NULL AND id IN (SELECT value FROM json_each(@ids))`,
    values,
  );
  store.run(
    `INSERT OR IGNORE INTO answer_runs (answer_id, run_id, outcome, turn, at_ms)
     SELECT a.id, r.id, 'delivered', r.turn, max(a.at_ms, r.claimed_at_ms)
     FROM answers AS a JOIN runtime_sessions AS r ON r.id = @run
     WHERE a.id IN (SELECT value FROM json_each(@ids))`,
    values,
  );
}

/** Inside a write: the run has reported. An adopted row is the same process under another id, so that the mark counts. */
export function honourByReport(store: Store, row_id: string, now_ms: number): void {
  store.run(
    `UPDATE answers SET honoured_by = @row_id, honoured_at_ms = @now_ms
     WHERE honoured_by IS NULL AND taken_by IS NOT 'withdrawn'
       AND ticket_id = (SELECT ticket_id FROM runtime_sessions WHERE id = @row_id)
       AND EXISTS (
         SELECT 1 FROM answer_runs AS h JOIN runtime_sessions AS had ON had.id = h.run_id
         JOIN runtime_sessions AS now ON now.mark = had.mark
         WHERE h.answer_id = answers.id AND now.id = @row_id AND h.outcome <> 'indeterminate')`,
    { row_id, now_ms },
  );
}

/** Inside a write, after the rows of living runs have been brought up to date: whoever is idle has ended the turn it is in,
 *  whoever is not, the one before. */
export function honourByTurns(store: Store, runs: readonly string[], now_ms: number): void {
  store.run(
    `UPDATE answers SET honoured_by = ended.id, honoured_at_ms = @now_ms
     FROM (
       SELECT h.answer_id, now.id FROM runtime_sessions AS now
       JOIN runtime_sessions AS had ON had.mark = now.mark
       JOIN answer_runs AS h ON h.run_id = had.id
       WHERE now.id IN (SELECT value FROM json_each(@runs)) AND now.ended_at_ms IS NULL AND h.outcome <> 'indeterminate'
         AND h.turn < now.turn - NOT (now.activity = 'idle' AND coalesce(now.level, 'idle') = 'idle')) AS ended
     WHERE answers.id = ended.answer_id AND answers.honoured_by IS NULL AND answers.taken_by IS NOT 'withdrawn'`,
    { runs: JSON.stringify(runs), now_ms },
  );
}
