/** What keeps the file well: no tick loads it but now and then, for what is old. */
export { type Backup, backupBoard, checkBoard, restoreBoard } from './backup.ts';
export { type BoardHealth, boardHealth, type TickTime } from './health.ts';
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
