import type { Board } from '../board/port/index.ts';
import type { Places } from '../machine/paths.ts';
import type { Policy, Project } from '../model/policy.ts';
import { readsFor } from '../model/reader.ts';
import type { Runtime } from '../model/runtime.ts';
import { dropSaid } from '../runs/said.ts';
import type { SaidOutside } from './said.ts';

interface At {
  readonly board: Board;
  readonly places: Places;
  /** The configuration that has the say for a run. */
  readonly policyOf: (row: Runtime) => Policy;
}

/** What a report comes to on this machine. */
export function saidHere(at: At): SaidOutside {
  return {
    doneAs: (row) => doneAs(at, row),
    isProfile: (row, owner) => at.policyOf(row).agents.has(owner),
    drop: async ({ mark }, name) => dropSaid(at.places.runs, mark, name),
  };
}

/** Whether work is done is for a person to say, unless the project leaves it to agents; a reader's own ticket is the reader's. Who
 *  has committed nothing has nothing that could go out for review. */
async function doneAs(at: At, row: Runtime): ReturnType<SaidOutside['doneAs']> {
  const ticket = row.ticket_id === null ? null : await at.board.ticket(row.ticket_id);
  if (ticket !== null && readsFor(ticket) !== null) return { to: 'done' };
  const policy = at.policyOf(row);
  const project = policy.broken.length > 0 ? undefined : policy.projects.get(row.project);
  if (project?.agents_may.includes('done')) return { to: 'done' };
  return { to: 'in_review', nothing_to_do: project !== undefined && (await hasNoCommits(project, row)) };
}

async function hasNoCommits(project: Project, { worktree, branch }: Runtime): Promise<boolean> {
  try {
    const { branchDiff } = await import('../workspace/diff.ts');
    const looked = await branchDiff({ project, worktree, branch });
    // Commits that its branch lacks are none the less work.
    return looked.ok && looked.diff.commits.length === 0 && looked.diff.elsewhere.length === 0;
  } catch {
    return false; // it can't be told: a report as any other
  }
}
