/* A real systemd user manager, in a mount namespace and a control group of its own. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith, hostileTmp, PrivateMachine, type Result } from '../support/private.ts';
import { Rig } from '../support/rig.ts';
import { BIN } from '../support/sandbox.ts';
import { waitFor } from '../support/wait.ts';

const RUNTIME_DIR = `/run/user/${process.getuid?.() ?? 0}`;

let calm: () => void;
let machine: PrivateMachine;
let rig: Rig;

beforeEach(async () => {
  calm = hostileTmp();
  rig = new Rig({ limits: '[limits]\ninterval_seconds = 2\n' });
  machine = await PrivateMachine.start({ cgroup: true });
});

afterEach(async () => {
  try {
    await machine?.destroy();
  } finally {
    try {
      await rig?.box.destroy();
    } finally {
      calm();
    }
  }
});

function inside(...argv: string[]): Result {
  return machine.run(argv, { ...rig.box.env, XDG_RUNTIME_DIR: RUNTIME_DIR });
}

function schedule(...args: string[]): Result {
  // As after su: nobody has said where the manager is.
  return machine.run([process.execPath, BIN, 'schedule', ...args], rig.box.env);
}

async function startManager(): Promise<void> {
  const env = { PATH: process.env.PATH, HOME: rig.box.env.HOME, XDG_RUNTIME_DIR: RUNTIME_DIR };
  machine.beginInCgroup(['/lib/systemd/systemd', '--user'], env);
  await waitFor(() => inside('systemctl', '--user', 'is-system-running').code === 0, 'the manager');
}

describeWith('a real systemd user manager', ['unshare', 'nsenter', 'systemctl', 'systemd'], () => {
  it.each([
    { bus: true, title: 'that has a bus' },
    { bus: false, title: 'without a bus, where tmux stays in the control group of the unit' },
  ])(
    '$title starts ticks by the timer, whose agents outlive the unit; remove takes all of it out',
    async ({ bus }) => {
      const dir = units();
      expect(schedule('install', '--with', 'systemd', '--yes')).toMatchObject({
        code: 69,
        err: expect.stringContaining('no systemd user manager answers'),
      });
      expect(existsSync(dir)).toBe(false);
      if (!bus) withoutBus();

      await startManager();
      const id = rig.add('stay');
      const installed = schedule('install', '--yes');
      expect(installed).toMatchObject({ code: 0, err: '' });
      expect(installed.out).toContain('installed with systemd: the timer mc-pickup-');
      expect(installed.out).toContain('loginctl enable-linger');
      const ticks = () => rig.box.sql<{ outcome: string }>('SELECT outcome FROM ticks');
      await waitFor(() => ticks().length >= 3, 'three ticks of the timer');
      await rig.settle(id, 'in_review');
      const [agent = 0] = rig.agents(id);
      const unit = readdirSync(dir).find((name) => name.endsWith('.service')) ?? '';
      await waitFor(() => {
        const { out } = inside('systemctl', '--user', 'show', '--property=ActiveState,Result', unit);
        return out.includes('ActiveState=inactive') && out.includes('Result=success');
      }, 'the end of a tick');
      const scoped = inside('test', '-e', `${RUNTIME_DIR}/bus`).code === 0;
      if (!bus) expect(scoped).toBe(false);
      expect(readFileSync(`/proc/${rig.tmuxPid()}/cgroup`, 'utf8')).toContain(scoped ? '.scope' : unit);
      expect(rig.agents(id)).toEqual([agent]);
      expect(agent).toBeGreaterThan(0);
      // One that uses up the memory takes nobody along: neither by its unit nor, where there is a bus, by the scope of all.
      expect(inside('systemctl', '--user', 'show', '--property=OOMPolicy', unit).out).toBe(
        'OOMPolicy=continue\n',
      );
      const group = readFileSync(`/proc/${agent}/cgroup`, 'utf8');
      if (scoped) expect(group).toContain(`/mc-pickup-${rig.runs(id).at(-1)?.mark}.scope`);
      else expect(group).toContain(unit);

      expect(schedule('install', '--yes').out).toContain('already up to date');
      expect(schedule('show').out).toContain('systemd  up to date: the timer');
      // Files that are right while the timer is stopped are not up to date.
      expect(inside('systemctl', '--user', 'stop', unit.replace('.service', '.timer')).code).toBe(0);
      expect(schedule('show').out).toMatch(/systemd {2}differs: the timer \S+ is not active/);
      expect(schedule('install', '--yes').out).toContain('run: systemctl --user restart');
      expect(schedule('show').out).toContain('systemd  up to date');
      rig.configure({ limits: '[limits]\ninterval_seconds = 3600\n' });
      expect(schedule('show').out).toContain('+OnUnitActiveSec=3600s');
      // What somebody has added is shown without its secret, and kept.
      appendFileSync(join(dir, unit), 'Environment="MY_TOKEN=hush"\n');
      expect(schedule('show').out).toMatch(/-Environment="MY_TOKEN=\*\*\*"/);
      expect(schedule('install', '--yes').code).toBe(0);
      expect(readFileSync(join(rig.box.state, `${unit}.before`), 'utf8')).toContain('MY_TOKEN=hush');

      const removed = schedule('remove', '--yes');
      expect(removed).toMatchObject({
        code: 0,
        err: '',
        out: expect.stringContaining('removed from systemd'),
      });
      expect(readdirSync(dir).filter((name) => name.startsWith('mc-pickup'))).toEqual([]);
      expect(existsSync(join(dir, 'timers.target.wants', unit.replace('.service', '.timer')))).toBe(false);
      expect(inside('systemctl', '--user', 'list-timers', '--all').out).not.toContain('mc-pickup');
      expect(rig.agents(id)).toEqual([agent]);
      expect(schedule('remove', '--yes').out).toBe('nothing is installed for this state dir\n');
    },
  );

  it('is not asked to forget the unit while a tick is at work: the agents would die with it', async () => {
    withoutBus();
    await startManager();
    const hook = `#!/bin/sh
n=$MC_PICKUP_STATE_DIR/notes
if [ -e "$n/$MC_TICKET_ID.held" ]; then
  : >"$n/inside"
  while [ ! -e "$n/on" ]; do sleep 0.05; done
fi
`;
    rig.configure({
      limits: '[limits]\ninterval_seconds = 2\n',
      project: `before_run = { timeout_seconds = 600, argv = ["/bin/sh", "-c", '''\n${hook}'''] }`,
    });
    const first = rig.add('hold');
    expect(schedule('install', '--yes').code).toBe(0);
    await rig.holding(first);
    const agents = rig.agents(first);
    expect(agents).toHaveLength(1);
    rig.box.signal('MC-2.held');
    rig.add('hold');
    await waitFor(() => existsSync(join(rig.box.state, 'notes', 'inside')), 'the hook');

    const removal = machine.begin([process.execPath, BIN, 'schedule', 'remove', '--yes'], rig.box.env);
    const timer = readdirSync(units()).find((name) => name.endsWith('.timer')) ?? '';
    await waitFor(() => inside('systemctl', '--user', 'is-active', timer).code !== 0, 'the stopped timer');
    expect(removal.exitCode).toBeNull();
    expect(existsSync(join(units(), timer))).toBe(true);
    rig.box.signal('on');
    await waitFor(() => removal.exitCode !== null, 'the removal');
    expect(removal.exitCode).toBe(0);
    expect(existsSync(join(units(), timer))).toBe(false);
    await rig.holding('MC-2');
    expect(rig.agents(first)).toEqual(agents);
    expect(rig.agents('MC-2')).toHaveLength(1);
  });
});

function units(): string {
  return join(rig.box.env.HOME ?? '', '.config', 'systemd', 'user');
}

/** Without its bus, systemd-run makes no scope: tmux stays in the control group of the tick's unit. */
function withoutBus(): void {
  mkdirSync(units(), { recursive: true });
  symlinkSync('/dev/null', join(units(), 'dbus.socket'));
}
