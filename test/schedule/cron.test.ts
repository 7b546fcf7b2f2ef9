/* The real crontab of Debian, on a spool that no other process sees. What the daemon does with it: minutes.test.ts. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith, type Result } from '../support/private.ts';
import type { Rig } from '../support/rig.ts';
import { BIN } from '../support/sandbox.ts';
import { CronMachine, OTHERS } from './cron-machine.ts';

let cron: CronMachine;
let rig: Rig;
beforeEach(async () => {
  cron = await CronMachine.start();
  rig = cron.rig;
});
afterEach(() => cron?.destroy());

const schedule = (...args: string[]) => cron.schedule(...args);
const crontab = (...args: string[]) => cron.crontab(...args);
const setCrontab = (text: Buffer | string) => cron.setCrontab(text);
const spool = () => cron.spool();

/** At a terminal, which answers. */
function atTerminal(answer: string, ...args: string[]): Result {
  const words = [process.execPath, BIN, 'schedule', ...args].map((word) => `'${word}'`).join(' ');
  return cron.run(['script', '-qec', words, '/dev/null'], answer);
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
    cron.run(['sh', '-c', `umask 077; cat >${file}`], text);
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
      cron.run(['sh', '-c', `mkdir -p "$0" && cat >"$0/crontab" && chmod +x "$0/crontab"`, broken], body);
    const by = (...args: string[]) =>
      cron.machine.run([process.execPath, BIN, 'schedule', ...args], {
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
