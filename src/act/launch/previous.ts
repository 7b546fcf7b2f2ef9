import { join } from 'node:path';
import type { Adapter } from '../../agents/index.ts';
import { sessionId } from '../../agents/session.ts';
import { cameOut, type EndReason, goesOn } from '../../model/ends.ts';
import type { Runtime } from '../../model/runtime.ts';
import { lastLines } from '../../model/text.ts';
import type { Ticket } from '../../model/ticket.ts';
import { textOfRun } from '../../runs/dirs.ts';
import { readRunFile } from '../../runs/run-file.ts';
import type { Here } from '../here.ts';
import type { Claimed } from '../outside.ts';

/** What a ticket's last attempt has left. */
export interface Past {
  readonly row: Runtime;
  readonly branch: string | null;
  readonly reason: string;
  readonly words: string;
  /** Sessions that its client has been found not to have any more. */
  readonly lost: ReadonlySet<string>;
  /** It had ended its work, and nothing has cut it off. */
  readonly through: boolean;
}

const LOST = 'session_lost' satisfies EndReason;

/** The last run that an agent came of is looked for among so many. */
const RUNS_SEEN = 50;

/** What the last attempt left for the next one: how it ended and the last lines that it showed. */
export async function lastAttempt(
  ticket: Ticket,
  run: string,
  { board, places }: Here,
): Promise<Past | null> {
  if (ticket.claim_epoch <= 1) return null; // this is its first
  const runs = await board.runtimesOf({ ticket: ticket.id, limit: RUNS_SEEN });
  // A launch that no agent came of was no attempt, nor was one whose client had lost the session.
  const row = runs.find(
    ({ id, ended_at_ms, registered_at_ms, end_reason }) =>
      id !== run && ended_at_ms !== null && registered_at_ms !== null && end_reason !== LOST,
  );
  if (row === undefined) return null;
  const lost = new Set(runs.flatMap((one) => (one.end_reason === LOST ? (one.resumed ?? []) : [])));
  // Where nothing was kept, the prompt says how it ended, no more.
  const words = lastLines(textOfRun(join(places.runs, row.mark), 'screen.txt') ?? '', 20, 2000);
  const exit =
    row.exit_signal !== null ? `signal ${row.exit_signal}` : `exit code ${row.exit_code ?? 'unknown'}`;
  const through = cameOut(row.end_reason) === 'finished';
  return { row, branch: row.branch, reason: `${row.end_reason ?? 'ended'} (${exit})`, words, lost, through };
}

/** The client's own session of the run before, where the same client can continue it in the same place. A run that was
 *  itself a continuation and never began a turn has shown that it can't be continued. */
export function sessionToContinue(
  { row: past, lost }: Pick<Past, 'row' | 'lost'>,
  { profile, ticket, start }: Claimed & { readonly start: string },
  adapter: Adapter,
  env: Readonly<Record<string, string>>,
  { places }: Here,
): string | null {
  const began = readRunFile(places.runs, past.mark)?.start ?? past.worktree;
  const session = sessionId(profile.kind, past.client_session);
  if (session === null || lost.has(session) || past.kind !== profile.kind || past.agent !== profile.name)
    return null;
  if (past.turn === 0 || past.ticket_id !== ticket.id || !goesOn(past.end_reason)) return null;
  // A client keeps its sessions by where it was started.
  if (began !== start) return null;
  const look = { runDir: join(places.runs, past.mark), worktree: began, env, session };
  try {
    return adapter.resumable?.(look) === true ? session : null;
  } catch {
    return null;
  }
}
