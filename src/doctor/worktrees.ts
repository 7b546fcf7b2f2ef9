import { join } from 'node:path';
import { namesAt } from '../machine/foreign.ts';
import type { Places } from '../machine/paths.ts';
import type { Project } from '../model/policy.ts';
import { TICKET_ID } from '../model/ticket.ts';
import { oldLocks } from '../workspace/git-locks.ts';
import { commonDir } from '../workspace/own.ts';
import type { Site } from '../workspace/prepared.ts';
import { whereApart } from '../workspace/reconnect.ts';
import { rootOf } from '../workspace/root.ts';
import { type Finding, warn } from './finding.ts';

const MOST = 500;

/** What the next attempt of a ticket will meet in its worktree, by the looks of a launch: nothing of it is touched. */
export function worktreeFindings(
  project: Project,
  places: Pick<Places, 'worktrees'>,
  closed: ReadonlySet<string>,
): Finding[] {
  const { root } = rootOf(project, join(places.worktrees, project.name));
  const common = commonDir(project.repo);
  if (common === null) return [];
  const ids = namesAt(root, MOST).filter((name) => TICKET_ID.test(name) && !closed.has(name));
  const sites = ids.map(
    (id): Site => ({
      ...{ project, common, target: join(root, id), me: null },
      ticket: { id, title: '', created_at_ms: 0 },
    }),
  );
  const locks = [...new Set(sites.flatMap((site) => oldLocks(site)))];
  return [
    ...sites.flatMap(apart),
    ...locks.map(({ path, minutes, ours }) =>
      warn(
        `git locks ${project.name}`,
        `git is locked by ${path} for ${minutes} min`,
        `${ours ? 'nothing, if a dead run of the ticket has left it: the next attempt proves that, and removes it; else' : 'if no git works there'}, rm ${path}`,
      ),
    ),
  ];
}

function apart({ project, common, target, ...rest }: Site): Finding[] {
  const found = whereApart({ project, common, target, ...rest });
  if (found === null) return [];
  const says = `${target} and ${common} have lost each other`;
  return [
    found.there === null
      ? warn(
          `worktrees ${project.name}`,
          `${says}: git knows no such worktree any more (git worktree prune, a repository that was put back)`,
          'nothing, as long as its branch is there: the next attempt registers it again, and leaves its files as they are',
        )
      : warn(
          `worktrees ${project.name}`,
          `${says}, or the record of it is damaged`,
          'nothing: the next attempt joins them, and leaves its files as they are',
        ),
  ];
}
