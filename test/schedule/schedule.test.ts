import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findProgram } from '../../src/machine/programs.ts';
import { filesNote } from '../../src/schedule/cron.ts';
import { installedSchedules, scheduleId } from '../../src/schedule/index.ts';
import { type Here, wishOf } from '../../src/schedule/wish.ts';
import { makeSandbox, type Ran, type Sandbox } from '../support/sandbox.ts';

let box: Sandbox;
let bin: string;
beforeEach(() => {
  box = makeSandbox();
  bin = join(box.dir, 'bin');
  mkdirSync(bin);
  // Only what is named here is on PATH: no crontab and no systemctl of this machine.
  for (const name of ['git', 'tmux', 'sh', 'cat', 'touch', 'rm'])
    symlinkSync(findProgram(name, process.env.PATH) ?? '', join(bin, name));
});
afterEach(async () => {
  await box.destroy();
});

function standIn(name: string, script: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}`);
  chmodSync(join(bin, name), 0o755);
}

const schedule = (...args: string[]): Ran => box.run(['schedule', ...args], '', { PATH: bin });

function here(env: NodeJS.ProcessEnv = {}): Here {
  const places = { state: box.state, config: join(box.dir, 'config.toml') };
  return { places, env: { ...box.env, PATH: bin, ...env }, node: process.execPath };
}

describe('schedule on a machine without a scheduler', () => {
  it('says what to install: exit 69', () => {
    const done = schedule('install', '--yes');
    expect(done.code).toBe(69);
    expect(done.err).toMatch(
      /no scheduler was found here.*cron: .*apt-get install cron.*systemd: no systemctl/,
    );
    expect(schedule('install', '--with', 'launchd').err).toContain('the scheduler of macOS');
    expect(schedule('install', '--with', 'at').code).toBe(2);
    expect(schedule('show')).toMatchObject({
      code: 0,
      out: expect.stringContaining('install: no scheduler'),
    });
    expect(JSON.parse(schedule('show', '--json').out)).toMatchObject({ install_with: null, schedulers: [] });
    expect(schedule('remove', '--yes')).toMatchObject({
      code: 0,
      out: expect.stringContaining('nothing is'),
    });
    expect(existsSync(box.state)).toBe(false);
  });
});

describe('schedule with a launchd that only keeps count of what is loaded', () => {
  const plist = () =>
    join(box.env.HOME ?? '', 'Library/LaunchAgents', `mc-pickup.${scheduleId(box.state)}.plist`);
  beforeEach(() => {
    standIn(
      'launchctl',
      `echo "$@" >>"$0.log"
case $1 in
print) [ -e "$0.loaded" ] ;;
bootstrap) [ ! -e "$0.loaded" ] && cat "$3" >/dev/null && touch "$0.loaded" ;;
bootout) [ -e "$0.loaded" ] && rm "$0.loaded" ;;
esac
`,
    );
  });

  it('installs once, replaces what has changed, and takes it out', () => {
    expect(schedule('install', '--yes')).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringContaining('installed with launchd'),
    });
    expect(readFileSync(plist(), 'utf8')).toContain('<key>StartInterval</key><integer>60</integer>');
    expect(schedule('install', '--yes').out).toContain('already up to date');
    writeFileSync(plist(), 'older');
    const again = schedule('install', '--yes', '--json');
    expect(JSON.parse(again.out)).toMatchObject({ with: 'launchd', changed: true, dry_run: false });
    const log = readFileSync(join(bin, 'launchctl.log'), 'utf8').replaceAll(/gui\/\d+/g, 'GUI');
    expect(log.match(/^(bootstrap|bootout)/gm)).toEqual(['bootstrap', 'bootout', 'bootstrap']);
    rmSync(join(bin, 'launchctl.loaded'));
    expect(schedule('show').out).toMatch(/launchd {2}differs: the agent \S+ is not loaded/);
    expect(schedule('remove', '--yes').code).toBe(0);
    expect(existsSync(plist())).toBe(false);
    expect(schedule('remove', '--yes').out).toContain('nothing is installed');
  });
});

describe('what is installed', () => {
  it('is told for each scheduler of the machine, and what cannot be told is unknown', async () => {
    expect(await installedSchedules(here())).toEqual([]);
    standIn('crontab', 'echo "no crontab for ann" >&2; exit 1\n');
    expect(await installedSchedules(here())).toEqual([
      expect.objectContaining({
        with: 'cron',
        state: 'none',
        says: expect.stringContaining('nothing of this state dir'),
      }),
    ]);
    standIn('crontab', 'echo "not allowed" >&2; exit 1\n');
    expect(await installedSchedules(here())).toEqual([
      { with: 'cron', state: 'unknown', says: expect.stringContaining('not allowed'), notes: [] },
    ]);
    standIn('systemctl', 'echo "no bus" >&2; exit 1\n');
    const units = join(box.env.HOME ?? '', '.config/systemd/user');
    expect((await installedSchedules(here()))[1]).toMatchObject({ with: 'systemd', state: 'none' });
    mkdirSync(units, { recursive: true });
    writeFileSync(join(units, `mc-pickup-${scheduleId(box.state)}.timer`), '');
    expect((await installedSchedules(here()))[1]).toMatchObject({ with: 'systemd', state: 'unknown' });
    // remove does not say that all is well while units are left.
    expect(schedule('remove', '--yes', '--with', 'systemd')).toMatchObject({
      code: 69,
      err: expect.stringContaining('no bus'),
    });
  });

  it('is in one scheduler: where it is already, install goes on', () => {
    standIn('crontab', 'case $1 in -l) cat "$0.tab" ;; -) cat >"$0.tab" ;; -r) : >"$0.tab" ;; esac\n');
    writeFileSync(join(bin, 'crontab.tab'), '');
    standIn('launchctl', '[ "$1" != print ]\n');
    expect(schedule('install', '--yes', '--with', 'cron').out).toContain('installed with cron');
    expect(schedule('install', '--yes').out).toContain('already up to date: in the crontab');
    const both = schedule('install', '--yes', '--with', 'launchd');
    expect(both.out).toMatch(/note: cron starts ticks for this state dir too.*schedule remove --with cron/);
  });
});

describe('what a schedule is made from', () => {
  it('has one id for a state dir: before it is made, after it, and by a link to it', () => {
    const link = join(box.dir, 'link');
    symlinkSync(box.dir, link);
    const before = scheduleId(box.state);
    expect(before).toMatch(/^[0-9a-f]{8}$/);
    expect(scheduleId(join(link, 'state'))).toBe(before);
    mkdirSync(box.state);
    expect(scheduleId(box.state)).toBe(before);
    expect(scheduleId(`${box.state}2`)).not.toBe(before);
  });

  it('has the launcher, and a short PATH on which the programs of now are found', () => {
    const { wish, notes } = wishOf(here());
    expect(wish).toMatchObject({
      node: process.execPath,
      launcher: join(box.state, 'bin', 'mc-pickup'),
      home: box.env.HOME,
      interval_seconds: 60,
    });
    expect(wish.path.split(':')).toEqual([
      join(process.execPath, '..'),
      bin,
      '/usr/local/bin',
      '/usr/bin',
      '/bin',
    ]);
    expect(notes).toEqual([]);
  });

  it('does not have what is lost with this login: the directory is named by where it really is', () => {
    const dir = join(box.dir, 'fnm_multishells', '17');
    mkdirSync(dir, { recursive: true });
    symlinkSync(bin, join(dir, 'bin'));
    const { wish } = wishOf(here({ PATH: join(dir, 'bin') }));
    expect(wish.path).not.toContain('fnm_multishells');
    expect(wish.path).toContain(bin);
  });

  it('tells what a scheduled tick would lack', () => {
    box.configure(`[agent.one]
kind = "claude"
pass_env = ["ANTHROPIC_API_KEY", "HOME"]
`);
    const { notes } = wishOf(here({ MC_PICKUP_KILLSWITCH: '/x', ANTHROPIC_API_KEY: 'secret' }));
    expect(notes).toEqual([
      'the program of agent one, claude, is not on PATH now, so ticks would not find it either',
      'MC_PICKUP_KILLSWITCH is set here; a scheduled tick does not have it',
      expect.stringMatching(/^agent one hands on ANTHROPIC_API_KEY \(pass_env\)/),
    ]);
    const network = { HTTPS_PROXY: 'http://ann:secret@p:1', no_proxy: '.corp', SSL_CERT_FILE: '/ca' };
    const says = expect.stringMatching(/^HTTPS_PROXY, SSL_CERT_FILE, no_proxy: set here, .*\[network\]/);
    expect(wishOf(here(network)).notes).toContainEqual(says);
    box.configure('[network]\nhttps_proxy = "http://p:1"\nno_proxy = ".corp"\nca_file = "ca.pem"\n');
    expect(wishOf(here({ ...network, SSL_CERT_FILE: '' })).notes.join()).not.toContain('set here');
    expect(JSON.stringify(wishOf(here({ ANTHROPIC_API_KEY: 'secret' })))).not.toContain('secret');
  });

  it.each([
    ['the daemon may have fewer files open', 1024, 20_000, [/^cron may have 1024 files .* this shell 20000/]],
    ['this shell is without a limit', 1024, null, [/any number of/]],
    ['the daemon may have as many', 20_000, 20_000, []],
    ['the daemon is without a limit', null, 20_000, []],
    ['nobody tells', undefined, 20_000, []],
  ])('of open files: %s', (_, there, here, notes) => {
    expect(filesNote('cron', there, here)).toEqual(notes.map((one) => expect.stringMatching(one)));
  });

  it('is refused where a path could begin a line of its own', () => {
    const done = schedule('install', '--yes', '--state-dir', '/tmp/a\n* * * * * evil');
    expect(done).toMatchObject({ code: 78, err: expect.stringContaining('line break') });
  });
});
