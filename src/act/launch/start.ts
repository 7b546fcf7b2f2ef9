import { join } from 'node:path';
import type { Starter } from '../../board/port/index.ts';
import { textAt } from '../../machine/foreign.ts';
import { hostId, lookAtSelf } from '../../machine/process.ts';
import { messageOf } from '../../model/errors.ts';
import { runDir } from '../../runs/dirs.ts';
import { sightRow } from '../../runs/sighting.ts';
import { startPane } from '../../tmux/pane.ts';
import type { Here } from '../here.ts';
import type { Place, Started } from '../outside.ts';
import { faultOfHost, faultOfTmux } from './fault.ts';
import type { Registrar } from './registrar.ts';

/** Starts the launcher in a pane of its own. The tick's end of its pipe is open before, because a launcher that finds no tick there takes
 *  that tick for dead. */
export async function startHere(
  run: string,
  ticket: string,
  { where, command: argv }: Place,
  { tmux }: Here,
  registrar: Registrar,
): Promise<Started> {
  try {
    await registrar.open(run);
  } catch (error) {
    registrar.close(run);
    const fault = faultOfHost(error);
    return fault === null ? { ok: false, untouched: true, error: messageOf(error) } : { ok: false, fault };
  }
  try {
    const started = await startPane(tmux, { name: run, run, ticket, cwd: where.worktree, argv });
    if (started.ok) registrar.started(run, started);
    else registrar.close(run);
    return started.ok || started.refused !== true
      ? started
      : { ok: false, fault: faultOfTmux(started.error) };
  } catch (error) {
    registrar.close(run);
    throw error;
  }
}

/** The server starts the runtime, or says who is busy: that one is judged here, by the kernel. */
export async function startByServer(
  run: string,
  ticket: string,
  { places, clock }: Here,
  starter: Starter,
): Promise<Started> {
  const file = join(runDir(places.runs, run), 'prompt.md');
  const text = textAt(file);
  if (text === null) return { ok: false, untouched: true, error: `${file} can't be read` };
  const answer = await starter.send({ ticket, run, text, nonce: `${run}-prompt` }, { now_ms: clock() });
  switch (answer.kind) {
    case 'accepted':
      return { ok: true, pid: 0 };
    case 'busy': {
      // It is busy with this very run: its first answer was lost, and the server has forgotten the key.
      if (answer.runtime.id === run) return { ok: true, pid: 0 };
      const me = lookAtSelf(hostId(places.state) ?? '');
      return { ok: false, busy: sightRow(answer.runtime, me, places.runs) };
    }
    case 'refused':
      return { ok: false, untouched: true, error: answer.why };
    case 'unknown':
      return { ok: false, error: answer.why };
  }
}
