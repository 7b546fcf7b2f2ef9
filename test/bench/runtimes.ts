/** Live runtimes: real panes of real processes, claimed and registered on the board as a launch does it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Board } from '../../src/board/port/index.ts';
import { ensureHostId, lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { writeMark } from '../../src/runs/marks.ts';
import { startPane } from '../../src/tmux/pane.ts';
import type { Tmux } from '../../src/tmux/tmux.ts';
import { addTicket, type Case, withBoard } from './cases.ts';
import type { Scratch } from './scratch.ts';

/** So many tickets more, each with an agent that lives. */
export async function populate(one: Case, live: number, scratch: Scratch): Promise<void> {
  await withBoard(one, async (board) => {
    for (let n = 0; n < live; n++) {
      await scratch.breathe();
      await occupy(board, one, await addTicket(board, `Work in progress ${n}`));
    }
  });
}

async function occupy(board: Board, one: Case, ticket: string): Promise<void> {
  const { places, dir: home } = one;
  const run = await claim(board, one, ticket);
  const dir = join(places.runs, run);
  mkdirSync(join(dir, 'events'), { recursive: true });
  const tmux: Tmux = { socket: places.socket, serverFile: places.server, binary: 'tmux' };
  const pane = await startPane(tmux, { name: run, run, ticket, cwd: home, argv: ['sleep', '3600'] });
  if (!pane.ok) throw new Error(pane.error);
  const host_id = ensureHostId(places.state);
  const { boot_id, pid_ns, time_ns } = lookAtSelf(host_id);
  const look = lookAt(pane.pid);
  const server = lookAt(pane.server_pid);
  if (boot_id === null || look.kind !== 'present') throw new Error(`process ${pane.pid} cannot be read`);
  const identity = { run, host_id, boot_id, pid_ns, time_ns, pid: pane.pid, pid_start: look.start };
  const where = { tmux_server_pid: pane.server_pid, tmux_session: pane.session, tmux_pane: pane.pane };
  const tmux_server_start = server.kind === 'present' ? server.start : null;
  won(
    await board.register({ ...identity, ...where, tmux_server_start }, { now_ms: Date.now() }),
    `register ${run}`,
  );
  writeMark(places.marks, ticket, identity);
}

/** Takes a ticket for a run, which is then `launching`. */
export async function claim(board: Board, { places }: Case, id: string): Promise<string> {
  const ticket = await board.ticket(id);
  if (ticket === null) throw new Error(`no ticket ${id}`);
  const host_id = ensureHostId(places.state);
  const { status, owner, claim_epoch, version } = ticket;
  const run = `${id}-e${claim_epoch + 1}-bench`;
  const request = {
    ...{ ticket: id, guard: { status, owner, claim_epoch, version }, run, agent: 'scripted' },
    ...{ project: 'demo', attempt: 1, host_id, boot_id: lookAtSelf(host_id).boot_id },
    ...{ kind: 'command' as const, headless: false },
  };
  won(await board.claim(request, { actor: 'bench', now_ms: Date.now() }), `claim ${id}`);
  return run;
}

function won(result: 'won' | 'lost', what: string): void {
  if (result !== 'won') throw new Error(`${what}: lost`);
}

/** The agents still live and the board still says so: else something else than an idle tick was measured. */
export async function stillLive(one: Case, live: number): Promise<void> {
  await withBoard(one, async (board) => {
    const { in_progress } = await board.counts();
    const rows = await board.liveRuntimes();
    const alive = rows.filter(({ pid, pid_start }) => {
      const look = pid === null ? null : lookAt(pid);
      return look?.kind === 'present' && look.start === pid_start && look.state !== 'Z';
    });
    if (in_progress === live && rows.length === live && alive.length === live) return;
    throw new Error(
      `${in_progress} in progress, ${rows.length} live rows, ${alive.length} processes: ${live} of each expected`,
    );
  });
}
