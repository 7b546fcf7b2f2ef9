/*
 * What the growth benchmark measures: the bytes of each table, the write-ahead log at its largest, the longest write
 * transaction, the directories of runs, and what a whole process takes.
 */
import { spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Places } from '../../src/machine/paths.ts';

/** What is the user's own and stays; what is told of it and may go; everything else is schema and free pages. */
export const OWN = ['tickets', 'runtime_sessions', 'answers', 'usage', 'usage_totals', 'reviews'] as const;
export const LOGS = ['activity', 'ticks', 'deliveries'] as const;

export interface Table {
  readonly rows: number;
  /** Its pages and those of its indexes. */
  readonly bytes: number;
}

export interface BoardSize {
  readonly tables: Readonly<Record<string, Table>>;
  readonly file_bytes: number;
  readonly free_bytes: number;
  /** Of the ticks since the time that was given. */
  readonly reports: Reports;
}

/** How long the reports are in bytes: by how many tickets they skip, as a straight line fits them best. */
interface Reports {
  readonly mean: number;
  readonly max: number;
  readonly max_skipped: number;
  readonly bare: number;
  readonly each_skipped: number;
}

/** Read by a connection of its own, which is closed again. */
export function boardSize(path: string, since_ms: number): BoardSize {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    const sizes = db
      .prepare<[], { name: string; bytes: number }>(
        `SELECT m.tbl_name AS name, sum(s.pgsize) AS bytes
         FROM dbstat AS s JOIN sqlite_schema AS m ON m.name = s.name WHERE s.aggregate = TRUE GROUP BY m.tbl_name`,
      )
      .all();
    const rowsOf = (name: string): number =>
      db.prepare<[], number>(`SELECT count(*) FROM ${name}`).pluck().get() ?? 0;
    const reports = db
      .prepare<[number], Reports>(
        `WITH r AS (SELECT length(report) AS y, json_extract(report, '$.counts.skipped') AS x
                    FROM ticks WHERE started_at_ms >= ?),
           s AS (SELECT avg(x) AS mx, avg(y) AS my, max(x) AS max_skipped, max(y) AS max,
                   (avg(x * y) - avg(x) * avg(y)) / (avg(x * x) - avg(x) * avg(x)) AS slope FROM r)
         SELECT round(my) AS mean, max, max_skipped, round(my - mx * slope) AS bare, round(slope) AS each_skipped
         FROM s`,
      )
      .get(since_ms);
    const page = Number(db.pragma('page_size', { simple: true }));
    return {
      tables: Object.fromEntries(sizes.map(({ name, bytes }) => [name, { rows: rowsOf(name), bytes }])),
      file_bytes: page * Number(db.pragma('page_count', { simple: true })),
      free_bytes: page * Number(db.pragma('freelist_count', { simple: true })),
      reports: reports ?? { mean: 0, max: 0, max_skipped: 0, bare: 0, each_skipped: 0 },
    };
  } finally {
    db.close();
  }
}

export function bytesOf({ tables }: BoardSize, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + (tables[name]?.bytes ?? 0), 0);
}

/**
 * Looks on while this process works on the board. A log that nobody else reads is gone when its connection closes, so it
 * is measured right before that; and a transaction is measured from its BEGIN to the end of its COMMIT.
 */
export class Probe {
  readonly #wal: string;
  #wal_bytes = 0;
  #write_ms = 0;

  constructor(board: string) {
    this.#wal = `${board}-wal`;
    const { close, transaction } = Database.prototype;
    const look = (): void => this.look();
    const timed = <T>(work: () => T): T => {
      const start = performance.now();
      try {
        return work();
      } finally {
        this.#write_ms = Math.max(this.#write_ms, performance.now() - start);
      }
    };
    replace('close', function (this: Database.Database) {
      look();
      return close.call(this);
    });
    replace('transaction', function (this: Database.Database, body: (...args: unknown[]) => unknown) {
      const made = transaction.call(this, body);
      const each =
        (run: (...args: unknown[]) => unknown) =>
        (...args: unknown[]) =>
          timed(() => run(...args));
      const { deferred, immediate, exclusive } = made;
      return Object.assign(each(made), { deferred, immediate: each(immediate), exclusive: each(exclusive) });
    });
    this.restore = () => {
      replace('close', close);
      replace('transaction', transaction);
    };
  }

  readonly restore: () => void;

  look(): void {
    this.#wal_bytes = Math.max(this.#wal_bytes, statSync(this.#wal, { throwIfNoEntry: false })?.size ?? 0);
  }

  /** The largest log since the last call. */
  takeWal(): number {
    this.look();
    const bytes = this.#wal_bytes;
    this.#wal_bytes = 0;
    return bytes;
  }

  /** The longest write transaction since the last call. */
  takeWrite(): number {
    const ms = this.#write_ms;
    this.#write_ms = 0;
    return ms;
  }
}

function replace(name: 'close' | 'transaction', value: unknown): void {
  Object.defineProperty(Database.prototype, name, { value, writable: true, configurable: true });
}

/** Somebody who reads the board: a connection that is merely open, or one that keeps looking at one state of it. */
export function openReader(board: string, looking: boolean): { close(): void } {
  const db = new Database(board, { readonly: true, fileMustExist: true });
  db.exec(looking ? 'BEGIN; SELECT count(*) FROM tickets' : 'SELECT count(*) FROM tickets');
  return { close: () => void db.close() };
}

export interface Dirs {
  readonly runs: number;
  readonly trash: number;
  /** Of both, as the disk has them. */
  readonly bytes: number;
}

export function runDirs({ runs, own, state }: Places): Dirs {
  const trash = join(state, 'trash');
  const trashed = namesIn(trash).flatMap((day) => namesIn(join(trash, day, 'runs')));
  return {
    runs: namesIn(runs).length,
    trash: trashed.length,
    bytes: [runs, own, trash].reduce((all, dir) => all + diskBytes(dir), 0),
  };
}

function namesIn(dir: string): string[] {
  return statSync(dir, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(dir) : [];
}

function diskBytes(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  const inside = stat.isDirectory() ? readdirSync(path).map((name) => diskBytes(join(path, name))) : [];
  return inside.reduce((sum, bytes) => sum + bytes, stat.blocks * 512);
}

/** How many times as long as an empty program a tick takes as a process of its own: the median of pairs. */
export function processRatio(
  pairs: number,
  tick: readonly string[],
  env: () => NodeJS.ProcessEnv,
): { readonly ratio: number; readonly ms: number } {
  const run = (args: readonly string[]): number => {
    const its = env();
    const start = performance.now();
    const { status, stdout, stderr, error } = spawnSync(process.execPath, args, {
      ...{ env: its, encoding: 'utf8', timeout: 120_000 },
    });
    const ms = performance.now() - start;
    if (status === 0) return ms;
    throw new Error(`${args.join(' ')}: exit ${status}: ${error?.message ?? stdout + stderr}`);
  };
  run(tick); // what is due at this minute is done by this one
  const measured = Array.from({ length: pairs }, (_, n) => {
    const first = run(n % 2 === 0 ? ['-e', '0'] : tick);
    const second = run(n % 2 === 0 ? tick : ['-e', '0']);
    const [base, ms] = n % 2 === 0 ? [first, second] : [second, first];
    return { ratio: ms / base, ms };
  });
  return { ratio: median(measured.map(({ ratio }) => ratio)), ms: median(measured.map(({ ms }) => ms)) };
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]];
  return (low + high) / 2;
}
