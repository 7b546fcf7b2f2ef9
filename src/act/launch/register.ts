import type { Board, RegisterRequest } from '../../board/port/index.ts';
import { failpoint } from '../../machine/failpoint.ts';
import type { Places } from '../../machine/paths.ts';
import type { ProcessIdentity } from '../../model/identity.ts';
import { runDir } from '../../runs/dirs.ts';
import { writeMark, writeRegistered } from '../../runs/marks.ts';
import { readRunFile } from '../../runs/run-file.ts';

/** The launcher of a run, and where it stands. */
export type Registration = RegisterRequest & ProcessIdentity;

/** Registers a launched process as the agent of its run. false = the run has lost its claim: that process may not become the
 *  agent. What the board throws is thrown. */
export async function registerProcess(
  board: Pick<Board, 'register'>,
  request: Registration,
  now_ms: number,
): Promise<boolean> {
  failpoint('register-identified');
  const won = await board.register(request, { now_ms });
  failpoint('register-committed');
  return won === 'won';
}

/** Leaves, beside the board, the witnesses of a registered process that is about to become the agent. */
export function leaveWitnesses(request: Registration, { runs, marks }: Places): void {
  const { run } = request;
  try {
    writeRegistered(runDir(runs, run), request);
  } catch {
    // Without it the run's pane can't be told from a shell that took the agent's place: it will then be left alone.
  }
  failpoint('register-file-written');
  const ticket = readRunFile(runs, run)?.ticket;
  if (ticket !== undefined) {
    try {
      writeMark(marks, ticket, request);
    } catch {
      // Only a second witness: the board's row is the first, and it is committed.
    }
  }
  failpoint('register-marked');
}
