/** The board in one SQLite file, as a tick needs it. Reached by a dynamic import only: it loads the native driver. */
export { openBoard, openBoardReadOnly } from './open.ts';
