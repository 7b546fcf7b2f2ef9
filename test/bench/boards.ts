/** Boards that were in use for a long time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ensureHostId } from '../../src/machine/process.ts';
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

/** Every 30th ticket that is done waits again, all over the board: the same history with another backlog. */
export function reopen({ places }: Case): void {
  const db = new Database(places.board);
  try {
    db.exec(`UPDATE tickets SET status = 'todo', trusted = 0 WHERE status = 'done' AND seq % 30 = 5`);
  } finally {
    db.close();
  }
}
