/** The board in one SQLite file. Reached by a dynamic import only: it loads the native driver. */
export { type TickLock, tryTickLock } from './lock.ts';
export { openBoard, openBoardReadOnly } from './open.ts';
