import { leftoverWords } from '../model/leftover.ts';
import type { Leftover } from '../runs/leftovers.ts';
import { about, type Finding } from './finding.ts';

const MOST = 5;

/** Processes of runs that have ended: they take memory, and nobody but a person ends them. */
export function leftoverFindings(leftovers: readonly Leftover[]): Finding[] {
  const { ok, warn } = about('leftovers');
  const [first] = leftovers;
  if (first === undefined) return [ok('no run that has ended left a process')];
  const named = leftovers.slice(0, MOST).map((one) => `${one.ticket ?? 'a chat'}: ${leftoverWords(one)}`);
  const count = leftovers.length === 1 ? '1 process' : `${leftovers.length} processes`;
  const more = leftovers.length > MOST ? `, and ${leftovers.length - MOST} more` : '';
  return [
    warn(
      `${count} left by runs that have ended: ${named.join(', ')}${more}`,
      `mc-pickup stop ${first.ticket ?? 'TICKET'} --leftovers, or mc-pickup clean --only runtimes for all`,
    ),
  ];
}
