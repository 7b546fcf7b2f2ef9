import { join } from 'node:path';
import { leaveWitnesses, registerProcess } from '../act/launch/register.ts';
import { withBoard } from '../board/open.ts';
import type { Context } from '../context.ts';
import { forbidden } from '../machine/caller.ts';
import { failpoint } from '../machine/failpoint.ts';
import { argvOf } from '../machine/proc.ts';
import { hostId, lookAt, lookAtSelf } from '../machine/process.ts';
import {
  busyError,
  EXIT,
  type ExitCode,
  messageOf,
  UserError,
  unavailableError,
  usageError,
} from '../model/errors.ts';
import { identify } from '../model/identity.ts';
import { ownDir, runDir } from '../runs/dirs.ts';
import { paneStartedFor } from '../tmux/pane.ts';

/** Internal: a launcher that no tick has answered registers itself before it becomes the agent. Exit 75 = lost, or not the
 *  launcher of this run; no agent may run. */
export async function register(context: Context, run: string, word: string): Promise<ExitCode> {
  failpoint('register-begin');
  const { caller } = context;
  if (caller.kind === 'agent' && caller.run !== run)
    throw new UserError(EXIT.noperm, forbidden(`"mc-pickup register" for another run (${run})`, caller.run));
  const pid = Number(word);
  if (!Number.isSafeInteger(pid) || pid <= 1) throw usageError(`"${word}" is no pid`);
  const host_id = hostId(context.places.state);
  const look = lookAt(pid);
  const identity = identify(pid, lookAtSelf(host_id ?? ''), look);
  if (host_id === null || identity === null || look.kind !== 'present') {
    throw unavailableError(`can't read the identity of process ${pid}`);
  }
  return withBoard(context, async (board) => {
    const lost = busyError(`run ${run} lost its claim: no agent is started`);
    const row = await board.runtime(run);
    if (row === null || row.ended_at_ms !== null) throw lost;
    const pane = await startedHere(context, run, pid, look.ppid);
    const server = lookAt(pane.server_pid);
    const request = {
      ...{ run, ...identity },
      tmux_server_pid: pane.server_pid,
      tmux_server_start: server.kind === 'present' ? server.start : null,
      ...{ tmux_session: run, tmux_pane: pane.pane },
    };
    if (!(await registerProcess(board, request, Date.now()))) throw lost;
    leaveWitnesses(request, context.places);
    return EXIT.ok;
  });
}

/** A run is the process that tmux has started for it, which asks for itself while it is still the launcher of this run. What
 *  any other process says of itself, in its words or its environment, binds nothing. */
async function startedHere(
  { tmux, places }: Context,
  run: string,
  pid: number,
  parent: number,
): Promise<{ readonly pane: string; readonly server_pid: number }> {
  const pane = isLauncher(pid, places.runs, run) && process.ppid === pid ? await ask() : null;
  if (pane !== null && pane.server_pid === parent) return pane;
  throw busyError(
    `process ${pid} is not the launcher that tmux has started for run ${run}: nothing was changed`,
  );

  async function ask(): ReturnType<typeof paneStartedFor> {
    try {
      return await paneStartedFor(tmux, run, pid);
    } catch (error) {
      const why = messageOf(error);
      throw unavailableError(`who was started for run ${run} can't be told (${why})`);
    }
  }
}

/** Whether a process still runs the launcher of a run; where there is no /proc its place in tmux alone tells. */
function isLauncher(pid: number, runs: string, run: string): boolean {
  const argv = argvOf(pid);
  if (argv === null) return process.platform !== 'linux';
  return argv.join('\0') === ['/bin/sh', join(ownDir(runDir(runs, run)), 'launch'), 'clean', ''].join('\0');
}
