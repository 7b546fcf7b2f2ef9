import { join } from 'node:path';
import type { Runtime } from '../model/runtime.ts';
import { RUN_ID, textOfRun, writeOwn } from './dirs.ts';

/** In the run's own directory: the turn in which a person has last denied it something. */
const DENIED = 'denied';

/** Throws where that can't be written. */
export function noteDenied(runs: string, mark: string, turn: number): void {
  writeOwn(join(runs, mark), DENIED, `${turn}\n`);
}

/** Whether a person has denied it something in the turn that it is in, or that it has just ended. */
export function wasDenied(runs: string, { mark }: Pick<Runtime, 'mark'>, turn: number): boolean {
  const text = RUN_ID.test(mark) ? textOfRun(join(runs, mark), DENIED) : null;
  return text !== null && Number(text) === turn;
}
