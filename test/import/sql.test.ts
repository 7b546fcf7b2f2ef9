/** The views that docs/sql.md promises, and every query in it, as they are asked with the real shell. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCHEMA_1, SCHEMA_2, SCHEMA_3 } from '../../src/board/sqlite/schema.ts';
import { blocksOf } from '../docs/blocks.ts';
import { Rig } from '../support/rig.ts';
import { BOUND_MS } from '../support/sandbox.ts';

const DOCUMENT = 'docs/sql.md';
const VIEWS = ['v1_tickets', 'v1_runs', 'v1_activity', 'v1_ticks', 'v1_usage', 'v1_deliveries'];

let rig: Rig;
beforeAll(async () => {
  rig = new Rig();
  const asks = rig.add('ask');
  const holds = rig.add('hold');
  rig.box.run(['dispatch']);
  await rig.holding(holds);
  await rig.settle(asks, 'needs_input');
  rig.box.run(['reconcile']);
  rig.box.sql(
    `INSERT INTO usage (run_id, day, ticket_id, agent, output_tokens) VALUES ('r', '2026-11-26', '${asks}', 'a', 7)`,
  );
});
afterAll(() => rig.box.destroy());

/** Asks with the shell that people use; the error, if any, is part of what it says. */
function ask(sql: string): { readonly code: number | null; readonly out: string } {
  const args = ['-readonly', '-batch', '-json', rig.box.boardFile];
  const done = spawnSync('sqlite3', args, { input: sql, encoding: 'utf8', timeout: BOUND_MS });
  return { code: done.status, out: `${done.stdout}${done.stderr}` };
}
const shell = spawnSync('sqlite3', ['-version'], { encoding: 'utf8' }).status === 0;
const need = (skip: (why: string) => void): void => {
  if (shell) return;
  if (process.env.CI) throw new Error('the sqlite3 shell is not installed');
  skip('the sqlite3 shell is not installed');
};

/** The columns that the document has for a view, in their order: the first table below its heading. */
function documented(view: string): string[] {
  const part =
    readFileSync(DOCUMENT, 'utf8')
      .split(/^## /m)
      .find((one) => one.startsWith(`${view}\n`)) ?? '';
  const [table = ''] = /^\|.*(?:\n\|.*)*/m.exec(part) ?? [];
  return [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name);
}

describe('the views', () => {
  it.each(VIEWS)('%s has exactly the columns that are documented, and a row where there is one', (view) => {
    const columns = rig.box.sql<{ name: string }>(`SELECT name FROM pragma_table_info('${view}')`);
    expect(columns.map(({ name }) => name)).toEqual(documented(view));
    expect(rig.box.sql(`SELECT * FROM ${view}`).length).toBeGreaterThan(0);
  });

  it('are all that there are', () => {
    const all = rig.box.sql<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'view'");
    expect(all.map(({ name }) => name).sort()).toEqual([...VIEWS].sort());
  });

  it('have times that are exact and sort as text', () => {
    rig.box.sql("INSERT INTO tickets (title, project, created_at_ms) VALUES ('t', 'p', 1764144000999)");
    const [row] = rig.box.sql<{ created_at: string }>("SELECT created_at FROM v1_tickets WHERE title = 't'");
    expect(row?.created_at).toBe(new Date(1764144000999).toISOString());
  });

  it.each(VIEWS)('%s can be written to by nobody, even where the board can', (view) => {
    expect(() => rig.box.sql(`DELETE FROM ${view}`)).toThrow('because it is a view');
    expect(() => rig.box.sql(`INSERT INTO ${view} DEFAULT VALUES`)).toThrow();
  });
});

describe('the shell', () => {
  const queries = blocksOf(DOCUMENT)
    .filter(({ language }) => language === 'sql')
    .flatMap(({ text }) => text.split(/(?<=;)\n\n/));

  it.for(queries)('%s', (sql, { skip }) => {
    need(skip);
    const { code, out } = ask(sql);
    expect(code, out).toBe(0);
    if (out.trim() !== '') expect(Array.isArray(JSON.parse(out))).toBe(true);
  });

  it('reads what a tick beside it writes, and changes nothing', ({ skip }) => {
    need(skip);
    const title = `new ${Date.now()}`;
    rig.box.run(['ticket', 'add', '--title', title, '--project', 'demo']);
    expect(ask('SELECT title FROM v1_tickets ORDER BY ticket DESC').out).toContain(title);
    const refused = ask("UPDATE tickets SET title = 'x'");
    expect(refused.code).not.toBe(0);
    expect(refused.out).toContain('readonly');
  });
});

it('a board of the third schema gets them, and its tickets have no source', async () => {
  const { default: Database } = await import('better-sqlite3');
  const { mkdirSync } = await import('node:fs');
  const { join } = await import('node:path');
  const { openBoard } = await import('../../src/board/sqlite/index.ts');
  const path = join(rig.box.dir, 'old', 'board.sqlite');
  mkdirSync(join(rig.box.dir, 'old'), { mode: 0o700 });
  const old = new Database(path);
  old.exec(`${SCHEMA_1}${SCHEMA_2}${SCHEMA_3}
    INSERT INTO tickets (title, project) VALUES ('old', 'p'); PRAGMA user_version = 3`);
  old.close();
  const board = openBoard(path);
  expect(await board.ticket('MC-1')).toMatchObject({ title: 'old', source: null });
  expect(await board.boardId()).toMatch(/^[0-9a-f]{16}$/);
  await board.close();
});
