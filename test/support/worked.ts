/** Work in review without an agent, a tmux server and four starts of the program: what they leave, by the same transactions and the same git. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBoard } from '../../src/board/sqlite/index.ts';
import { loadPolicy } from '../../src/config/load.ts';
import { hostId, lookAtSelf } from '../../src/machine/process.ts';
import { prepareWorkspace } from '../../src/workspace/index.ts';
import { putTicket } from './put.ts';
import { git, type Sandbox } from './sandbox.ts';

/** A ticket of the project "demo" whose agent has committed, reported and gone; no tick has seen yet that it has. Gives the id. */
export async function putInReview(box: Sandbox): Promise<string> {
  const id = putTicket(box, {
    title: 'Do review',
    body: 'behave: review',
    project: 'demo',
    agent: 'scripted',
  });
  const { policy } = loadPolicy(box.env.MC_PICKUP_CONFIG ?? '', box.env);
  const board = openBoard(box.boardFile);
  try {
    const ticket = await board.ticket(id);
    const project = policy.projects.get('demo');
    const host_id = hostId(box.state);
    const { boot_id, pid_ns, time_ns } = lookAtSelf('');
    if (ticket === null || project === undefined || host_id === null || boot_id === null)
      throw new Error(`${id}: no project "demo"`);
    const { status, owner, claim_epoch, version } = ticket;
    const run = `${id}-e1-${process.pid.toString(16).padStart(8, '0')}`;
    const now = { now_ms: Date.now() };
    const won = (what: string, result: unknown): void => {
      if (result !== 'won') throw new Error(`${id}: ${what}: ${result}`);
    };
    const claim = { ticket: id, guard: { status, owner, claim_epoch, version }, run, agent: 'scripted' };
    const by = { project: 'demo', attempt: 1, host_id, boot_id, kind: 'command', headless: false } as const;
    won('claim', await board.claim({ ...claim, ...by }, { actor: 'tick:t-0', ...now }));
    const root = join(box.state, 'worktrees', 'demo');
    const made = await prepareWorkspace({ project, ticket, root, state: box.state });
    if (!made.ok) throw new Error(`${id}: ${made.error}`);
    const { worktree, branch } = made;
    won('stage', await board.staged({ run, worktree, branch, client_session: null, resumed: null }));
    const process_ = { pid: spawnSync('true').pid, pid_start: '1', boot_id, pid_ns, time_ns };
    const tmux = { tmux_server_pid: null, tmux_server_start: null, tmux_session: null, tmux_pane: null };
    won('registration', await board.register({ run, host_id, ...process_, ...tmux }, now));
    writeFileSync(join(worktree, `work-${id}.txt`), `work of ${run}\n`);
    git({ repo: worktree, env: box.env }, 'add', '-A');
    git({ repo: worktree, env: box.env }, 'commit', '-qm', `Work on ${id}`);
    won('report', await board.report({ run, to: 'in_review', message: 'Ready for review.', turn: 0 }, now));
    return id;
  } finally {
    await board.close();
  }
}
