import { join } from 'node:path';
import type { Runtime } from '../model/runtime.ts';
import { RUN_ID, textOfRun, writeOwn } from './dirs.ts';

/** In the run's own directory: in which turn its client was asked to quit, and what has come of that. */
const ASKED = 'asked-to-quit';

/** `asking`: its keys are being pressed, or whoever pressed them was killed. `left`: it lives on. `not`: none was pressed after all. */
export type Asked = 'asking' | 'left' | 'not';

/** Throws where that can't be written. */
export function noteAsked(runs: string, { mark, turn }: Pick<Runtime, 'mark' | 'turn'>, asked: Asked): void {
  writeOwn(join(runs, mark), ASKED, `${asked} ${turn}\n`);
}

/** What came of asking this client, in the turn that it is in; what was said to an earlier one is over. */
export function whetherAsked(runs: string, { mark, turn }: Pick<Runtime, 'mark' | 'turn'>): Asked {
  const text = RUN_ID.test(mark) ? textOfRun(join(runs, mark), ASKED) : null;
  const [, asked, at] = /^(asking|left) (\d+)\n$/.exec(text ?? '') ?? [];
  return asked === undefined || Number(at) < turn ? 'not' : (asked as Asked);
}
