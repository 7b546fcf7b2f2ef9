/** One writer of `writers.ts`: a thread with a connection of its own to a board in a file. */
import { parentPort } from 'node:worker_threads';
import type { Board } from '../../src/board/port/index.ts';
import { openBoard } from '../../src/board/sqlite/index.ts';
import type { Call } from '../contract/subject.ts';

export interface Task {
  readonly path: string;
  readonly call: Call;
  /** Becomes 1 when all are ready. */
  readonly gate: Int32Array;
}

parentPort?.on('message', async ({ path, call, gate }: Task) => {
  const [method, ...args] = call;
  const board = openBoard(path);
  parentPort?.postMessage('ready');
  Atomics.wait(gate, 0, 0);
  parentPort?.postMessage({ answer: await answerOf(board, method, args) });
  await board.close();
});

async function answerOf(board: Board, method: keyof Board, args: readonly unknown[]): Promise<unknown> {
  try {
    return await (board[method] as (...args: readonly unknown[]) => Promise<unknown>)(...args);
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
