import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs } from '../../machine/clock.ts';
import { isPlainFile } from '../../machine/foreign.ts';
import { lookAt } from '../../machine/process.ts';
import { hasEnded } from '../../model/identity.ts';
import type { Runtime } from '../../model/runtime.ts';
import { runDir } from '../../runs/dirs.ts';
import { registeredFile } from '../../runs/marks.ts';
import type { Here } from '../here.ts';
import type { Registrar } from './registrar.ts';

const LOOK_MS = 5;
/** Every so many looks for the launcher's question and for its file, the board and its process are looked at as well. */
const LOOKS = 20;

/** Registers the launcher of a run when it asks for that, and waits until it has registered, has ended, or the bound is reached. */
export async function waitUntilRegistered(
  run: string,
  pid: number,
  { board, policy, places }: Here,
  registrar: Registrar,
): Promise<boolean> {
  const end = monotonicMs() + policy.limits.register_wait_seconds * 1000;
  const file = registeredFile(runDir(places.runs, run));
  let onItsOwn = false;
  for (let n = 1; ; n++) {
    const answered = await registrar.answer(run);
    if (answered === 'let_go') return true;
    onItsOwn ||= answered === 'on_its_own';
    if (n % LOOKS === 0 || isPlainFile(file)) {
      // In this order: what a launcher has done before its end, and before it left its file, is on the board that is read after it.
      const ended = hasEnded(lookAt(pid));
      const itself = isPlainFile(file) || !onItsOwn;
      const known = verdictOn(await board.runtime(run), itself, ended || monotonicMs() >= end);
      if (known !== null) return known;
    }
    await pause(LOOK_MS);
  }
}

/**
 * What the wait has come to: the launcher has registered or has not; null = it goes on. `itself`: the row can only be the launcher's own
 * doing. It may not be where this tick has tried to register a launcher and has not let it go on: then the row says nothing until the
 * launcher has left its file. `over`: nothing is to come any more.
 */
function verdictOn(row: Runtime | null, itself: boolean, over: boolean): boolean | null {
  if (itself && row !== null && row.phase !== 'launching') return row.registered_at_ms !== null;
  return over ? false : null;
}
