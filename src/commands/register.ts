import { leaveWitnesses, registerProcess } from '../act/register.ts';
import { failpoint } from '../failpoint.ts';
import { textAt } from '../foreign.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { hostId, lookAt, lookAtSelf } from '../runtime/identity.ts';
import { type Context, withBoard } from './context.ts';

/** Internal: a launcher that no tick has answered registers itself before it becomes the agent. Exit 75 = lost; no agent may
 *  run. */
export async function register(context: Context, run: string, word: string): Promise<ExitCode> {
  failpoint('register-begin');
  const pid = Number(word);
  if (!Number.isSafeInteger(pid) || pid <= 1) throw new UserError(EXIT.usage, `"${word}" is no pid`);
  const host_id = hostId(context.places.state);
  const me = lookAtSelf(host_id ?? '');
  const look = lookAt(pid);
  if (host_id === null || me.boot_id === null || look.kind !== 'present') {
    throw new UserError(EXIT.unavailable, `can't read the identity of process ${pid}`);
  }
  const { boot_id, pid_ns } = me;
  const server = tmuxServer(context);
  return withBoard(context, async (board) => {
    const request = {
      ...{ run, host_id, boot_id: boot_id ?? '', pid_ns, pid, pid_start: look.start },
      tmux_server_pid: server?.pid ?? null,
      tmux_server_start: server?.start ?? null,
      ...{ tmux_session: run, tmux_pane: context.env.TMUX_PANE ?? null },
    };
    if (!(await registerProcess(board, request, Date.now())))
      throw new UserError(EXIT.busy, `run ${run} lost its claim: no agent is started`);
    leaveWitnesses(request, context.places);
    return EXIT.ok;
  });
}

/** The server of this very pane, from `TMUX` (socket,pid,session): its pid and start time. */
function tmuxServer({ env, places }: Context): { pid: number; start: string } | null {
  const pid = Number(env.TMUX?.split(',').at(-2));
  if (Number.isSafeInteger(pid) && pid > 1) {
    const look = lookAt(pid);
    if (look.kind === 'present') return { pid, start: look.start };
  }
  try {
    const recorded: unknown = JSON.parse(textAt(places.server) ?? '');
    if (typeof recorded === 'object' && recorded !== null && 'pid' in recorded && 'start' in recorded) {
      return { pid: Number(recorded.pid), start: String(recorded.start) };
    }
  } catch {
    // Not recorded yet: the row does without it, and a lost server then counts as a dead agent.
  }
  return null;
}
