import type { Board, Cas, ReportRequest } from '../board/port/index.ts';
import type { Runtime } from '../model/runtime.ts';
import type { Said } from '../model/said.ts';

/** What a report comes to, which the board alone can't tell. */
export interface SaidOutside {
  /** Where work goes that its agent calls done: whether it is, is for a person to say, unless the project leaves it to agents. */
  doneAs(row: Runtime): Promise<Pick<ReportRequest, 'to' | 'nothing_to_do'>>;
  /** Whether that owner of a ticket is a profile, and so no person. */
  isProfile(row: Runtime, owner: string): boolean;
  /** Takes the file of a report away. */
  drop(row: Runtime, name: string): Promise<void>;
}

export interface SaidHands {
  readonly board: Board;
  readonly said: SaidOutside;
  readonly actor: string;
  readonly now_ms: number;
}

/** Tells the board of one report, which is the same by the command and by file: the same fence, and the same checks. Said at one moment, it
 *  is done once, however often the board is told; a file that names another moment than there can be gains nothing. */
export async function tellBoard(
  said: Omit<Said, 'name'>,
  row: Runtime,
  { board, said: outside, now_ms }: Omit<SaidHands, 'actor'>,
): Promise<Pick<ReportRequest, 'to'> & { readonly won: Cas }> {
  const { to, message, turn } = said;
  const at = { now_ms: Math.max(Math.min(said.at_ms, now_ms), row.claimed_at_ms) };
  const as = to === 'done' ? await outside.doneAs(row) : { to };
  const request: ReportRequest = { run: row.mark, message, turn, ...as };
  const won = await board.report(request, at);
  if (won === 'won') return { ...as, won };
  // The profile that the ticket was given to while this run worked on it: whose it is says who takes it next, and the work that is done
  // is done.
  const owner = (await board.ticket(row.ticket_id ?? ''))?.owner ?? null;
  if (owner === null || !outside.isProfile(row, owner)) return { ...as, won };
  return { ...as, won: await board.report({ ...request, owner }, at) };
}

/** Tells the board of a report that was kept, and takes it away; a refusal is logged, since its agent believes it kept. */
export async function takeIn(
  said: Said,
  row: Runtime,
  hands: SaidHands,
): Promise<Awaited<ReturnType<typeof tellBoard>>> {
  const told = await tellBoard(said, row, hands);
  if (told.won === 'lost')
    await hands.board.log({
      ...{ at_ms: hands.now_ms, ticket_id: row.ticket_id, run_id: row.id, actor: hands.actor },
      ...{ kind: 'warning', because: 'report_refused' },
      text: `the report ${said.to} of run ${row.mark} (${said.message.slice(0, 1000)}) was kept, and then refused: it no longer held the ticket, or that was closed`,
    });
  await hands.said.drop(row, said.name);
  return told;
}
