import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeSandbox, type Sandbox } from '../support/sandbox.ts';

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(async () => {
  await box.destroy();
});

const FOREIGN = {
  'with a schema version of its own': 'CREATE TABLE songs (id INTEGER); PRAGMA user_version = 1;',
  'with our schema version and a table of our name':
    'CREATE TABLE tickets (id TEXT, seat TEXT); PRAGMA user_version = 1;',
  'without a schema version': 'CREATE TABLE tickets (id TEXT, seat TEXT);',
} as const;

describe.each(Object.entries(FOREIGN))("another program's file %s", (_, sql) => {
  it('is refused in one line with exit 78, and stays as it is', () => {
    const state = join(box.dir, 'other');
    mkdirSync(state);
    const file = join(state, 'board.sqlite');
    const db = new Database(file);
    db.exec(sql);
    db.close();
    const before = readFileSync(file);
    for (const args of [
      ['dispatch'],
      ['dispatch', '--dry-run'],
      ['init'],
      ['status'],
      ['ticket', 'list'],
      ['ticket', 'add', '--title', 'One'],
    ]) {
      const done = box.run(args, '', { MC_PICKUP_STATE_DIR: state });
      expect(done.err).toMatch(/^mc-pickup: \S+board\.sqlite is another program's SQLite file[^\n]+\n$/);
      expect(done).toMatchObject({ code: 78, out: '' });
    }
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(readdirSync(state)).toEqual(['board.sqlite']);
  });
});
