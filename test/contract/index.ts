import { afterEach, beforeEach, describe } from 'vitest';
import type { Board } from '../../src/board/port/index.ts';
import { accounts } from './accounts.ts';
import { claims } from './claims.ts';
import { heals } from './heals.ts';
import { imports } from './imports.ts';
import { outsiders } from './outside.ts';
import { races } from './races.ts';
import { records } from './records.ts';
import { reports } from './reports.ts';
import { reviews } from './reviews.ts';
import { snapshots } from './snapshots.ts';
import { type Call, type Opened, subject } from './subject.ts';
import { tickets } from './tickets.ts';
import { words } from './words.ts';

export { guardOf, type Opened } from './subject.ts';

/** The calls of a race where there is one connection alone: what they answer is the same, and nothing is at work at once. */
export async function oneByOne(board: Board, calls: readonly Call[]): Promise<unknown[]> {
  const ask = async ([method, ...args]: Call): Promise<unknown> => {
    try {
      return await (board[method] as (...args: readonly unknown[]) => Promise<unknown>)(...args);
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  };
  return Promise.all(calls.map(ask));
}

const TOPICS = {
  tickets,
  imports,
  claims,
  heals,
  reports,
  records,
  snapshots,
  accounts,
  words,
  reviews,
  outsiders,
  races,
};

/** What every board must do, whatever it is made of. */
export function exercise(name: string, open: () => Promise<Opened>): void {
  describe(`board contract: ${name}`, () => {
    let now: Opened | undefined;
    beforeEach(async () => {
      now = await open();
    });
    afterEach(() => now?.cleanup());
    const on = subject(() => {
      if (now === undefined) throw new Error('no board is open');
      return now;
    });
    for (const [topic, cases] of Object.entries(TOPICS)) describe(topic, () => cases(on));
  });
}
