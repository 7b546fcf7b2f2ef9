import { readHolds } from '../machine/holds.ts';
import type { Places } from '../machine/paths.ts';
import { todoOf } from '../model/hold.ts';
import { age } from '../model/times.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** What holds launches on this host. */
export function holdFindings(places: Pick<Places, 'holds'>, now_ms: number): Finding[] {
  const { holds, unreadable } = readHolds(places);
  const check = 'held';
  if (unreadable !== null)
    return [
      warn(
        check,
        `${places.holds} can't be read (${unreadable}): it holds nothing`,
        `remove ${places.holds}`,
      ),
    ];
  if (holds.length === 0) return [ok(check, 'nothing')];
  return holds.map((hold) =>
    fail(
      `${check} ${hold.scope}`,
      `${hold.says} (since ${age(now_ms - hold.since_at_ms)}; the next tick looks at it again)`,
      todoOf(hold),
    ),
  );
}
