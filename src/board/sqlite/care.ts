/** What keeps the file well: no tick loads it but now and then, for what is old. */
export { backupBoard, checkBoard, restoreBoard } from './backup.ts';
export { boardHealth } from './health.ts';
export { SCHEMA_VERSION } from './migrations.ts';
export { countOld, sweepOld, takeOld } from './old.ts';
