/** Boards that were in use for a long time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ensureHostId } from '../../src/runtime/identity.ts';
import type { Case } from './cases.ts';
import type { Scratch } from './scratch.ts';

export interface Filling {
  readonly tickets: number;
  /** How many of them are in `todo`: half of them nobody trusts yet, half are to begin in a year. */
  readonly todo: number;
}

export async function fillBoard({ places }: Case, filling: Filling, scratch: Scratch): Promise<void> {
  const words = [places.board, ensureHostId(places.state), filling.tickets, filling.todo].map(String);
  const { signal } = scratch;
  const child = spawn(process.execPath, [join(import.meta.dirname, 'fill.ts'), ...words], {
    ...{ signal, stdio: 'inherit' },
  });
  const [code] = await once(child, 'exit');
  await scratch.breathe();
  if (code !== 0) throw new Error(`filling ${places.board}: exit ${code}`);
}

/** More of what is done waits again: the same board with another backlog. */
export function reopen({ places }: Case, todo: number): void {
  const db = new Database(places.board);
  try {
    db.prepare(
      `UPDATE tickets SET status = 'todo', trusted = 0 WHERE seq IN (
         SELECT seq FROM tickets WHERE status = 'done' ORDER BY seq DESC LIMIT ?)`,
    ).run(todo);
  } finally {
    db.close();
  }
}
