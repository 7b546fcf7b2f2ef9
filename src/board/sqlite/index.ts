/** The board in one SQLite file, as a tick needs it. Reached by a dynamic import only: it loads the native driver. */
export { DamagedBoard } from './errors.ts';
export { isLocked, type TickLock, tryTickLock } from './lock.ts';
export { openBoard, openBoardReadOnly } from './open.ts';
