/** Clocks that jump, servers that are lost again and again, owners that change: what a tick does in a world that moves. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';

const YEAR = 366 * 86_400_000;
let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

/** An environment in which the wall clock is a year ahead. */
function ahead(): NodeJS.ProcessEnv {
  const file = join(rig.box.dir, 'ahead.cjs');
  writeFileSync(file, `const now = Date.now; Date.now = () => now() + ${YEAR};\n`);
  return { NODE_OPTIONS: `--require ${file}` };
}

describe('a clock that is a year ahead for one tick', () => {
  it('puts no back-off a year away', async () => {
    // Longer than all of this takes: a wait that is over before its tick has written it has no length, and launches at once.
    rig.configure({ limits: '[limits]\nretry_base_seconds = 6000\nretry_max_seconds = 6000\n' });
    const id = rig.add('die');
    rig.tick();
    await rig.gone(rig.run(id).pid);
    expect(rig.box.run(['dispatch'], '', ahead()).code).toBe(0);
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 1 });
    expect(rig.ticket(id).not_before_at_ms).toBeGreaterThan(Date.now() + YEAR / 2);

    const next = rig.tick();
    expect(next.reconcile).toMatchObject([
      { kind: 'shorten', ticket: id, because: 'wait_too_long', result: 'done' },
    ]);
    // The longest of this configuration, and a tenth.
    expect(rig.ticket(id).not_before_at_ms).toBeLessThanOrEqual(Date.now() + 6_600_000);
    rig.box.sql('UPDATE tickets SET not_before_at_ms = 1 WHERE id = ?', id);
    expect(rig.tick().dispatch).toMatchObject([{ kind: 'launch', ticket: id, result: 'launched' }]);
    // And a monitor is not told of a tick in the future until then.
    expect(rig.box.run(['status', '--check']).code).toBe(0);
  });

  it('releases no killswitch that was turned on for two hours, and keeps none on that it turned on itself', () => {
    const on = ['killswitch', 'on', '--level', 'dispatch', '--reason', 'release'];
    const isOn = (env: NodeJS.ProcessEnv = {}): boolean =>
      JSON.parse(rig.box.run(['killswitch', 'status', '--json'], '', env).out).on;
    rig.box.run(['init']);
    rig.box.run([...on, '--for', '2h']);
    expect([isOn(), isOn(ahead())]).toEqual([true, true]);
    rig.add('review');
    expect(JSON.parse(rig.box.run(['dispatch', '--json'], '', ahead()).out)).toMatchObject({ dispatch: [] });

    rig.box.run([...on, '--for', '2h'], '', ahead());
    const file = join(rig.box.state, 'killswitch.json');
    const written = JSON.parse(readFileSync(file, 'utf8'));
    const [{ clock }] = written.switches;
    expect(isOn()).toBe(true);
    // Two hours later by the clock of this boot.
    written.switches[0].clock = { ...clock, uptime_ms: clock.uptime_ms - 2 * 3_600_000 };
    writeFileSync(file, JSON.stringify(written));
    expect(isOn()).toBe(false);
  });
});

describe('a tmux server that is lost three times in half an hour', () => {
  it('costs no attempt, holds launches and says whose run lived each time; the reconcile pass goes on', async () => {
    const id = rig.add('hold');
    for (let n = 1; n <= 3; n++) {
      expect(rig.tick().dispatch).toMatchObject([{ kind: 'launch', ticket: id, result: 'launched' }]);
      await rig.working(id, n);
      const { pid } = rig.run(id);
      process.kill(rig.tmuxPid(), 'SIGKILL');
      await rig.gone(pid);
      if (n < 3) rig.tick('reconcile');
    }
    const third = rig.tick();
    expect(third.reconcile).toMatchObject([{ kind: 'retry', ticket: id, because: 'tmux_server_lost' }]);
    expect(third.dispatch).toEqual([]);
    expect(third.skipped).toMatchObject([
      { ticket: id, because: 'servers_lost', evidence: { losses: 3, tickets: id } },
    ]);
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0 });
    const says = rig.box.run(['status']).out.replace(/\s+/g, ' ');
    expect(says).toContain('the tmux server was lost 3 times in half an hour');
    expect(says).toContain(`runs of ${id} lived each time`);
    // It lets go by itself, once the losses are older than that.
    rig.box.sql('DROP TRIGGER runtime_ended_is_history');
    rig.box.sql('UPDATE runtime_sessions SET ended_at_ms = ended_at_ms - 1800000');
    expect(rig.tick().dispatch).toMatchObject([{ kind: 'launch', ticket: id, result: 'launched' }]);
  });
});

describe('an owner that changes while the agent lives', () => {
  it.each(['scripted', 'second'])('to the profile %s: the report of the agent stands', async (owner) => {
    rig.configure({ more: `[agent.second]\nkind = "command"\nargv = ["true"]\n` });
    const id = rig.add('hold');
    rig.tick();
    await rig.holding(id);
    expect(rig.box.run(['ticket', 'edit', id, '--owner', owner])).toMatchObject({ code: 0, err: '' });
    rig.tick();
    rig.box.signal(`${id}.go`);
    await rig.settle(id, 'in_review');
  });

  it('to another profile, and its agent dies: that one takes it', async () => {
    rig.configure({ more: `[agent.second]\nkind = "command"\nargv = ["sleep", "600"]\n` });
    const id = rig.add('hold');
    rig.tick();
    await rig.holding(id);
    rig.box.run(['ticket', 'edit', id, '--owner', 'second']);
    await rig.kill(rig.run(id).pid);
    rig.tick();
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', owner: 'second', attempts: 0 });
    expect(rig.box.sql('SELECT agent FROM runtime_sessions WHERE ended_at_ms IS NULL')).toEqual([
      { agent: 'second' },
    ]);
  });

  it('to a person: the agent is refused, and the ticket is the person’s', async () => {
    const id = rig.add('hold');
    rig.tick();
    await rig.holding(id);
    rig.box.run(['ticket', 'edit', id, '--owner', 'ann']);
    const { pid } = rig.run(id);
    rig.box.signal(`${id}.go`);
    await rig.gone(pid);
    expect(rig.box.note(`${id}.reports`)).toContain('exit 75');
    rig.tick();
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', owner: 'ann' });
  });
});
