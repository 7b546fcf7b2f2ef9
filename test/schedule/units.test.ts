import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { plistOf } from '../../src/schedule/plist.ts';
import { writeFile } from '../../src/schedule/scheduler.ts';
import { unitsOf } from '../../src/schedule/units.ts';
import type { Wish } from '../../src/schedule/wish.ts';
import { execWord, unitWord } from '../../src/schedule/words.ts';
import { describeWith } from '../support/private.ts';
import { wish } from './wish.ts';

const dir = mkdtempSync(join(tmpdir(), 'mc-pickup-units-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const HOSTILE = `/x y/%h%%/$HOME/\${A}/"q"/it's/\\b;#/é<&>]]>\\`;
const hostile: Wish = {
  ...wish,
  node: `${HOSTILE}/node`,
  launcher: `${HOSTILE}/bin/mc-pickup`,
  state: HOSTILE,
  config: `${HOSTILE}/c`,
  home: HOSTILE,
  path: `${HOSTILE}:/bin`,
  log: `${HOSTILE}/tick.log`,
};

describeWith('the units for systemd, read by systemd itself,', ['systemd-analyze'], () => {
  it.each([
    ['plain', wish],
    ['hostile', hostile],
  ])('have nothing to complain of, with %s paths', (name, one) => {
    const { service, timer } = unitsOf(one);
    const files = [service, timer].map((unit) => {
      const file = join(dir, unit.name.replace('mc-pickup', `mc-pickup-${name}`));
      // The timer starts the service of its own name.
      writeFileSync(file, unit.text);
      return file;
    });
    const done = spawnSync('systemd-analyze', ['verify', '--user', '--man=no', ...files], {
      encoding: 'utf8',
      env: { ...process.env, HOME: dir, XDG_RUNTIME_DIR: dir },
    });
    expect({ code: done.status, err: done.stderr, out: done.stdout }).toEqual({ code: 0, err: '', out: '' });
  });
});

describe('the units for systemd', () => {
  it('let the tmux server and the agents outlive a tick, and bound the tick', () => {
    const { service, timer } = unitsOf(wish);
    const lines = service.text.split('\n');
    for (const line of [
      'Type=oneshot',
      'KillMode=process',
      'OOMPolicy=continue',
      'TimeoutStartSec=660s',
      'UMask=0077',
    ])
      expect(lines).toContain(line);
    expect(timer.text.split('\n')).toEqual(
      expect.arrayContaining([
        'OnActiveSec=1s',
        'OnUnitActiveSec=60s',
        'AccuracySec=1s',
        'WantedBy=timers.target',
      ]),
    );
    expect(timer.name.replace('.timer', '')).toBe(service.name.replace('.service', ''));
  });
});

describe('a word in a unit', () => {
  it.each([
    ['/a b', '"/a b"', '"/a b"'],
    ['/100%h', '"/100%%h"', '"/100%%h"'],
    ['/$HOME', '"/$HOME"', '"/$$HOME"'],
    ['/a"b\\c', '"/a\\"b\\\\c"', '"/a\\"b\\\\c"'],
    ["/it's;#", '"/it\'s;#"', '"/it\'s;#"'],
  ])('is written so that systemd reads %j', (word, environment, exec) => {
    expect(unitWord(word)).toBe(environment);
    expect(execWord(word)).toBe(exec);
  });
});

describeWith('the property list for launchd', ['python3'], () => {
  it.each([wish, hostile])('is XML that gives every path back as it is', (one) => {
    const file = join(dir, 'one.plist');
    writeFileSync(file, plistOf(one));
    const read = 'import json,plistlib,sys; print(json.dumps(plistlib.load(open(sys.argv[1],"rb"))))';
    const done = spawnSync('python3', ['-c', read, file], { encoding: 'utf8' });
    expect(done.stderr).toBe('');
    expect(JSON.parse(done.stdout)).toEqual({
      Label: 'mc-pickup.1a2b3c4d',
      ProgramArguments: ['/bin/sh', one.launcher, 'dispatch'],
      EnvironmentVariables: {
        HOME: one.home,
        PATH: one.path,
        MC_PICKUP_STATE_DIR: one.state,
        MC_PICKUP_CONFIG: one.config,
      },
      RunAtLoad: true,
      StartInterval: 60,
      AbandonProcessGroup: true,
      StandardOutPath: one.log,
      StandardErrorPath: one.log,
      Umask: 0o077,
    });
  });
});

it('a file that somebody has changed meanwhile is left as it is', () => {
  const name = join(dir, 'edited.service');
  const one = { name, before: 'old', after: 'new' };
  writeFileSync(name, 'edited');
  expect(() => writeFile(one, dir)).toThrow(/changed meanwhile/);
  expect(readFileSync(name, 'utf8')).toBe('edited');
  writeFileSync(name, 'old');
  expect(readFileSync(writeFile(one, dir) ?? '', 'utf8')).toBe('old');
  expect(readFileSync(name, 'utf8')).toBe('new');
});
