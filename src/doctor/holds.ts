import { readHolds } from '../machine/holds.ts';
import type { Places } from '../machine/paths.ts';
import { type Hold, isTriedByRuns, nameOf, stillNamed, todoOf } from '../model/hold.ts';
import type { Policy } from '../model/policy.ts';
import { age } from '../model/times.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** What holds launches on this host. `tried`: what doctor has just found of profiles and projects themselves. */
export function holdFindings(
  places: Pick<Places, 'holds'>,
  policy: Policy,
  now_ms: number,
  tried: readonly Finding[] = [],
): Finding[] {
  const { holds: all, unreadable } = readHolds(places);
  const holds = stillNamed(all, policy);
  const check = 'held';
  if (unreadable !== null && holds.length === 0)
    return [
      warn(
        check,
        `${places.holds} can't be read (${unreadable}): it holds nothing`,
        `remove ${places.holds}`,
      ),
    ];
  if (holds.length === 0) return [ok(check, 'nothing')];
  return holds.map((hold) => {
    const name = `${check} ${hold.scope}`;
    const since = age(now_ms - hold.since_at_ms);
    if (wentWell(hold, tried))
      return warn(
        name,
        `it goes well here and now, and the next tick looks again (since ${since}: ${hold.says})`,
        'nothing, if that tick lets it go; else mc-pickup doctor --as-cron: a scheduler has another environment',
      );
    const next = isTriedByRuns(hold) ? 'one run tries it' : 'the next tick looks at it again';
    return fail(name, `${hold.says} (since ${since}; ${next})`, todoOf(hold));
  });
}

/** Whether doctor has just done without a fault what is held. Its trial runs no hook of the project's, so it says nothing of those. */
function wentWell({ scope, because }: Hold, tried: readonly Finding[]): boolean {
  if (scope === 'host' || because === 'hook_fails' || isTriedByRuns({ because })) return false;
  const about = `${scope.startsWith('project:') ? 'trial' : 'agent'} ${nameOf(scope)}`;
  const found = tried.filter(({ check }) => check === about);
  return found.length > 0 && found.every(({ result }) => result === 'ok');
}
