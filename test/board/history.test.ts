import { expect, it } from 'vitest';
import { memoryBoard } from '../explorer/board.ts';

it('history is read by the indexes that are there: no table is walked through', async () => {
  const asked: string[] = [];
  const { db, board } = memoryBoard({
    rewrite: (sql) => {
      asked.push(sql);
      return sql;
    },
  });
  await board.history({ since_ms: 1, limit: 9 });
  expect(asked).toHaveLength(3);
  const plans = asked.map((sql) =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all({ since_ms: 1, limit: 9, look: 180 })
      .map((step) => (step as { readonly detail: string }).detail)
      .join('\n'),
  );
  const [runs, ticks, events] = plans;
  expect(runs).toMatch(/runtime_live\b/);
  expect(runs).toMatch(/runtime_ended \(ended_at_ms>\?\)/);
  expect(ticks).toMatch(/ticks_host \(host_id=\? AND started_at_ms>\?\)/);
  expect(runs).not.toMatch(/SCAN (r|t)\b/);
  expect(ticks).not.toMatch(/SCAN (t|ticks)\b/);
  // By its end alone, so far as is asked for.
  expect(events).not.toMatch(/TEMP B-TREE/);
  await board.close();
});
