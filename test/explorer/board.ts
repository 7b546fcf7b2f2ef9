/*
 * The board of the explorer: the product's own SQL, over SQLite in memory. A state of the board is its rows; an
 * operation on a state is done once, for real, and remembered.
 */
import Database from 'better-sqlite3';
import type { Board } from '../../src/board/port.ts';
import { sqliteBoard } from '../../src/board/sqlite/board.ts';
import { migrate } from '../../src/board/sqlite/migrations.ts';
import type { Runtime } from '../../src/model/runtime.ts';
import type { TicketStatus } from '../../src/model/ticket.ts';

type Row = Readonly<Record<string, string | number | null>>;

/** What matters of a board: its one ticket, its runtimes in order, and how often the ticket was healed. */
export interface Rows {
  readonly ticket: Row & {
    readonly id: string;
    readonly status: TicketStatus;
    readonly worker_pid: number | null;
  };
  readonly runtimes: readonly (Row &
    Pick<Runtime, 'id' | 'phase' | 'pid' | 'pid_start' | 'boot_id' | 'mark' | 'ended_at_ms'>)[];
  readonly heals: number;
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
  const db = new Database(':memory:');
  migrate(db, ':memory:');
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

const TABLES = ['deliveries', 'activity', 'ticks', 'hosts', 'runtime_sessions', 'tickets', 'sqlite_sequence'];
const HEAL = `INSERT INTO activity (at_ms, ticket_id, actor, kind, because) VALUES (?, 'MC-1', 'tick', 'heal', 'agent_alive')`;
const HEALS = `SELECT count(*) AS n FROM activity WHERE kind IN ('heal', 'retry')
  AND because IN ('agent_alive', 'tmux_server_lost', 'rebooted')`;

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
  /** Operations that were really carried out. */
  executed = 0;

  constructor(now_ms: number, without: Without) {
    const { db, board } = memoryBoard(without);
    this.#db = db;
    this.#board = board;
    this.#now_ms = now_ms;
    this.#insertTicket = inserter(db, 'tickets');
    this.#insertRuntime = inserter(db, 'runtime_sessions');
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
    const ticket = this.#prepared('SELECT * FROM tickets').get() as Rows['ticket'];
    const runtimes = this.#prepared('SELECT * FROM runtime_sessions ORDER BY seq').all() as Rows['runtimes'];
    const { n } = this.#prepared(HEALS).get() as { n: number };
    const rows: Rows = { ticket, runtimes, heals: n };
    const key = JSON.stringify(rows);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#states.length);
    return this.#states.push(rows) - 1;
  }

  #load({ ticket, runtimes, heals }: Rows): void {
    for (const table of TABLES) this.#prepared(`DELETE FROM ${table}`).run();
    this.#insertTicket.run(ticket);
    for (const row of runtimes) this.#insertRuntime.run(row);
    for (let n = 0; n < heals; n++) this.#prepared(HEAL).run(this.#now_ms);
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
    this.#load(this.rows(board));
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
