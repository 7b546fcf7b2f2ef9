import { writeSync } from 'node:fs';
import { clean } from '../model/text.ts';
import { cutTo } from './table.ts';

export interface Progress {
  /** What is done now. */
  say(what: string): void;
  /** Takes the line away. */
  stop(): void;
}

/** Has this called before anything else is printed; null = nothing any more. */
type BeforePrinting = (clear: (() => void) | null) => void;

/** What takes less is over before anybody has read of it. */
const QUIET_MS = 1000;
const EVERY_MS = 1000;
const CLEAR = '\r\u001b[K';

/** One line on stderr that says what is done and for how long: shown after a second, gone when it stops. For a terminal
 *  only: whoever starts it has asked. */
export function startProgress(first: string, beforePrinting: BeforePrinting): Progress {
  const begun = performance.now();
  const columns = (process.stderr.columns || 80) - 1;
  let what = first;
  let shown = false;
  let gone = false;
  const put = (text: string): void => {
    if (gone) return;
    try {
      writeSync(2, text);
    } catch {
      // The terminal is gone or full: whatever is being done is worth more than its line.
      gone = true;
    }
  };
  const clear = (): void => {
    if (shown) put(CLEAR);
    shown = false;
  };
  const draw = (): void => {
    const seconds = Math.floor((performance.now() - begun) / 1000);
    const time = ` ... ${seconds} s`;
    put(`${CLEAR}${cutTo(clean(what).replace(/\s+/g, ' '), columns - time.length)}${time}`);
    shown = !gone;
  };
  let timer: NodeJS.Timeout = setTimeout(() => {
    draw();
    timer = setInterval(draw, EVERY_MS);
    timer.unref();
  }, QUIET_MS);
  // Nothing waits for a progress line.
  timer.unref();
  beforePrinting(clear);
  return {
    say: (now) => {
      what = now;
      if (shown) draw();
    },
    stop: () => {
      clearTimeout(timer);
      clearInterval(timer);
      clear();
      beforePrinting(null);
    },
  };
}
