import { ticketOrFail, withBoard } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import { actorOf, type Context } from '../context.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { brokenLine, type Project } from '../model/policy.ts';
import { many, oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { ticketLine } from '../report/ticket.ts';
import { type BranchDiff, branchDiff } from '../workspace/diff.ts';
import { few } from '../workspace/kept.ts';
import type { Merged, NotMerged } from '../workspace/merge.ts';
import { committedOf } from '../workspace/placed.ts';
import { dependantsOf } from './dependants.ts';
import { placeOf } from './diff.ts';
import { won } from './ticket.ts';

export interface MergeOptions {
  /** false = by a merge commit in any case. */
  readonly ff: boolean;
  readonly push?: boolean;
}

/** Takes a ticket's work into the base of its repository, and the ticket from `in_review` to `done`. Nothing is merged by halves, and nothing
 *  is pushed but where that is asked for and the project pushes. */
export async function merge(context: Context, id: string, o: MergeOptions): Promise<ExitCode> {
  return withBoard(context, async (board, opened) => {
    const ticket = await ticketOrFail(opened, id);
    if (ticket.status !== 'in_review' && ticket.status !== 'done')
      throw new UserError(
        EXIT.usage,
        `${ticket.id} is ${ticket.status}: only what is in review or done can be merged`,
      );
    const project = projectOf(context, ticket);
    if (o.push && project.review?.push !== true)
      throw new UserError(EXIT.usage, `--push: project.${project.name}.review.push is not true`);
    const { branch, tip, uncommitted } = await workOf(context, board, ticket, project);
    if (uncommitted.length > 0)
      context.out.warn(`${many(uncommitted.length, 'file')} of its worktree not committed: no part of it`);
    const { mergeInto } = await import('../workspace/merge.ts');
    const message = `Merge ${branch}: ${oneLine(ticket.title, 200)}`;
    const done = await mergeInto(project, { tip, branch, message, plain: o.ff });
    if (!done.ok) throw new UserError(codeOf(done), `${ticket.id}: ${done.error}`);
    const says = mergedWords(done, project, branch);
    await told(context, board, ticket, says);
    const pushed = o.push === true ? await pushBase(project, done) : null;
    const now = await board.ticket(ticket.id);
    if (context.json) {
      const { how, head, checkout } = done;
      context.out.json({
        ticket: ticket.id,
        status: now?.status,
        into: project.base,
        how,
        head,
        checkout,
        pushed: pushed === '',
      });
    } else {
      if (now !== null) context.out.line(ticketLine(now));
      context.out.line(says);
      if (pushed === '') context.out.line(`pushed to ${project.remote}`);
    }
    if (pushed === null || pushed === '') return EXIT.ok;
    context.out.warn(`${project.base} was not pushed: ${pushed}`);
    return EXIT.partial;
  });
}

/** What a person who accepts it has to know: what is merged nowhere yet, and who begins without it. */
export async function unmergedLines(context: Context, board: Board, ticket: Ticket): Promise<string[]> {
  const { policy } = loadPolicy(context.places.config, context.env);
  const project = policy.projects.get(ticket.project) ?? null;
  const where = await placeOf(board, ticket);
  if (policy.broken.length > 0 || project === null || where === null) return [];
  const looked = await branchDiff({ project, ...where, placed: context.places.placed });
  if (!looked.ok || looked.diff.commits.length === 0 || looked.diff.merged) return [];
  const { commits, branch } = looked.diff;
  const waiting = (await dependantsOf(board, ticket.id)).map((one) => one.id);
  const without =
    waiting.length === 0
      ? []
      : [
          `${waiting.join(', ')} ${waiting.length === 1 ? 'depends' : 'depend'} on it, and would begin without its commits`,
        ];
  return [
    `not merged: ${many(commits.length, 'commit')} on ${branch} (mc-pickup ticket merge ${ticket.id} takes them into ${project.base})`,
    ...without,
  ];
}

function projectOf({ places, env }: Context, ticket: Ticket): Project {
  const { policy } = loadPolicy(places.config, env);
  if (policy.broken.length > 0)
    throw new UserError(EXIT.config, `nothing is merged by a broken configuration: ${brokenLine(policy)}`);
  const project = policy.projects.get(ticket.project);
  if (project !== undefined) return project;
  throw new UserError(
    EXIT.config,
    `${places.config} has no project ${ticket.project}, which ${ticket.id} is of`,
  );
}

async function workOf(context: Context, board: Board, ticket: Ticket, project: Project): Promise<BranchDiff> {
  const where = await placeOf(board, ticket);
  if (where === null)
    throw new UserError(EXIT.unavailable, `${ticket.id} never had a branch: no agent has worked on it`);
  const looked = await branchDiff({ project, ...where, placed: context.places.placed });
  if (!looked.ok) throw new UserError(EXIT.unavailable, `${ticket.id}: ${looked.error}`);
  const { undecided, commits, merged } = looked.diff;
  if (undecided)
    throw new UserError(
      EXIT.unavailable,
      `${ticket.id}: its worktree has commits on more than one line (mc-pickup diff ${ticket.id}): merge them there first`,
    );
  if (commits.length === 0 && !merged)
    throw new UserError(EXIT.unavailable, `${ticket.id}: its branch has no commits of its own`);
  const at = { notes: context.places.placed, worktree: where.worktree ?? '', cwd: looked.diff.cwd };
  const given = await committedOf(at, `${looked.diff.base.sha}..${looked.diff.tip}`);
  if (given.length > 0)
    throw new UserError(
      EXIT.unavailable,
      `${ticket.id}: its commits have ${few(given)}, which its worktree was given from the main checkout: take them out of its history first`,
    );
  return looked.diff;
}

/** A person has to do something about all of these, but for what was moved at the same moment. */
function codeOf({ because }: NotMerged): ExitCode {
  return because === 'moved' ? EXIT.busy : EXIT.unavailable;
}

function mergedWords({ how, head, checkout }: Merged, { base }: Project, branch: string): string {
  const at = head.slice(0, 12);
  if (how === 'already') return `${base} has all of ${branch} already`;
  const by = how === 'fast_forward' ? 'fast-forward' : 'a merge commit';
  return `${branch} is in ${base} by ${by} (${at})${checkout === null ? '' : `, and so is the checkout ${checkout}`}`;
}

/** It is merged, whatever becomes of the ticket: that is said first. */
async function told(context: Context, board: Board, ticket: Ticket, says: string): Promise<void> {
  const by = { actor: actorOf(context), now_ms: Date.now() };
  const about = { at_ms: by.now_ms, ticket_id: ticket.id, run_id: null, actor: by.actor };
  await board.log({ ...about, kind: 'merged', because: null, text: says });
  if (ticket.status === 'done') return;
  const move = {
    ticket: ticket.id,
    version: ticket.version,
    to: 'done',
    why: oneLine(says, 500),
    trusted: true,
  } as const;
  won(await board.move(move, by), ticket);
}

/** '' = it is there; else why it is not. */
async function pushBase({ repo, remote, base }: Project, { head }: Merged): Promise<string> {
  const { pushBranch } = await import('../workspace/push.ts');
  const pushed = await pushBranch(repo, { remote, branch: base, head });
  return pushed.ok ? '' : pushed.error;
}
