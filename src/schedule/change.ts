import { diff } from './diff.ts';
import type { Change } from './scheduler.ts';
import { shown } from './words.ts';

/** A change as lines to show: its differences, and what is run. What somebody has added to an entry may be a secret. */
export function changeLines(change: Change | undefined): string[] {
  const run = (all: Change['last'] = []): string[] =>
    // What only asks changes nothing.
    all.flatMap(({ argv, until }) => (until === undefined ? [`run: ${argv.join(' ')}`] : []));
  return [
    ...run(change?.first),
    ...(change?.documents ?? []).flatMap(({ name, before, after }) =>
      diff(name, before, after).map((line) => masked(shown(line).replaceAll('\r', ''))),
    ),
    ...run(change?.last),
  ];
}

function masked(line: string): string {
  return line.replace(/([\w]*(?:KEY|TOKEN|SECRET|PASSW|AUTH)\w*=)[^\s"']+/gi, '$1***');
}
