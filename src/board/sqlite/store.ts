import type Database from 'better-sqlite3';
import { explained, isTaken } from '../../machine/sqlite/errors.ts';
import type { ActivityRow, By, Cas } from '../port/index.ts';

type Value = string | number | null;

/** Values by parameter name. */
export type Values = Readonly<Record<string, Value>>;

interface Note extends Pick<ActivityRow, 'kind'>, Partial<Pick<ActivityRow, 'because' | 'text'>> {
  readonly ticket?: string | null;
  readonly run?: string | null;
}

/** Thrown inside a write: rolls it back, and the caller is told `lost`. */
class Lost extends Error {}

/** One connection: its transactions and its prepared statements. */
export class Store {
  readonly #db: Database.Database;
  readonly #path: string;
  readonly #statements = new Map<string, Database.Statement<unknown[], unknown>>();
  readonly #together: {
    readonly body: () => void;
    readonly resolve: (cas: Cas) => void;
    readonly reject: (error: unknown) => void;
  }[] = [];

  constructor(db: Database.Database, path: string) {
    this.#db = db;
    this.#path = path;
  }

  /** One read transaction: everything in it sees one state of the board. */
  read<T>(body: () => T): T {
    return this.#explaining(() => this.#db.transaction(body).deferred());
  }

  /** One IMMEDIATE transaction: a deferred one that reads first may fail halfway instead of waiting. */
  write<T>(body: () => T): T {
    return this.#explaining(() => this.#db.transaction(body).immediate());
  }

  /** A guarded write. `must` inside it, or a UNIQUE index, rolls back everything and makes it `lost`. */
  swap(body: () => void): Cas {
    try {
      this.#explaining(() => this.#db.transaction(body).immediate());
      return 'won';
    } catch (error) {
      if (error instanceof Lost || isTaken(error)) return 'lost';
      throw error;
    }
  }

  /** The same, in one commit with those that are asked for at the same time: each alone brings the log to the disk once. Every one is won
   *  or lost by itself. */
  swapTogether(body: () => void): Promise<Cas> {
    const { promise, ...settle } = Promise.withResolvers<Cas>();
    this.#together.push({ body, ...settle });
    if (this.#together.length === 1) queueMicrotask(() => this.#commitTogether());
    return promise;
  }

  #commitTogether(): void {
    const all = this.#together.splice(0);
    try {
      const done = this.write(() => all.map(({ body }) => this.swap(body)));
      for (const [n, one] of all.entries()) one.resolve(done[n] ?? 'lost');
    } catch (error) {
      for (const { reject } of all) reject(error);
    }
  }

  /** Inside `swap`: exactly one row must have been changed. */
  must(sql: string, values: Values): void {
    if (this.run(sql, values) !== 1) throw new Lost();
  }

  /** Inside `swap`: someone else was first. */
  lose(): never {
    throw new Lost();
  }

  /** Rows changed. */
  run(sql: string, values: Values = {}): number {
    return this.#statement(sql).run(values).changes;
  }

  /** The caller names the row type that its SELECT list has. */
  get<T>(sql: string, values: Values = {}): T | null {
    return (this.#statement(sql).get(values) as T | undefined) ?? null;
  }

  all<T>(sql: string, values: Values = {}): T[] {
    return this.#statement(sql).all(values) as T[];
  }

  insert(sql: string, values: Values): number {
    return Number(this.#statement(sql).run(values).lastInsertRowid);
  }

  /** A line of the log: what somebody has done just now. */
  note({ ticket = null, run = null, kind, because = null, text = null }: Note, { actor, now_ms }: By): void {
    this.log({ at_ms: now_ms, ticket_id: ticket, run_id: run, actor, kind, because, text });
  }

  log(row: Omit<ActivityRow, 'id'>): void {
    this.run(
      `INSERT INTO activity (at_ms, ticket_id, run_id, actor, kind, because, text)
       VALUES (@at_ms, @ticket_id, @run_id, @actor, @kind, @because, @text)`,
      { ...row },
    );
  }

  close(): void {
    this.#db.close();
  }

  /** Prepared on first use: a tick pays for the statements that it needs, and no others. */
  #statement(sql: string): Database.Statement<unknown[], unknown> {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#db.prepare<unknown[], unknown>(sql);
    this.#statements.set(sql, made);
    return made;
  }

  #explaining<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw explained(error, this.#path);
    }
  }
}
