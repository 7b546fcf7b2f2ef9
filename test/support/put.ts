/** Tickets on a board in a file without a start of the program, which costs twenty times as much: hundreds of tests begin with one. */
import { add } from '../../src/board/sqlite/people.ts';
import { Store } from '../../src/board/sqlite/store.ts';
import { ensureHostId } from '../../src/machine/process.ts';
import { openDatabase } from '../../src/machine/sqlite/native.ts';
import { userName } from '../../src/machine/user.ts';
import { putBoard } from './boards.ts';
import type { Sandbox } from './sandbox.ts';
import { BOUND_MS } from './wait.ts';

/** What `ticket add` of a person does: the board is made where there is none, and the same transaction is run on it. Gives the id. */
export function putTicket(
  { boardFile, state }: Pick<Sandbox, 'boardFile' | 'state'>,
  ticket: {
    readonly title: string;
    readonly body: string;
    readonly project: string;
    readonly agent: string | null;
  },
): string {
  putBoard(boardFile);
  ensureHostId(state);
  const db = openDatabase(boardFile, { timeout: BOUND_MS });
  try {
    const store = new Store(db, boardFile);
    const rest = { status: 'todo', priority: 2, labels: [], owner: null, depends_on: [] } as const;
    const from = { author: userName() ?? 'someone', trusted: true };
    return store.write(() => add(store, { ...ticket, ...rest, ...from }, Date.now())).id;
  } finally {
    db.close();
  }
}
