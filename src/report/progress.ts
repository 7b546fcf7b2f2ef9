import { clean } from '../text.ts';
import { isTerminal } from './terminal.ts';

const PATIENCE_MS = 1000;

/** Tells a person at a terminal, on one line of stderr, what takes so long: not before a second has passed, and nothing
 *  is left of it. On a pipe it is silent. */
export function progress(): { readonly at: (what: string) => void; readonly done: () => void } {
  if (!isTerminal(2)) return { at: () => undefined, done: () => undefined };
  let what = '';
  let shown = false;
  const show = (): void => {
    shown = true;
    process.stderr.write(`\r\u001b[K${clean(what).slice(0, 70)} ...`);
  };
  const timer = setTimeout(show, PATIENCE_MS);
  return {
    at(text) {
      what = text;
      if (shown) show();
    },
    done() {
      clearTimeout(timer);
      if (shown) process.stderr.write('\r\u001b[K');
    },
  };
}
