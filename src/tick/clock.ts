import { rmSync } from 'node:fs';
import type { Context } from '../context.ts';
import { readObject, writeAtomic } from '../machine/files.ts';
import { CLOCK_TODO, clockNote, clockWords, takeTime, WRONG_MS } from '../machine/heard.ts';

/** What the answers of this tick say of our clock is kept while it is wrong by hours, and said once: nothing is decided by it. */
export function tellClock({ places, out }: Pick<Context, 'places' | 'out'>): void {
  const heard = takeTime();
  if (heard === null) return;
  const file = clockNote(places);
  const known = readObject(file) !== null;
  try {
    if (Math.abs(heard.ahead_ms) < WRONG_MS) {
      if (known) rmSync(file, { force: true });
      return;
    }
    writeAtomic(file, `${JSON.stringify({ ...heard, at_ms: Date.now() })}\n`);
  } catch {
    // Only a note.
  }
  if (!known) out.warn(`${clockWords(heard)}: ${CLOCK_TODO}`);
}
