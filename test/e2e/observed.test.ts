/** What a tick sees of time, of lost servers, and of processes that are not what was recorded. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Report, Rig, state } from '../support/rig.ts';
import { LIMITS, until } from '../support/sandbox.ts';
import { neverReaped } from '../support/zombie.ts';

let rig: Rig;
const children: ChildProcess[] = [];
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rig.box.destroy();
});

/** A ticket whose agent holds, seen alive by a tick. */
async function held(behave = 'hold'): Promise<string> {
  const id = rig.add(behave);
  await rig.tickHere();
  await rig.holding(id);
  await rig.tickHere();
  return id;
}

/** The start time of a process in kernel ticks: field 22 of its stat. */
function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

describe('observed time', () => {
  const HOUR = 3_600_000;

  it('no gap counts for more than two intervals, a clock that went back or another boot for nothing', async () => {
    // Two intervals are 2 h, and a silence of 3 h parks: what the test itself takes is nothing beside that.
    rig.configure({ limits: `${LIMITS}interval_seconds = 3600\nttl_minutes = 180\n` });
    const id = await held();
    const silent = () => rig.run(id).silent_ms;
    const gap = async (ms: number, boot = 'boot_id') => {
      rig.box.sql('UPDATE runtime_sessions SET silent_ms = 0');
      rig.box.sql(`UPDATE hosts SET mono_ms = mono_ms - ?, boot_id = ${boot}`, ms);
      const report = await rig.tickHere();
      return report.reconcile.map(({ kind }) => kind);
    };
    await gap(0); // whatever the agent showed last has been seen
    expect(await gap(HOUR)).toEqual([]);
    expect(silent()).toBeGreaterThanOrEqual(HOUR);
    expect(silent()).toBeLessThan(2 * HOUR);
    expect(await gap(72 * HOUR)).toEqual([]);
    expect(silent()).toBe(2 * HOUR);
    expect(await gap(-72 * HOUR)).toEqual([]);
    expect(silent()).toBe(0);
    expect(await gap(72 * HOUR, "'another-boot'")).toEqual([]);
    expect(silent()).toBe(0);
    expect(await gap(72 * HOUR, 'NULL')).toEqual([]);
    expect(silent()).toBe(0);
    expect(rig.ticket(id).status).toBe('in_progress');

    // Silence that was observed does add up, and parks: nothing is killed, and activity takes it back.
    rig.box.sql('UPDATE runtime_sessions SET silent_ms = ?', 1.5 * HOUR);
    rig.box.sql('UPDATE hosts SET mono_ms = mono_ms - ?', 72 * HOUR);
    expect((await rig.tickHere()).reconcile).toMatchObject([{ kind: 'park', because: 'silent_past_ttl' }]);
    expect(rig.ticket(id)).toMatchObject({ status: 'needs_input', reason: 'parked' });
    expect(rig.run(id).phase).toBe('parked');
    expect(rig.agents(id)).toHaveLength(1);
    rig.box.signal(`${id}.go`);
    await rig.settle(id, 'in_review');
  });
});

describe('the mark of a registered agent', () => {
  it('finds it when the board and the tmux server are both lost: adopted, no second agent', async () => {
    const id = await held('deaf');
    const { pid, mark, pid_start } = rig.run(id);
    rig.box.tmux('kill-server');
    expect(await until(() => rig.box.tmux('list-panes', '-a').code !== 0)).toBe(true);
    rig.lose(id);
    const report = await rig.tickHere();
    expect(report.reconcile).toMatchObject([
      {
        kind: 'adopt',
        ticket: id,
        because: 'runtime_busy',
        result: 'adopted',
        evidence: { pid, pane: null },
      },
    ]);
    expect(report.dispatch).toEqual([]);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', worker_pid: pid });
    expect(rig.run(id)).toMatchObject({ phase: 'running', mark, pid, pid_start, tmux_pane: null });
    expect(await rig.tickHere()).toMatchObject({ reconcile: [], dispatch: [] });
    expect(rig.started(id)).toBe(1);
    expect(rig.agents(id)).toEqual([pid]);
    await rig.kill(pid); // no hang-up will
  });
});

it('an adoption by the pane leaves the mark anew: lost once more, and without its server, the agent is found by that', async () => {
  const id = await held('deaf');
  const { pid } = rig.run(id);
  rig.lose(id);
  rmSync(join(rig.box.state, 'marks', `${id}.json`));
  expect((await rig.tickHere()).reconcile).toMatchObject([{ kind: 'adopt', ticket: id, result: 'adopted' }]);
  rig.box.tmux('kill-server');
  expect(await until(() => rig.box.tmux('list-panes', '-a').code !== 0)).toBe(true);
  rig.lose(id);
  expect(await rig.tickHere()).toMatchObject({
    reconcile: [{ kind: 'adopt', evidence: { pid, pane: null } }],
    dispatch: [],
  });
  expect([rig.agents(id), rig.started(id)]).toEqual([[pid], 1]);
  await rig.kill(pid); // no hang-up will
});

describe('a lost tmux server', () => {
  it.each([
    ['is gone', []],
    ['has another in its place', ['-f', '/dev/null', 'new-session', '-d', '/bin/sleep', '1000']],
  ])('that %s: its agents are no attempt, and start again in the same tick', async (_name, other) => {
    const id = await held();
    const { pid } = rig.run(id);
    rig.box.tmux('kill-server');
    await rig.gone(pid);
    expect(await until(() => rig.box.tmux('list-panes', '-a').code !== 0)).toBe(true);
    if (other.length > 0) expect(rig.box.tmux(...other).code).toBe(0);
    const report = await rig.tickHere();
    expect(report.reconcile).toMatchObject([
      { kind: 'retry', ticket: id, because: 'tmux_server_lost', before: 'in_progress', after: 'todo' },
    ]);
    expect(report.dispatch).toMatchObject([{ ticket: id, result: 'launched', evidence: { attempt: 1 } }]);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', attempts: 0, not_before_at_ms: null });
    await rig.working(id, 2);
    expect(rig.agents(id)).toEqual([rig.run(id).pid]);
  });

  it('an agent that dies while its server lives is an attempt: the difference is seen', async () => {
    const id = await held();
    await rig.kill(rig.run(id).pid);
    expect((await rig.tickHere()).reconcile[0]).toMatchObject({ kind: 'retry', because: 'agent_killed' });
    expect(rig.ticket(id).attempts).toBe(1);
  });
});

describe('a recorded process', () => {
  it('that is a zombie is dead, though its pid and its start time are right', async () => {
    const id = await held();
    const { parent, child: zombie } = await neverReaped();
    children.push(parent);
    await rig.kill(zombie);
    expect(state(zombie)).toBe('Z');
    await rig.kill(rig.run(id).pid);
    rig.box.sql('UPDATE runtime_sessions SET pid = ?, pid_start = ?', zombie, startOf(zombie));
    rig.box.sql('UPDATE tickets SET worker_pid = ?', zombie);
    expect((await rig.tickHere()).reconcile[0]).toMatchObject({
      kind: 'retry',
      ticket: id,
      because: 'agent_dead',
      evidence: { pid: zombie, verdict: 'zombie' },
    });
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 1, worker_pid: null });
    expect(state(zombie)).toBe('Z');
  });

  it('whose pid lives on as another process is dead, and that other one is left in peace', async () => {
    const id = await held();
    const stranger = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
    children.push(stranger);
    const pid = stranger.pid ?? 0;
    const start = startOf(pid);
    await rig.kill(rig.run(id).pid);
    rig.box.sql('UPDATE runtime_sessions SET pid = ?, pid_start = ?', pid, start);
    expect(
      (await rig.tickHere('reconcile', '--dry-run')).reconcile.filter(({ ticket }) => ticket === id),
    ).toEqual([]); // alive, were it the one
    rig.box.sql('UPDATE runtime_sessions SET pid_start = ?', String(Number(start) - 1));
    rig.box.sql("UPDATE tickets SET status = 'todo'");
    const { reconcile } = await rig.tickHere('reconcile');
    expect(reconcile.map(({ kind }) => kind)).not.toContain('normalize');
    expect(reconcile[0]).toMatchObject({ kind: 'end', ticket: id, because: 'agent_dead', evidence: { pid } });
    expect(rig.ticket(id).status).toBe('todo');
    expect(rig.live(id)).toBeUndefined();
    expect(state(pid)).toBe('S');
    expect(startOf(pid)).toBe(start);
  });
});

describe('a process that ends between the two looks', () => {
  it.each([
    ['which still shows its pane as living, is asked once more', 1],
    ['which learns it only when the last thread is gone, is asked until it knows', 4],
  ])('is told with how it ended: tmux, %s', async (_name, late) => {
    const id = await held();
    const { box } = rig;
    // A tmux that answers the first questions with what it was before, and from then on with what is.
    const fake = join(box.dir, 'fake');
    mkdirSync(fake);
    const real = spawnSync('which', ['tmux'], { encoding: 'utf8' }).stdout.trim();
    const script = `#!/bin/sh
case " $* " in *" list-panes "*)
  echo asked >>${fake}/asked
  if [ $(wc -l <${fake}/asked) -le ${late} ]; then exec cat ${fake}/before; fi ;;
esac
exec ${real} "$@"
`;
    writeFileSync(join(fake, 'tmux'), `#!/bin/sh\n${real} "$@" | tee ${fake}/before\n`, { mode: 0o755 });
    await box.here(['dispatch'], '', { PATH: `${fake}:${box.env.PATH}` });
    writeFileSync(join(fake, 'tmux'), script, { mode: 0o755 });
    await rig.kill(rig.run(id).pid);

    const done = await box.here(['dispatch', '--json'], '', { PATH: `${fake}:${box.env.PATH}` });
    const { reconcile } = JSON.parse(done.out) as Report;
    const evidence = { exit_signal: 9 };
    expect(reconcile[0]).toMatchObject({ kind: 'retry', ticket: id, because: 'agent_killed', evidence });
  });
});

describe('a client that waits in a dialog and calls it work', () => {
  /** Gemini CLI at its limit, as 0.61.0 shows it. */
  const LIMITED = `#!/bin/sh
[ "$1" = --version ] && echo 0.61.0 && exit
printf '\\033]2;\\342\\234\\246  Working\\342\\200\\246 (wt)\\033\\\\'
echo '{"session_id":"s"}' | mc-event BeforeAgent
cat <<'END'
│ Usage limit reached for gemini-3.8-flash.   │
│ Access resets at HH:MM PM UTC.               │
│ ● 1. Keep trying                            │
│   2. Stop                                   │
END
exec sleep 1000
`;
  const silence = () => rig.box.sql('UPDATE runtime_sessions SET silent_ms = 60000');

  it('has the limit that its silent screen tells of; once that is over, a person is asked to close the dialog', async () => {
    const at = new Date(Date.now() + 3_600_000);
    const clock = `${at.getUTCHours() % 12 || 12}:${String(at.getUTCMinutes()).padStart(2, '0')} ${at.getUTCHours() < 12 ? 'AM' : 'PM'}`;
    const program = join(rig.box.dir, 'gemini.sh');
    writeFileSync(program, LIMITED.replace('HH:MM PM', clock), { mode: 0o755 });
    rig.configure({ more: `\n[agent.gem]\nkind = "gemini"\nargv = [${JSON.stringify(program)}]\n` });
    const id = rig.add('work', '--agent', 'gem');
    await rig.tickHere();
    const activity = () =>
      rig.box.sql<{ activity: string }>('SELECT activity FROM runtime_sessions')[0]?.activity;
    expect(
      await until(async () => {
        await rig.tickHere();
        return activity() === 'busy';
      }),
    ).toBe(true);
    rig.box.sql('UPDATE hosts SET mono_ms = mono_ms + 3600000'); // nothing counts as time gone by
    expect((await rig.tickHere()).reconcile).toEqual([]); // it has shown something a moment ago
    silence();
    expect((await rig.tickHere()).reconcile).toMatchObject([
      { kind: 'limit', ticket: id, because: 'rate_limited' },
      { kind: 'hold', ticket: id, because: 'api_limit' },
    ]);
    const [{ until: reset }] = rig.box.sql<{ until: number }>(
      'SELECT not_before_at_ms AS until FROM accounts',
    ) as [{ until: number }];
    expect(Math.abs(reset - at.getTime())).toBeLessThan(60_000);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', attempts: 0 });

    silence();
    rig.box.sql('UPDATE runtime_sessions SET limited_until_ms = 1');
    expect((await rig.tickHere()).reconcile).toMatchObject([
      { kind: 'ask', ticket: id, because: 'agent_waiting' },
    ]);
    expect(rig.ticket(id)).toMatchObject({
      status: 'needs_input',
      reason_text: expect.stringMatching(
        /^Usage limit reached for gemini-3\.8-flash\. Access resets at .* UTC\. mc-pickup attach MC-1, and close/,
      ),
    });
    expect(rig.agents(id)).toEqual([]); // the scripted agent was not used at all
  });
});
