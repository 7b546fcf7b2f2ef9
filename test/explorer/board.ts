/*
 * The board of the explorer: the product's own SQL, over SQLite in memory. A state of the board is its rows; an
 * operation on a state is done once, for real, and remembered.
 */
import type Database from 'better-sqlite3';
import type { Board } from '../../src/board/port/index.ts';
import { sqliteBoard } from '../../src/board/sqlite/board.ts';
import type { Runtime } from '../../src/model/runtime.ts';
import type { Ticket } from '../../src/model/ticket.ts';
import { memoryDatabase } from '../support/boards.ts';

type Row = Readonly<Record<string, string | number | null>>;

export type TicketRow = Row &
  Pick<Ticket, 'id' | 'status' | 'worker_pid' | 'version' | 'attempts' | 'not_before_at_ms'>;

/** What matters of a board: its tickets and runtimes in order, what is known of accounts, and the heals by ticket. */
export interface Rows {
  readonly tickets: readonly TicketRow[];
  readonly runtimes: readonly (Row &
    Pick<
      Runtime,
      'id' | 'ticket_id' | 'phase' | 'pid' | 'pid_start' | 'boot_id' | 'mark' | 'ended_at_ms' | 'end_reason'
    >)[];
  readonly accounts: readonly (Row & { readonly name: string; readonly not_before_at_ms: number | null })[];
  readonly heals: readonly { readonly ticket: string; readonly n: number }[];
}

/** Changes to the SQL, by which a rule is taken out of the product to see that the explorer misses it. */
export interface Without {
  readonly rewrite?: (sql: string) => string;
  readonly drop?: readonly string[];
}

export interface Result {
  readonly board: number;
  /** The operation's answer, as JSON: `undefined` has none. */
  readonly answer: string;
}

/** An empty board in memory with the product's schema: the same SQL as in a file. */
export function memoryBoard({ rewrite, drop = [] }: Without = {}): { db: Database.Database; board: Board } {
  const db = memoryDatabase();
  for (const what of drop) db.exec(`DROP ${what}`);
  const seen =
    rewrite === undefined
      ? db
      : new Proxy(db, {
          get(target, name) {
            if (name === 'prepare') return (sql: string) => target.prepare(rewrite(sql));
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        });
  return { db, board: sqliteBoard(seen, ':memory:') };
}

const TABLES = [
  'deliveries',
  'activity',
  'ticks',
  'hosts',
  'accounts',
  'runtime_sessions',
  'tickets',
  'sqlite_sequence',
];
const HEAL = `INSERT INTO activity (at_ms, ticket_id, actor, kind, because) VALUES (?, ?, 'tick', 'heal', 'agent_alive')`;
const HEALS = `SELECT ticket_id AS ticket, count(*) AS n FROM activity WHERE kind IN ('heal', 'retry')
  AND because IN ('agent_alive', 'tmux_server_lost', 'rebooted') GROUP BY ticket_id ORDER BY ticket_id`;

/** States of the board by number. */
export class Boards {
  readonly #db: Database.Database;
  readonly #board: Board;
  readonly #now_ms: number;
  readonly #states: Rows[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #done = new Map<string, Result>();
  readonly #statements = new Map<string, Database.Statement>();
  readonly #insertTicket: Database.Statement;
  readonly #insertRuntime: Database.Statement;
  readonly #insertAccount: Database.Statement;
  /** The board that the database holds: an operation is taken back when its outcome is known. */
  #loaded = -1;
  /** Operations that were really carried out. */
  executed = 0;

  constructor(now_ms: number, without: Without) {
    const { db, board } = memoryBoard(without);
    this.#db = db;
    this.#board = board;
    this.#now_ms = now_ms;
    this.#insertTicket = inserter(db, 'tickets');
    this.#insertRuntime = inserter(db, 'runtime_sessions');
    this.#insertAccount = inserter(db, 'accounts');
  }

  get size(): number {
    return this.#states.length;
  }

  rows(board: number): Rows {
    const rows = this.#states[board];
    if (rows === undefined) throw new Error(`no board ${board}`);
    return rows;
  }

  #prepared(sql: string): Database.Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#db.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }

  /** The number of what the database holds now. */
  #capture(): number {
    const rows: Rows = {
      tickets: this.#prepared('SELECT * FROM tickets ORDER BY seq').all() as Rows['tickets'],
      runtimes: this.#prepared('SELECT * FROM runtime_sessions ORDER BY seq').all() as Rows['runtimes'],
      accounts: this.#prepared('SELECT * FROM accounts ORDER BY name').all() as Rows['accounts'],
      heals: this.#prepared(HEALS).all() as Rows['heals'],
    };
    const key = JSON.stringify(rows);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#states.length);
    return this.#states.push(rows) - 1;
  }

  #load({ tickets, runtimes, accounts, heals }: Rows): void {
    for (const table of TABLES) this.#prepared(`DELETE FROM ${table}`).run();
    for (const row of tickets) this.#insertTicket.run(row);
    for (const row of runtimes) this.#insertRuntime.run(row);
    for (const row of accounts) this.#insertAccount.run(row);
    for (const { ticket, n } of heals)
      for (let i = 0; i < n; i++) this.#prepared(HEAL).run(this.#now_ms, ticket);
  }

  /** The first board: whatever `fill` puts on an empty one. */
  async first(fill: (board: Board) => Promise<unknown>): Promise<number> {
    for (const table of TABLES) this.#prepared(`DELETE FROM ${table}`).run();
    await fill(this.#board);
    return this.#capture();
  }

  /** One operation of the port, or a change by another program, in SQL. An error is an answer too. */
  async apply(board: number, name: keyof Board | 'sql', args: readonly unknown[]): Promise<Result> {
    const key = `${board} ${name} ${JSON.stringify(args)}`;
    const known = this.#done.get(key);
    if (known !== undefined) return known;
    this.executed += 1;
    if (this.#loaded !== board) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      this.#db.exec('BEGIN IMMEDIATE');
      this.#load(this.rows(board));
      this.#loaded = board;
    }
    this.#prepared('SAVEPOINT explored').run();
    let answer: string;
    try {
      if (name === 'sql') this.#db.transaction(() => this.#db.exec(String(args[0]))).immediate();
      const call =
        name === 'sql' ? undefined : (this.#board[name] as (...args: unknown[]) => Promise<unknown>);
      answer = JSON.stringify({ value: await call?.(...args) });
    } catch (error) {
      answer = JSON.stringify({ error: String(error) });
    }
    const result = { board: this.#capture(), answer };
    this.#prepared('ROLLBACK TO explored').run();
    this.#prepared('RELEASE explored').run();
    this.#done.set(key, result);
    return result;
  }

  close(): void {
    this.#db.close();
  }
}

function inserter(db: Database.Database, table: string): Database.Statement {
  const columns = (db.pragma(`table_info(${table})`) as { name: string }[]).map(({ name }) => name);
  return db.prepare(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((name) => `@${name}`).join(', ')})`,
  );
}
