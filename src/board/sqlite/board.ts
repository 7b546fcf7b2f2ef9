import type Database from 'better-sqlite3';
import type { Board } from '../port/index.ts';
import { accounts } from './accounts.ts';
import { claims } from './claims.ts';
import { heals } from './heals.ts';
import { history } from './history.ts';
import { imports } from './imports.ts';
import { people } from './people.ts';
import { records } from './records.ts';
import { reviews } from './reviews.ts';
import { snapshots } from './snapshot.ts';
import { Store } from './store.ts';
import { words } from './words.ts';

/** The port over one open and migrated connection. */
export function sqliteBoard(db: Database.Database, path: string): Board {
  const store = new Store(db, path);
  return {
    ...snapshots(store),
    ...claims(store),
    ...heals(store),
    ...people(store),
    ...imports(store),
    ...records(store),
    ...accounts(store),
    ...words(store),
    ...history(store),
    ...reviews(store),
    close: async () => store.close(),
  };
}
