import { join } from 'node:path';
import { adapterOf } from '../agents/index.ts';
import { withBoard } from '../board/open.ts';
import type { Board, ReportRequest } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import type { Places } from '../machine/paths.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import type { Policy, Project } from '../model/policy.ts';
import { readsFor } from '../model/reader.ts';
import type { Runtime } from '../model/runtime.ts';
import { clean } from '../model/text.ts';
import { foldEvents } from '../runs/events.ts';
import { readRunFile } from '../runs/run-file.ts';

const WORDS = {
  review: 'in_review',
  'needs-input': 'needs_input',
  done: 'done',
  blocked: 'blocked',
} as const;

/** The agent's own word on its ticket, fenced by the run id in its environment: a superseded run changes nothing. */
export async function report(
  context: Context,
  what: string,
  o: { readonly message: string },
): Promise<ExitCode> {
  const asked = WORDS[what as keyof typeof WORDS];
  if (asked === undefined)
    throw new UserError(EXIT.usage, `"${what}" is no report: use ${Object.keys(WORDS).join(', ')}`);
  const { caller } = context;
  if (caller.kind !== 'agent')
    throw new UserError(EXIT.usage, 'MC_RUN_ID is not set: "report" is for the agent inside its run');
  const { run } = caller;
  return withBoard(context, async (board) => {
    const row = await board.runtimeByMark(run);
    const kind = row === null ? null : readRunFile(context.places.runs, run)?.kind;
    const adapter = adapterOf(kind ?? 'command');
    // Turns that no tick has taken in yet count as well: the question belongs to the turn that asks it.
    const turn = row === null ? 0 : foldEvents(join(context.places.runs, run, 'events'), row, adapter).turn;
    const message = clean(o.message).slice(0, 16_384);
    const as = row !== null && asked === 'done' ? await doneAs(context, board, row) : { to: asked };
    const said = { run, message, turn, ...as };
    let result = await board.report(said, { now_ms: Date.now() });
    const owner = result === 'lost' && row !== null ? await otherProfile(board, row, context) : null;
    if (owner !== null) result = await board.report({ ...said, owner }, { now_ms: Date.now() });
    if (result === 'lost') {
      throw new UserError(
        EXIT.busy,
        `run ${run} no longer holds its ticket, or the ticket was closed: nothing was changed; stop working on it`,
      );
    }
    const { to } = said;
    if (context.json) context.out.json({ run, ticket: row?.ticket_id ?? null, status: to });
    else context.out.line(`${row?.ticket_id ?? 'ticket'} -> ${to}${to === asked ? '' : `: ${ACCEPTS}`}`);
    return EXIT.ok;
  });
}

const ACCEPTS = 'a person accepts it, and then it is done';

/** Whether work is done is for a person to say, unless the project leaves it to agents; a reader's own ticket is the reader's. Who
 *  has committed nothing has nothing that could go out for review. */
async function doneAs(
  { places, env }: Context,
  board: Board,
  row: Runtime,
): Promise<Pick<ReportRequest, 'to' | 'nothing_to_do'>> {
  const ticket = row.ticket_id === null ? null : await board.ticket(row.ticket_id);
  if (ticket !== null && readsFor(ticket) !== null) return { to: 'done' };
  const policy = policyOf(places, env, row);
  const project = policy.broken.length > 0 ? undefined : policy.projects.get(row.project);
  if (project?.agents_may.includes('done')) return { to: 'done' };
  return { to: 'in_review', nothing_to_do: project !== undefined && (await hasNoCommits(project, row)) };
}

/** The configuration that the run was launched by has the say: an agent can name one of its own. */
function policyOf(places: Places, env: NodeJS.ProcessEnv, { mark }: Runtime): Policy {
  const launchedBy = readRunFile(places.runs, mark)?.config ?? places.config;
  return loadPolicy(launchedBy, env).policy;
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

/** The profile that the ticket was given to while this run worked on it: whose it is says who takes it next, and the work that is done
 *  is done. null = it was not, or a person has taken it. */
async function otherProfile(board: Board, row: Runtime, { places, env }: Context): Promise<string | null> {
  const owner = (await board.ticket(row.ticket_id ?? ''))?.owner ?? null;
  return owner !== null && policyOf(places, env, row).agents.has(owner) ? owner : null;
}
