import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Call } from '../contract/subject.ts';
import type { Task } from './board-writer.ts';

/** Threads that write to a board in a file at the same moment, each by a connection of its own. They are kept for the next race. */
export class Writers {
  readonly #threads: Worker[] = [];

  async together(path: string, calls: readonly Call[]): Promise<unknown[]> {
    while (this.#threads.length < calls.length)
      this.#threads.push(new Worker(new URL('./board-writer.ts', import.meta.url)));
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const begun = calls.map(async (call, n) => {
      const thread = this.#threads[n] as Worker;
      const ready = once(thread, 'message');
      thread.postMessage({ path, call, gate } satisfies Task);
      await ready;
      return thread;
    });
    const answers = (await Promise.all(begun)).map(async (thread) => {
      const [{ answer }] = (await once(thread, 'message')) as [{ readonly answer: unknown }];
      return answer;
    });
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    return Promise.all(answers);
  }

  async end(): Promise<void> {
    await Promise.all(this.#threads.splice(0).map((thread) => thread.terminate()));
  }
}
