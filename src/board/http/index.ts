/** The board on a server, and what it is asked to send: a bundle of its own, that a tick over a file never reads. */
export { LIMITS } from './api.ts';
export { httpBoard, meetServer } from './board.ts';
export { serverStarter } from './send.ts';
