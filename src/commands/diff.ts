import { ticketOrFail, withReader } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode, unavailableError } from '../model/errors.ts';
import type { Ticket } from '../model/ticket.ts';
import { printDiff, printSubmodule, printSummary } from '../report/diff.ts';

const MOST_RUNS = 20;

/** What the agent's branch has changed against the base that it started from, and, apart from that, what its worktree holds
 *  beside. Nothing that the repository has configured is run for it. */
export async function diff(
  context: Context,
  id: string,
  o: { readonly stat?: boolean } = {},
): Promise<ExitCode> {
  const { ticket, where } = await withReader(context, async (board, opened) => {
    const found = await ticketOrFail(opened, id);
    return { ticket: found, where: await placeOf(board, found) };
  });
  const { policy } = loadPolicy(context.places.config, context.env);
  const project = policy.projects.get(ticket.project) ?? null;
  if (where === null) throw unavailableError(`${ticket.id} never had a branch: no agent has worked on it`);
  const { branchDiff } = await import('../workspace/diff.ts');
  const looked = await branchDiff({ project, ...where, placed: context.places.placed });
  if (!looked.ok)
    throw unavailableError(
      `${ticket.id}: ${looked.error}${looked.because === 'no_repo' ? ` (look at project.${ticket.project}.repo in ${context.places.config})` : ''}`,
    );
  const {
    base,
    dropped,
    branch,
    commits,
    files,
    uncommitted,
    merged,
    worktree,
    elsewhere,
    stashed,
    submodules,
  } = looked.diff;
  if (context.json) {
    context.out.json({
      ticket: ticket.id,
      base,
      dropped,
      branch,
      worktree,
      merged,
      commits,
      files,
      uncommitted,
      elsewhere,
      stashed,
      submodules: submodules.map(({ path, from, to, commits, on_remote }) => ({
        ...{ path, from, to, commits, on_remote },
      })),
    });
    return EXIT.ok;
  }
  printSummary(context, ticket, looked.diff);
  if (o.stat === true) return EXIT.ok;
  if (files.length > 0) await printDiff(context, looked.diff, 'committed');
  if (uncommitted.some(({ status }) => status !== '?')) await printDiff(context, looked.diff, 'uncommitted');
  for (const one of submodules) await printSubmodule(context, one);
  return EXIT.ok;
}

/** Where the work of a ticket is; null = nobody has worked on it. */
export async function placeOf(
  board: Board,
  { id }: Ticket,
): Promise<{ readonly branch: string | null; readonly worktree: string | null } | null> {
  const runs = await board.runtimesOf({ ticket: id, limit: MOST_RUNS });
  const run = runs.find(({ branch, worktree }) => branch !== null || worktree !== null);
  return run === undefined ? null : { branch: run.branch, worktree: run.worktree };
}
