import { createInterface } from 'node:readline';
import { usageError } from '../model/errors.ts';
import type { Out } from './out.ts';
import { isTerminal } from './terminal.ts';

/** Shows what would change, and asks where that is to be done. Refuses where nobody can answer. */
export async function agreed(
  { out, json }: { readonly out: Out; readonly json: boolean },
  o: { readonly dryRun?: boolean; readonly yes?: boolean },
  lines: readonly string[],
): Promise<boolean> {
  if (!json) for (const line of lines) out.line(line);
  if (o.dryRun === true || o.yes === true) return true;
  if (json || !isTerminal(0) || !isTerminal(1))
    throw usageError(
      'nothing was changed: without a terminal to ask on, add --yes (or --dry-run, to see the change alone)',
    );
  out.warn('make this change? [y/N]'); // shown in spite of --quiet: it waits
  if (/^y(es)?$/i.test((await answer()).trim())) return true;
  out.line('nothing was changed');
  return false;
}

/** One line from the terminal; its end is a no. */
function answer(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  return new Promise((done) => {
    lines.once('line', (line) => {
      done(line);
      lines.close();
    });
    lines.once('close', () => done(''));
  });
}
