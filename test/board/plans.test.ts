/** Every statement that the board prepares finds its rows by an index: a board grows for years, and a tick looks at it every minute. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, expect, it, vi } from 'vitest';
import { OLD_TABLES } from '../../src/board/port/upkeep.ts';
import { boardHealth, countOld, sweepOld, takeOld } from '../../src/board/sqlite/care.ts';
import { openBoard } from '../../src/board/sqlite/index.ts';
import { exercise, oneByOne } from '../contract/index.ts';
import { boardAt } from '../support/boards.ts';
import { NOW } from '../support/builders.ts';

const prepared = new Set<string>();
const { prepare } = Database.prototype;
vi.spyOn(Database.prototype, 'prepare').mockImplementation(function (this: Database.Database, sql: string) {
  prepared.add(sql);
  return prepare.call(this, sql);
});
afterAll(() => {
  vi.restoreAllMocks();
});

exercise('sqlite, its statements listened to', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mc-plans-'));
  const path = join(dir, 'board.sqlite');
  const boards = [boardAt(path)] as const;
  const others: ReturnType<typeof openBoard>[] = [];
  return {
    board: boards[0],
    reopen: async () => {
      const other = openBoard(path);
      others.push(other);
      return other;
    },
    together: (calls) => oneByOne(boards[0], calls), // other threads are not listened to
    outside: (sql) => {
      const db = new Database(path);
      db.exec(sql);
      db.close();
    },
    cleanup: async () => {
      for (const one of [...boards, ...others]) await one.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
});

/** What reaches the file past the port. */
it('the board is kept small, and looked after', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mc-plans-'));
  const path = join(dir, 'board.sqlite');
  try {
    await openBoard(path).close();
    const limits = { now_ms: NOW, activity: NOW, ticks: NOW, deliveries: NOW };
    sweepOld(path, limits, { activity: 0, ticks: 0, deliveries: 0 });
    countOld(path, NOW);
    for (const table of OLD_TABLES)
      takeOld(path, table, { before_ms: NOW, file: join(dir, table), between: () => {} });
    boardHealth(path, { host_id: 'h', since_ms: 0 });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

/** Steps that may go from one end to the other, and why. */
const WALKED: readonly (readonly [RegExp, string])[] = [
  [
    /^SCAN \w+ USING (COVERING )?INDEX tickets_(todo|in_progress)\b/,
    'what waits or is worked on, and no others',
  ],
  [/^SCAN \w+ USING (COVERING )?INDEX runtime_live\b/, 'the runs that live, and no others'],
  [/^SCAN (value|d|json_each|x|found)\b/, 'a list that was handed in or found'],
  [/^SCAN (h|hosts|accounts|board)\b/, 'one row a host, a profile, a board'],
];
/** Statements that may, and why. */
const EXCUSED: readonly (readonly [RegExp, string])[] = [
  [/^\s*SELECT status, count\(\*\)/, 'the counts of `status`, over an index'],
  [
    /FROM tickets WHERE TRUE\s+(AND project = @project)?\s*ORDER BY seq LIMIT/,
    '`ticket list`: in order, as far as its limit',
  ],
  [/FROM usage WHERE TRUE\s+ORDER BY/, 'never asked: a ticket or a day is always named'],
  [
    /^SELECT (id, status, claim_epoch, version, depends_on FROM tickets|id, mark, phase, .* FROM runtime_sessions)$/,
    'only prepared, to see the columns',
  ],
  [/FROM sqlite_schema LIMIT 1/, 'the first table of a foreign file'],
  [/\(SELECT \* FROM activity ORDER BY id DESC LIMIT @look\)/, 'the end of the log, as far as its bound'],
  [/^SELECT at_ms AS at FROM activity ORDER BY id DESC LIMIT 1$/, 'the end of the log'],
  [
    /^SELECT count\(\*\) AS n, sum\(.*\) AS bytes FROM (activity|ticks|deliveries) WHERE/,
    'what `clean` proposes, counted when a person asks; retention bounds how much there is',
  ],
  [/FROM ticks[\s\S]*ORDER BY rowid DESC LIMIT/, 'the newest ticks, as far as their bound'],
];

it('no statement walks through tickets, activity, deliveries, runs or ticks', async () => {
  const statements = [...prepared].filter((sql) => /^\s*(SELECT|WITH|UPDATE|DELETE|INSERT)/i.test(sql));
  expect(statements.length).toBeGreaterThan(40);
  const dir = mkdtempSync(join(tmpdir(), 'mc-plans-'));
  const path = join(dir, 'board.sqlite');
  await openBoard(path).close();
  const db = new Database(path);
  try {
    const walks = statements
      .filter((sql) => !EXCUSED.some(([fits]) => fits.test(sql)))
      .flatMap((sql) =>
        planOf(db, sql)
          .filter(
            (step) => /^SCAN\b/.test(step) && !/^SCAN (CONSTANT ROW|\(subquery|\d+ CONSTANT)/.test(step),
          )
          .filter((step) => !WALKED.some(([fits]) => fits.test(step)))
          .map((step) => `${step}: ${sql.replace(/\s+/g, ' ').trim()}`),
      );
    expect(walks).toEqual([]);
  } finally {
    db.close();
    rmSync(dir, { recursive: true, force: true });
  }
});

it('what waits is read from its index alone: each column that a decision is made from is in it', async () => {
  const looks = [...prepared].filter((sql) => /INDEXED BY tickets_todo/.test(sql));
  expect(looks.length).toBeGreaterThan(1);
  const dir = mkdtempSync(join(tmpdir(), 'mc-plans-'));
  await openBoard(join(dir, 'board.sqlite')).close();
  const db = new Database(join(dir, 'board.sqlite'));
  try {
    for (const sql of looks)
      expect(planOf(db, sql)).toContainEqual('SCAN tickets USING COVERING INDEX tickets_todo');
  } finally {
    db.close();
    rmSync(dir, { recursive: true, force: true });
  }
});

function planOf(db: Database.Database, sql: string): string[] {
  const names = [...sql.matchAll(/[@:$](\w+)/g)].map(([, name = '']) => name);
  const values = Object.fromEntries(names.map((name) => [name, NOW]));
  const places = (sql.match(/\?/g) ?? []).map(() => NOW);
  const explain = prepare.call(db, `EXPLAIN QUERY PLAN ${sql}`);
  const rows = names.length > 0 ? explain.all(values) : explain.all(places);
  return rows.map((row) => (row as { readonly detail: string }).detail);
}
