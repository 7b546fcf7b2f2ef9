import { join } from 'node:path';
import { takeIn, tellBoard } from '../act/said.ts';
import { saidHere } from '../act/said-here.ts';
import { adapterOf } from '../agents/index.ts';
import { withBoard } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import { actorOf, type Context } from '../context.ts';
import { busyError, EXIT, type ExitCode, messageOf, usageError } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import { REPORTS, type ReportedTo, reportedTo, reportMessage } from '../model/said.ts';
import { oneLine } from '../model/text.ts';
import { foldEvents } from '../runs/events.ts';
import { readRunFile } from '../runs/run-file.ts';
import { dropSaid, keepSaid, secureSaid } from '../runs/said.ts';

/** The agent's own word on its ticket, fenced by the run id in its environment: a superseded run changes nothing. It goes by file first:
 *  where the board can't be told, whatever the reason, the next tick tells it, and the agent may end. */
export async function report(
  context: Context,
  what: string,
  o: { readonly message: string },
): Promise<ExitCode> {
  const to = reportedTo(what);
  if (to === null) throw usageError(`"${what}" is no report: use ${Object.keys(REPORTS).join(', ')}`);
  const { caller, places } = context;
  if (caller.kind !== 'agent')
    throw usageError('MC_RUN_ID is not set: "report" is for the agent inside its run');
  const { run } = caller;
  const said = { to, message: reportMessage(o.message), at_ms: Date.now() };
  const kept = keepSaid(places.runs, run, said);
  const told = await withBoard(context, (board) => tell(context, board, { run, kept, ...said })).catch(
    (error: unknown) => {
      if (kept === null) throw error;
      return { unable: messageOf(error) };
    },
  );
  if ('unable' in told) return tellKept(context, { run, to, kept: kept ?? '', why: told.unable });
  if (kept !== null) dropSaid(places.runs, run, kept);
  if (told.won === 'lost') {
    throw busyError(
      `run ${run} no longer holds its ticket, or the ticket was closed: nothing was changed; stop working on it`,
    );
  }
  if (context.json) context.out.json({ run, ticket: told.ticket, status: told.to });
  else context.out.line(`${told.ticket ?? 'ticket'} -> ${told.to}${told.to === to ? '' : `: ${ACCEPTS}`}`);
  return EXIT.ok;
}

const ACCEPTS = 'a person accepts it, and then it is done';

interface Own {
  readonly run: string;
  /** Of its file; null = it could not be kept. */
  readonly kept: string | null;
  readonly to: ReportedTo;
  readonly message: string;
  readonly at_ms: number;
}

/** Tells the board what is kept of this run, in the order in which it was said. */
async function tell(context: Context, board: Board, { run, kept, ...own }: Own) {
  const { places, env } = context;
  const row = await board.runtimeByMark(run);
  if (row === null) return { ticket: null, to: own.to, won: 'lost' as const };
  const adapter = adapterOf(readRunFile(places.runs, run)?.kind ?? 'command');
  // Turns that no tick has taken in yet count as well: the question belongs to the turn that asks it.
  const { turn, said = [] } = foldEvents(join(places.runs, run, 'events'), row, adapter);
  // The configuration that the run was launched by has the say: an agent can name one of its own.
  const policyOf = ({ mark }: Runtime) =>
    loadPolicy(readRunFile(places.runs, mark)?.config ?? places.config, env).policy;
  const hands = { board, said: saidHere({ board, places, policyOf }), now_ms: Date.now() };
  for (const before of said.filter(({ name }) => name !== kept))
    await takeIn(before, row, { ...hands, actor: actorOf(context) });
  return { ticket: row.ticket_id, ...(await tellBoard({ ...own, turn }, row, hands)) };
}

/** The ticket as far as the run's own file names it: the board could not be asked. */
function tellKept(
  { places, json, out }: Context,
  {
    run,
    to,
    kept,
    why,
  }: { readonly run: string; readonly to: ReportedTo; readonly kept: string; readonly why: string },
): ExitCode {
  secureSaid(places.runs, run, kept);
  const ticket = readRunFile(places.runs, run)?.ticket ?? null;
  const because = oneLine(why, 400);
  if (json) out.json({ run, ticket, status: to, kept: true, because });
  else
    out.line(
      `kept: ${ticket ?? 'ticket'} -> ${to}; the board can't be told now (${because}), the next tick tells it: nothing more is to be done`,
    );
  return EXIT.ok;
}
