/* The real cron daemon and crontab of Debian, on a spool that no other process sees. The daemon starts a tick at every full
 * minute, so the last of these tests takes two to three minutes. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type TickReport, tickLines } from '../../src/report/tick.ts';
import { describeWith, hostileTmp, PrivateMachine, type Result } from '../support/private.ts';
import { Rig } from '../support/rig.ts';
import { BIN } from '../support/sandbox.ts';
import { waitFor } from '../support/wait.ts';

const OTHERS = Buffer.from(
  '# mine \xe4\n\nMAILTO=""\nPATH=/nowhere\nSHELL=/bin/false\r\n17 3 1 1 * true # 100\\% \\r\n',
  'latin1',
);

let calm: () => void;
let machine: PrivateMachine;
let rig: Rig;

beforeEach(async () => {
  calm = hostileTmp();
  rig = new Rig({ limits: '[limits]\ninterval_seconds = 60\n' });
  machine = await PrivateMachine.start();
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

function schedule(...args: string[]): Result {
  return machine.run([process.execPath, BIN, 'schedule', ...args], rig.box.env);
}

function crontab(...args: string[]): Result {
  return machine.run(['crontab', ...args], rig.box.env);
}

function setCrontab(text: Buffer | string): void {
  expect(machine.run(['crontab', '-'], rig.box.env, text)).toMatchObject({ code: 0, err: '' });
}

/** What the spool has, byte for byte, below the header that Debian's crontab writes itself. */
function spool(): string {
  const { out } = machine.run(['sh', '-c', 'od -An -v -tx1 /var/spool/cron/crontabs/root'], rig.box.env);
  const bytes = Buffer.from(out.replaceAll(/\s/g, ''), 'hex').toString('latin1');
  return bytes.replace(/^# DO NOT EDIT.*\n.*\n.*\n/, '');
}

/** At a terminal, which answers. */
function atTerminal(answer: string, ...args: string[]): Result {
  const words = [process.execPath, BIN, 'schedule', ...args].map((word) => `'${word}'`).join(' ');
  return machine.run(['script', '-qec', words, '/dev/null'], rig.box.env, answer);
}

describeWith('schedule with the real crontab', ['unshare', 'nsenter', 'crontab', 'script'], () => {
  it('shows the change, installs it once, and takes out only its own lines', () => {
    setCrontab(OTHERS);
    const before = spool();
    expect(before).toBe(OTHERS.toString('latin1'));

    expect(schedule('show')).toMatchObject({ code: 0, out: expect.stringContaining('cron     not used') });
    const dry = schedule('install', '--dry-run');
    expect(dry).toMatchObject({ code: 0, out: expect.stringMatching(/^\+\* \* \* \* \* .* dispatch >> /m) });
    expect(schedule('install')).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
    expect(spool()).toBe(before);
    expect(existsSync(rig.box.state)).toBe(false);

    const installed = schedule('install', '--yes');
    expect(installed).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringContaining('installed with cron'),
    });
    expect(spool().slice(-before.length)).toBe(before);
    expect(spool()).toMatch(/^# >>> mc-pickup [0-9a-f]{8}: /);
    const kept = join(rig.box.state, 'crontab.before');
    expect(readFileSync(kept, 'latin1')).toBe(before);
    expect(statSync(kept).mode & 0o777).toBe(0o600);

    const once = spool();
    expect(schedule('install', '--yes').out).toContain('already up to date');
    expect(spool()).toBe(once);
    expect(schedule('show').out).toContain('cron     up to date: in the crontab of root, at "* * * * *"');
    const shown = JSON.parse(schedule('show', '--json').out) as {
      schedulers: { with: string; state: string }[];
    };
    expect(shown.schedulers[0]).toMatchObject({ with: 'cron', state: 'installed', diff: [] });

    rig.configure({ limits: '[limits]\ninterval_seconds = 300\n' });
    const differs = schedule('show');
    expect(differs.out).toMatch(
      /cron {5}differs: [\s\S]*^ {2}-\* \* \* \* \* [\s\S]*^ {2}\+\*\/5 \* \* \* \* /m,
    );
    expect(schedule('install', '--yes').code).toBe(0);
    expect(spool()).toContain('\n*/5 * * * * ');

    expect(schedule('remove')).toMatchObject({ code: 2 });
    expect(schedule('remove', '--dry-run').out).toContain('-*/5 * * * * ');
    expect(schedule('remove', '--yes')).toMatchObject({ code: 0, err: '' });
    expect(spool()).toBe(before);
    expect(schedule('remove', '--yes')).toMatchObject({
      code: 0,
      out: 'nothing is installed for this state dir\n',
    });
  });

  it('takes no comment of the user for the header that crontab writes', () => {
    const text = '# one\n# two\n# three\n# four\n1 1 1 1 1 true\n';
    const file = '/var/spool/cron/crontabs/root';
    machine.run(['sh', '-c', `umask 077; cat >${file}`], rig.box.env, text);
    expect(schedule('install', '--yes').code).toBe(0);
    expect(schedule('remove', '--yes').code).toBe(0);
    expect(spool()).toBe(text);
  });

  it('leaves no crontab where there was none', () => {
    expect(crontab('-l')).toMatchObject({ code: 1 });
    expect(schedule('install', '--yes').code).toBe(0);
    expect(crontab('-l')).toMatchObject({ code: 0 });
    expect(schedule('remove', '--yes').code).toBe(0);
    expect(crontab('-l')).toMatchObject({ code: 1, err: expect.stringContaining('no crontab for root') });
  });

  it('asks at a terminal, and takes nothing but yes for yes', () => {
    const no = atTerminal('\n', 'install');
    expect(no.out).toMatch(/make this change\? \[y\/N\][\s\S]*nothing was changed/);
    expect(crontab('-l').code).toBe(1);
    expect(atTerminal('y\n', 'install').out).toContain('installed with cron');
    expect(crontab('-l').code).toBe(0);
    expect(atTerminal('yes\n', 'remove').out).toContain('removed from cron');
    expect(crontab('-l').code).toBe(1);
  });

  it('keeps the lines of two state dirs apart', () => {
    const other = ['--state-dir', join(rig.box.dir, 'other')];
    expect(schedule('install', '--yes').code).toBe(0);
    const one = spool();
    expect(schedule('install', '--yes', ...other).code).toBe(0);
    expect(spool().endsWith(one)).toBe(true);
    expect(schedule('remove', '--yes', ...other).code).toBe(0);
    expect(spool()).toBe(one);
  });

  it('refuses a damaged block, and a crontab that cannot be read or has changed meanwhile', () => {
    expect(schedule('install', '--yes').code).toBe(0);
    const damaged = spool().replace(/^# <<<.*\n/m, '17 3 1 1 * true\n');
    setCrontab(Buffer.from(damaged, 'latin1'));
    for (const args of [
      ['install', '--yes'],
      ['remove', '--yes'],
    ])
      expect(schedule(...args)).toMatchObject({
        code: expect.any(Number),
        err: expect.stringContaining('crontab -e'),
      });
    expect(schedule('install', '--yes').code).toBe(78);
    expect(spool()).toBe(damaged);

    // A crontab program that fails is no empty crontab.
    setCrontab(OTHERS);
    const broken = join(rig.box.dir, 'broken');
    const script = (body: string) =>
      machine.run(
        ['sh', '-c', `mkdir -p "$0" && cat >"$0/crontab" && chmod +x "$0/crontab"`, broken],
        rig.box.env,
        body,
      );
    const by = (...args: string[]) =>
      machine.run([process.execPath, BIN, 'schedule', ...args], {
        ...rig.box.env,
        PATH: `${broken}:${rig.box.env.PATH}`,
      });
    script('#!/bin/sh\necho "cannot open the spool" >&2; exit 1\n');
    expect(by('install', '--yes')).toMatchObject({
      code: 69,
      err: expect.stringContaining('nothing was changed'),
    });
    expect(by('show').out).toContain('cron     cannot tell: crontab -l failed: cannot open the spool');
    // Somebody writes another line between our look and our write.
    setCrontab('# plain\n');
    script(`#!/bin/sh
[ "$1" = -l ] || exec /usr/bin/crontab "$@"
/usr/bin/crontab -l
[ -e "$0.seen" ] || { : >"$0.seen"; echo "1 1 1 1 1 true" | /usr/bin/crontab -; }
`);
    const raced = by('install', '--yes');
    expect(raced).toMatchObject({ code: 75, err: expect.stringContaining('has changed meanwhile') });
    expect(spool()).toBe('1 1 1 1 1 true\n');
  });
});

describeWith('the real cron daemon', ['unshare', 'nsenter', 'crontab', 'cron'], () => {
  it('starts ticks that bring a ticket to review, whose agent outlives its tick', async () => {
    const { box } = rig;
    setCrontab(OTHERS);
    expect(schedule('install', '--with', 'cron', '--yes').code).toBe(0);
    expect(schedule('show').out).toContain('no cron daemon');
    const id = rig.add('stay');
    machine.begin(['cron', '-f'], { PATH: process.env.PATH });
    const ticks = () => box.sql<{ id: string; outcome: string; report: string }>('SELECT * FROM ticks');
    // One more than two: that of @reboot launches nothing.
    await waitFor(() => ticks().length >= 3, 'two ticks of the daemon');
    await rig.settle(id, 'in_review');
    const [agent = 0] = rig.agents(id);
    expect(rig.agents(id)).toEqual([agent]);
    // The tick that launched it is over: what is left of the sandbox is tmux and what runs in it.
    await waitFor(() => !commands().some((words) => words.includes('dispatch')), 'the end of the ticks');
    expect(rig.agents(id)).toEqual([agent]);
    // The environment was bare but for what the line itself sets.
    const env = readFileSync(`/proc/${agent}/environ`, 'utf8').split('\0');
    expect(env).toContain(`HOME=${box.env.HOME}`);
    expect(env.find((one) => one.startsWith('PATH='))).not.toContain('/nowhere');
    expect(env.some((one) => one.startsWith('GIT_AUTHOR_NAME='))).toBe(false);

    // The log has what ticks printed, and those with nothing to do print nothing.
    const log = join(box.state, 'tick.log');
    const printed = () => ticks().flatMap(({ report }) => tickLines(JSON.parse(report) as TickReport, false));
    expect(readFileSync(log, 'utf8')).toBe(
      printed()
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(printed().join()).toContain(id);
    expect(ticks().every(({ outcome }) => outcome === 'ok')).toBe(true);

    // Nobody waits for a Sunday: its line, as cron hands it to the shell.
    const weekly = /^0 4 \* \* 0 (.*)$/m.exec(crontab('-l').out)?.[1]?.replaceAll('\\%', '%') ?? '';
    expect(schedule('remove', '--yes').code).toBe(0);
    expect(spool()).toBe(OTHERS.toString('latin1'));
    expect(rig.agents(id)).toEqual([agent]);
    expect(machine.run(['sh', '-c', weekly], {})).toEqual({ code: 0, out: '', err: '' });
    expect(existsSync(log)).toBe(false);
    expect(readFileSync(`${log}.1`, 'utf8')).toContain(id);
  });
});

/** The command lines of all processes of the sandbox. */
function commands(): string[][] {
  return rig.box.processes().map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return [];
    }
  });
}
