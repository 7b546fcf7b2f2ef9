/** A board that somebody has open, or that a killed tick has left, is read with its log, and nothing beside it changes. */
import { spawnSync } from 'node:child_process';
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openBoard, openBoardReadOnly } from '../../src/board/sqlite/index.ts';
import { readOnly } from '../../src/board/sqlite/open.ts';
import { withLog } from '../../src/board/sqlite/wal.ts';
import { fc } from '../support/draws.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-wal-'));
  path = join(dir, 'board.sqlite');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const picture = (where: string) =>
  readdirSync(where).map((name) => {
    const { mtimeNs, ino, mode, size } = lstatSync(join(where, name), { bigint: true });
    return [name, mtimeNs, ino, mode, size, readFileSync(join(where, name), 'base64')];
  });

it.each([[['-shm']], [[]]])(
  'what a killed writer left (without %j) is read, and stays as it is',
  async (gone) => {
    const own = openBoard(path);
    const from = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
    const ticket = {
      title: 'old',
      body: '',
      status: 'todo',
      priority: 2,
      project: 'p',
      labels: [],
    } as const;
    await own.addTicket({ ...ticket, ...from }, { now_ms: 1 });
    await own.close();
    const script = `const db = new (require('better-sqlite3'))(${JSON.stringify(path)});
    db.exec("PRAGMA journal_mode = WAL; UPDATE tickets SET title = 'in the log'");
    process.kill(process.pid, 'SIGKILL');`;
    expect(spawnSync(process.execPath, ['-e', script]).signal).toBe('SIGKILL');
    expect(readdirSync(dir)).toContain('board.sqlite-wal');
    for (const name of gone) rmSync(`${path}${name}`);
    const before = picture(dir);
    const board = openBoardReadOnly(path);
    expect(await board.ticket('MC-1')).toMatchObject({ title: 'in the log' });
    await board.close();
    expect(picture(dir)).toEqual(before);
  },
);

/** What may become of a database and its log. */
const DEEDS: Readonly<Record<string, (db: Database.Database, n: number) => void>> = {
  add: (db, n) => void db.prepare('INSERT INTO t VALUES (?, ?)').run(n, 'x'.repeat((n * 977) % 9000)),
  change: (db, n) => void db.prepare('UPDATE t SET text = ? WHERE id % 3 = ?').run(`changed ${n}`, n % 3),
  // Frames that nobody commits: the cache is too small to hold them back.
  undo: (db, n) => {
    db.exec('BEGIN');
    for (let at = 0; at < 40; at++) db.prepare('INSERT INTO t VALUES (?, ?)').run(-n, 'y'.repeat(4000));
    db.exec('ROLLBACK');
  },
  remove: (db, n) => void db.prepare('DELETE FROM t WHERE id % 2 = ?').run(n % 2),
  shrink: (db) => db.exec('VACUUM'),
  move: (db) => void db.pragma('wal_checkpoint(PASSIVE)'),
  // The next write begins the log anew: behind it stand frames of before.
  restart: (db) => void db.pragma('wal_checkpoint(RESTART)'),
  truncate: (db) => void db.pragma('wal_checkpoint(TRUNCATE)'),
};

it('whatever was done to it, it is read as SQLite itself reads it', () => {
  let n = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(512, 4096, 65536),
      fc.array(fc.constantFrom(...Object.keys(DEEDS)), { maxLength: 12 }),
      (size, deeds) => {
        const file = join(dir, `${n++}.sqlite`);
        const db = new Database(file);
        db.exec(`PRAGMA page_size = ${size}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
          PRAGMA cache_size = 5; CREATE TABLE t (id, text)`);
        for (const [at, deed] of deeds.entries()) DEEDS[deed]?.(db, at);
        const copy = join(dir, `copy-${n}`);
        mkdirSync(copy);
        for (const name of readdirSync(dir).filter(
          (one) => one.startsWith(`${n - 1}.sqlite`) && !one.endsWith('-shm'),
        ))
          cpSync(join(dir, name), join(copy, name));
        const before = picture(copy);
        const read = readOnly(join(copy, `${n - 1}.sqlite`));
        const all = 'SELECT id, text FROM t ORDER BY rowid';
        expect(read.prepare(all).all()).toEqual(db.prepare(all).all());
        expect(read.pragma('integrity_check')).toEqual([{ integrity_check: 'ok' }]);
        expect(picture(copy)).toEqual(before);
        read.close();
        db.close();
      },
    ),
    { numRuns: 60 },
  );
});

it('a log that is torn ends where it is torn, and one of nonsense says nothing', () => {
  const db = new Database(path);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (id)');
  db.pragma('wal_checkpoint(TRUNCATE)');
  const empty = readFileSync(path);
  const ends: number[] = [];
  for (let n = 0; n < 5; n++) {
    db.prepare('INSERT INTO t VALUES (?)').run(n);
    ends.push(readFileSync(`${path}-wal`).length);
  }
  const log = readFileSync(`${path}-wal`);
  db.close();
  for (let cut = 0; cut <= log.length; cut += 509) {
    const bytes = Buffer.from(withLog(empty, log.subarray(0, cut)));
    bytes.fill(1, 18, 20);
    const read = new Database(bytes, { readonly: true });
    expect(read.prepare('SELECT id FROM t').all()).toHaveLength(ends.filter((end) => end <= cut).length);
    read.close();
  }
  expect(withLog(empty, Buffer.alloc(9000, 7))).toBe(empty);
  const spoilt = Buffer.from(log);
  spoilt.writeUInt8(spoilt.readUInt8(100) ^ 1, 100);
  expect(withLog(empty, spoilt)).toBe(empty);
});
