import type { Accounts } from './accounts.ts';
import type { Claims } from './claims.ts';
import type { Deliveries } from './deliveries.ts';
import type { Heals } from './heals.ts';
import type { Histories } from './history.ts';
import type { Imports } from './imports.ts';
import type { Log } from './log.ts';
import type { Reviews } from './reviews.ts';
import type { Runtimes } from './runtimes.ts';
import type { Snapshots } from './snapshot.ts';
import type { Tickets } from './tickets.ts';
import type { Ticks } from './ticks.ts';
import type { Usage } from './usage.ts';
import type { Words } from './words.ts';

export type * from './accounts.ts';
export type * from './by.ts';
export type * from './claims.ts';
export type * from './deliveries.ts';
export type * from './heals.ts';
export type * from './history.ts';
export type * from './imports.ts';
export type * from './log.ts';
export type * from './reviews.ts';
export type * from './runtimes.ts';
export type * from './snapshot.ts';
export type * from './starter.ts';
export type * from './tickets.ts';
export type * from './ticks.ts';
export type * from './upkeep.ts';
export type * from './usage.ts';
export type * from './words.ts';

/**
 * The board. Every write that a tick makes is one guarded transaction: its WHERE repeats what was observed
 * (status, owner, claim_epoch, version or phase), and `lost` means that someone else acted first. Nothing
 * here speaks of SQL; another board (HTTP, another database) implements the same port and passes the same
 * tests: `exercise` in `test/contract/index.ts`. A call takes one request; a write also takes who writes, and when: all times are UTC
 * milliseconds and come from the caller, since the board reads no clock.
 *
 * No write rests on being the only one at work: what it has read before it writes is repeated by the WHERE of the statement that
 * writes, and the rows that it rests on are locked until it is committed, changed or not. The lock order, in every write:
 *
 *   the board's own row -> ticket -> runtime -> words -> deliveries, usage, log
 *
 * The board's own row is for what no row of a ticket guards: edits that close a circle of dependencies, and imports of the same source.
 * A claim, a registration, a report, a heal and a retry meet at the ticket first, so that none waits for one that waits for it. The log is numbered in the order of commits: who reads on after the last id that it saw misses nothing.
 * `test/contract/races.ts` has each of these with writers that are at work at once.
 */
export interface Board
  extends Accounts,
    Claims,
    Deliveries,
    Heals,
    Histories,
    Imports,
    Log,
    Reviews,
    Runtimes,
    Snapshots,
    Ticks,
    Tickets,
    Usage,
    Words {
  /** Lets go of what it holds. Nothing may be asked of it afterwards. */
  close(): Promise<void>;
}
