/** The board in one SQLite file. Reached by a dynamic import only: it loads the native driver. */
export { type Backup, backupBoard, checkBoard, restoreBoard } from './backup.ts';
export { DamagedBoard } from './errors.ts';
export { type BoardHealth, boardHealth, type TickTime } from './health.ts';
export { type TickLock, tryTickLock } from './lock.ts';
export {
  countOld,
  type Limits,
  OLD_TABLES,
  type OldRows,
  type OldTable,
  type Swept,
  sweepOld,
  takeOld,
} from './old.ts';
export { openBoard, openBoardReadOnly } from './open.ts';
