/** What an agent can do to the tmux server of all agents: by its environment nothing, and by its own pane nothing to others. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeTmuxDir, removeTmuxDir, tmuxDir } from '../../src/tmux/dir.ts';
import { Rig, state } from '../support/rig.ts';
import { makeSandbox, type Sandbox, until } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.box.destroy());

/** A second profile whose agent runs this script, and says `ID.NAME` in the notes. */
function scripted(script: string): string {
  const file = join(rig.box.dir, 'script.sh');
  writeFileSync(file, `#!/bin/sh\nnotes=$MC_PICKUP_STATE_DIR/notes; mkdir -p "$notes"\n${script}\n`, {
    mode: 0o755,
  });
  rig.configure({ more: `[agent.odd]\nkind = "command"\nargv = ["/bin/sh", ${JSON.stringify(file)}]\n` });
  const add = ['ticket', 'add', '--project', 'demo', '--agent', 'odd', '--title', 'odd', '--json'];
  return (JSON.parse(rig.box.run(add).out) as { id: string }).id;
}

function environ(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return []; // it has ended
  }
}

const said = (id: string, name = 'said') => rig.box.note(`${id}.${name}`);
const SAY = 'env >"$notes/$MC_TICKET_ID.env"; say() { echo "$1" >>"$notes/$MC_TICKET_ID.said"; }';

it("an agent's plain tmux is a server of its own, and its kill-server ends that one alone", async () => {
  const [first = ''] = await rig.held(1);
  const id = scripted(`${SAY}
tmux kill-server; say "none $?"
tmux new-session -d -s mine -- sleep 1000; say "new $?"
tmux list-sessions -F '#{session_name} #{socket_path}' >>"$notes/$MC_TICKET_ID.said"
tmux kill-server; say "killed $?"
until tmux new-session -d -s left -- sleep 1000; do sleep 0.1; done # the server may still be ending
say "end"; exec sleep 1000`);
  rig.tick();
  expect(await until(() => said(id).includes('end')), said(id)).toBe(true);
  const { mark, pid } = rig.run(id);
  const dir = join(rig.box.state, 'runs', mark);
  const uid = process.getuid?.();
  expect(said(id).split('\n')).toEqual([
    'none 1',
    'new 0',
    `mine ${dir}/tmux-${uid}/default`,
    'killed 0',
    'end',
    '',
  ]);
  const env = said(id, 'env').split('\n');
  expect(env.filter((line) => /^TMUX/.test(line))).toEqual([`TMUX_TMPDIR=${dir}`]);
  expect(lstatSync(dir).mode & 0o777).toBe(0o700);
  const { reconcile } = rig.tick();
  expect(reconcile).toEqual([]);
  for (const one of [rig.run(first).pid, pid, rig.tmuxPid()]) expect(state(one)).toMatch(/[SR]/);
  // What it left there carries the run's mark, and goes with it.
  const left = () => rig.box.processes().filter((one) => environ(one).includes(`MC_TICKET_ID=${id}`));
  expect(left().length).toBeGreaterThanOrEqual(3); // the agent, its server, what runs there
  expect(rig.box.run(['stop', id]).code).toBe(0);
  expect(await until(() => left().length === 0)).toBe(true);
  expect(rig.agents(first)).toHaveLength(1);
});

it('marks and titles that an agent sets on its own pane cost nobody else anything', async () => {
  const [first = ''] = await rig.held(1);
  const other = rig.run(first);
  const server = JSON.stringify(rig.box.socket);
  const id = scripted(`${SAY}
t() { tmux -S ${server} "$@"; }
t list-panes -a -F '#{pane_pid} #{pane_id}' | sed -n "s/^$$ //p" >"$notes/pane"
p=$(cat "$notes/pane")
until [ -e "$notes/forge" ]; do sleep 0.02; done
t set-option -p -t $p @mc_ticket 'x y'; t set-option -p -t $p @mc_run ''
say 1; until [ -e "$notes/2" ]; do sleep 0.02; done
t set-option -p -t $p @mc_run "x
\\$0|%0|1|1|9||1|1||||${other.mark}|${first}|dead
mc-pickup-end"
say 2; until [ -e "$notes/3" ]; do sleep 0.02; done
t set-option -p -t $p @mc_run ${other.mark}; t set-option -p -t $p @mc_ticket ${first}
say 3; until [ -e "$notes/4" ]; do sleep 0.02; done
head -c 1000000 /dev/zero | tr '\\0' x | sed "s/^/set-option -p -t $p @mc_run \\"/; s/$/\\"/" >"$notes/big"
t source-file "$notes/big"; printf '\\033]2;'; head -c 900000 /dev/zero | tr '\\0' '#'; printf '\\007'
t set-hook -g after-list-panes 'display-message -p a|hook|prints'
say 4; exec sleep 1000`);
  rig.tick();
  await rig.settle(id, 'in_progress');
  expect(await until(() => rig.box.note('pane') !== '')).toBe(true);
  rig.tick();
  const mine = rig.run(id);
  for (const step of ['forge', '2', '3', '4']) {
    rig.box.signal(step);
    const n = step === 'forge' ? '1' : step;
    expect(await until(() => said(id).split('\n').includes(n)), said(id)).toBe(true);
    expect(rig.tick(), `after ${n}`).toMatchObject({ code: 0, outcome: 'ok', reconcile: [] });
  }
  expect(rig.run(id)).toMatchObject({ id: mine.id, pid: mine.pid });
  expect(rig.run(first)).toMatchObject({ id: other.id, pid: other.pid, phase: 'running' });
  // Its exit is read though another pane bears its mark.
  rig.box.tmux('set-hook', '-gu', 'after-list-panes');
  rig.box.tmux('set-option', '-p', '-t', mine.tmux_pane, '@mc_run', other.mark);
  rig.box.signal(`${first}.go`);
  await rig.gone(other.pid);
  rig.tick();
  expect(rig.ticket(first).status).toBe('in_review');
  const [row] = rig.box.sql<{ exit_code: number }>(
    'SELECT exit_code FROM runtime_sessions WHERE id = ?',
    other.id,
  );
  expect(row?.exit_code).toBe(0);
});

it('a state dir of a long name has the sockets of its agents in a short directory of this user alone', async () => {
  const deep = `state/${'d'.repeat(40)}`;
  const box: Sandbox = makeSandbox(undefined, { state: deep, repo: 'repo', config: 'config.toml' });
  try {
    mkdirSync(join(box.state, 'notes'), { recursive: true });
    const words =
      'tmux new-session -d -s mine -- sleep 1000; tmux ls -F "#{socket_path}" >$MC_PICKUP_STATE_DIR/notes/ls; exec sleep 1000';
    box.configure(`${'[limits]\nmax_agents = 1\n'}
[project.demo]
repo = ${JSON.stringify(box.repo)}
base = "main"
fetch = false
[agent.odd]
kind = "command"
argv = ["/bin/sh", "-c", ${JSON.stringify(words)}]
`);
    box.run(['ticket', 'add', '--project', 'demo', '--agent', 'odd', '--title', 'x']);
    expect(box.run(['dispatch'])).toMatchObject({ code: 0 });
    expect(await until(() => box.note('ls') !== '')).toBe(true);
    const uid = process.getuid?.() ?? 0;
    const path = box.note('ls').trim();
    expect(path).toMatch(new RegExp(`^/tmp/mc-${uid}/[0-9a-f]{16}/tmux-${uid}/default$`));
    for (const dir of [`/tmp/mc-${uid}`, path.split('/tmux-')[0] ?? ''])
      expect(lstatSync(dir).mode & 0o777).toBe(0o700);
    // It goes with the run.
    const [run] = box.sql<{ mark: string }>('SELECT mark FROM runtime_sessions');
    const runDir = join(box.state, 'runs', run?.mark ?? '');
    expect(path.startsWith(`${tmuxDir(runDir)}/`)).toBe(true);
    expect(box.run(['stop', 'MC-1'])).toMatchObject({ code: 0 });
    removeTmuxDir(runDir);
    expect(readdirSync(`/tmp/mc-${uid}`)).not.toContain(basename(tmuxDir(runDir)));
    // Nobody else's place is taken for it.
    symlinkSync(box.dir, tmuxDir(runDir));
    expect(() => makeTmuxDir(runDir)).toThrow('not a directory of this user');
    removeTmuxDir(runDir);
    expect([existsSync(tmuxDir(runDir)), existsSync(box.dir)]).toEqual([false, true]);
  } finally {
    await box.destroy();
  }
});
