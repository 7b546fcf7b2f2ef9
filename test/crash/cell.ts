/*
 * One cell of the crash matrix: real ticks of the real program on real tmux, git and SQLite, one of which is hit at one
 * failpoint in one way, alone or beside another tick. Afterwards at most three clean ticks must restore everything.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Served } from '../support/mission-control/served.ts';
import { Rig, state } from '../support/rig.ts';
import { BIN, git, LIMITS, type Ran, type Running, SHORT_DEADLINE, until } from '../support/sandbox.ts';

export const KINDS = ['kill', 'throw', 'stop', 'enospc', 'busy'] as const;
export type Kind = (typeof KINDS)[number];

export interface Cell {
  readonly point: string;
  readonly kind: Kind;
  readonly overlap: boolean;
  /** No tick can make pipes: launchers register by themselves. */
  readonly alone?: boolean;
}

export const FAIL_BIN = join(BIN, '../../.cache/failpoints/bin/mc-pickup.js');
const DEADLINE_MS = 600;
const limits = `${LIMITS}${SHORT_DEADLINE}`;
const HOOKS = `after_create = { argv = ["/bin/true"], timeout_seconds = 20 }
before_run = { argv = ["/bin/true"], timeout_seconds = 20 }`;

/** What is wrong after this cell; null = nothing. Every process that it started has ended. */
export async function runCell(cell: Cell, server?: Served): Promise<string | null> {
  const rig = new Rig({ limits, project: HOOKS, ...(server === undefined ? {} : { server }) });
  try {
    return await judged(rig, cell);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await rig.box.destroy();
  }
}

class Wrong extends Error {}

async function judged(rig: Rig, { point, kind, overlap, alone = false }: Cell): Promise<string | null> {
  const { box } = rig;
  if (alone) rig.launchersAlone();
  // One agent that the board has wrongly put back, one that is dead, and one ticket that nobody works on yet.
  const [drifted, died] = [rig.add('hold'), rig.add('hold')];
  rig.tick();
  await Promise.all([rig.holding(drifted), rig.holding(died)]);
  const fresh = rig.add('hold');
  const tickets = [drifted, died, fresh];
  await rig.kill(rig.run(died).pid);
  box.sql("UPDATE tickets SET status = 'todo', version = version + 1 WHERE id = ?", drifted);
  const once = join(box.dir, 'hit');
  const hit = `${point}:${kind}:${once}`;
  // A launcher starts with an empty environment: what its registration meets comes by the profile's.
  rig.configure({
    project: HOOKS,
    limits,
    more: `env = { MC_PICKUP_FAILPOINT = ${JSON.stringify(hit)} }`,
  });

  const running = box.begin(['dispatch', '--json'], { MC_PICKUP_FAILPOINT: hit }, FAIL_BIN);
  const beside = overlap ? box.begin(['dispatch', '--json']) : null;
  if (kind === 'stop') await goOnLater(rig, running, once, point);
  const done = await running.done;
  await beside?.done;
  notTwo(rig, tickets);
  // Beside another tick this one may have found nothing to do.
  if (!existsSync(once) && !overlap) return 'the failpoint was never reached';
  const told = toldWell(done);
  if (told !== null) return told;

  for (let n = 0; n < 3; n++) {
    await due(rig, tickets);
    rig.tick();
    notTwo(rig, tickets);
  }
  for (const id of tickets) {
    const wrong = await agrees(rig, id, id === died ? 2 : 1);
    if (wrong !== null) return `${id}: ${wrong}`;
  }
  return delivered(rig, tickets);
}

/** The stopped process is let go on after the launch deadline: ticks came meanwhile. */
async function goOnLater(rig: Rig, running: Running, once: string, point: string): Promise<void> {
  await until(() => existsSync(once) || state(running.pid) === null || state(running.pid) === 'Z');
  if (!existsSync(once)) return;
  const stopped = point.startsWith('register-') ? await stoppedProcess(rig) : running.pid;
  if (stopped === null) return;
  if (!(await until(() => state(stopped) === 'T'))) throw new Wrong(`process ${stopped} never stopped`);
  const since = performance.now();
  if (stopped !== running.pid) {
    await running.done; // its wait for the registration is bounded
    do {
      // One that stands inside a transaction holds the board: exit 75, try again.
      const { code, err } = rig.box.run(['dispatch']);
      if (code !== 0 && code !== 75)
        throw new Wrong(`a tick beside the stopped launcher: exit ${code}: ${err}`);
    } while (performance.now() - since < 2 * DEADLINE_MS);
  } else await until(() => performance.now() - since > DEADLINE_MS);
  process.kill(stopped, 'SIGCONT');
  await until(() => state(stopped) === null || state(stopped) === 'Z');
}

/** Who registers, and stands still: the one process that the kernel shows as stopped in this sandbox, the tick or a launcher's. */
async function stoppedProcess({ box }: Rig): Promise<number | null> {
  let found: number | null = null;
  await until(() => {
    found = box.processes().find((pid) => state(pid) === 'T') ?? null;
    return found !== null;
  });
  return found;
}

/** At no time two agents on one ticket, nor two live rows. */
function notTwo(rig: Rig, tickets: readonly string[]): void {
  for (const id of tickets) {
    const agents = rig.agents(id);
    if (agents.length > 1) throw new Wrong(`two agents on ${id}: ${agents.join(' ')}`);
  }
}

/** A user is told what happened in a line, never by a stack. */
function toldWell({ err }: Ran): string | null {
  return /^\s+at /m.test(err) ? `a stack was printed: ${err.slice(0, 300)}` : null;
}

async function due(rig: Rig, tickets: readonly string[]): Promise<void> {
  for (const id of tickets) await rig.due(id);
  const launching = rig.box.sql("SELECT id FROM runtime_sessions WHERE phase = 'launching'").length > 0;
  const since = performance.now();
  if (launching) await until(() => performance.now() - since > DEADLINE_MS);
}

/** One living agent, whose row and ticket say so; as many were started as had to be. */
async function agrees(rig: Rig, id: string, starts: number): Promise<string | null> {
  const { status, worker_pid } = rig.ticket(id);
  if (status !== 'in_progress') return `is ${status} (${rig.ticket(id).reason_text}) after three clean ticks`;
  const row = rig.live(id);
  if (row === undefined) return 'has no live row after three clean ticks';
  if (!(await until(() => rig.started(id) >= starts))) return `only ${rig.started(id)} agents were started`;
  const agents = rig.agents(id);
  if (agents.length !== 1 || agents[0] !== row.pid)
    return `agents ${agents.join(' ')} live, the row says ${row.pid}`;
  if (worker_pid !== row.pid) return `worker_pid is ${worker_pid}, its agent is ${row.pid}`;
  return rig.started(id) === starts ? null : `${rig.started(id)} agents were started, not ${starts}`;
}

/** The agents go on and hand their work in: one commit, one report, no work lost. */
async function delivered(rig: Rig, tickets: readonly string[]): Promise<string | null> {
  for (const id of tickets) rig.box.signal(`${id}.go`);
  for (const id of tickets) {
    if (!(await until(() => rig.ticket(id).status === 'in_review')))
      return `${id} is ${rig.ticket(id).status}: its agent's report was refused`;
    const { worktree } = rig.run(id);
    const commits = git(rig.box, '-C', worktree, 'log', '--oneline', 'main..HEAD').trim().split('\n');
    if (commits.length !== 1) return `${id} has ${commits.length} commits`;
    const work = readFileSync(join(worktree, `work-${id}.txt`), 'utf8')
      .trim()
      .split('\n');
    if (work.length !== 1) return `${id} was worked on ${work.length} times`;
  }
  return null;
}
