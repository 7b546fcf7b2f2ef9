import type { Policy, Project } from '../model/policy.ts';
import { many } from '../model/text.ts';
import { lockFor, ownerOf, type Whose, whoseLock } from '../workspace/lock.ts';
import { commonDir, registered } from '../workspace/own.ts';
import { type Finding, warn } from './finding.ts';

interface Locked {
  readonly own: string;
  readonly path: string;
  readonly whose: Extract<Whose, { kind: 'other' }>;
}

/** Worktrees of a project's repository that are another state dir's. */
export function lockFindings(project: Project, state: string): Finding[] {
  const others = Map.groupBy(locked(project, state), ({ whose }) => whose.state);
  return [...others].map(([other, all]) => {
    const says = `${many(all.length, 'worktree')} of the board of ${other}`;
    return all.some(({ whose }) => whose.gone)
      ? warn(`worktrees ${project.name}`, `${says}, which is gone`, 'mc-pickup doctor --fix takes them over')
      : warn(
          `worktrees ${project.name}`,
          `${says}: their tickets are not launched from here`,
          'nothing, if both boards are wanted; else remove the one that is not, and run mc-pickup doctor --fix',
        );
  });
}

/** Takes over the worktrees of state dirs that are gone. What was done, a line for each. */
export function takeOver(policy: Policy, state: string): string[] {
  const me = ownerOf(state);
  if (me === null) return [];
  return [...policy.projects.values()].flatMap((project) =>
    locked(project, state)
      .filter(({ whose }) => whose.gone)
      .map(({ own, path, whose }) => {
        lockFor(own, me, whose.ticket);
        return `${path}: taken over from ${whose.state}, which is gone`;
      }),
  );
}

function locked({ repo }: Project, state: string): Locked[] {
  const me = ownerOf(state);
  const common = commonDir(repo);
  if (common === null) return [];
  return registered(common).flatMap(({ own, path }) => {
    const whose = whoseLock(own, me);
    return whose.kind === 'other' ? [{ own, path, whose }] : [];
  });
}
