/*
 * What is written down outlives what it was written by: a version manager upgrades Node, and takes the old one away with all that was installed
 * with it, this program too. Ticks go on coming, by the very lines that were installed before, and agents that work meanwhile can report.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { placesOf } from '../../src/machine/paths.ts';
import { ensureTools } from '../../src/runs/tools.ts';
import { scheduleId } from '../../src/schedule/index.ts';
import { fileCrontab } from '../support/crontab.ts';
import { Rig } from '../support/rig.ts';
import { BIN, type Ran, until } from '../support/sandbox.ts';

const ROOT = dirname(dirname(BIN));

let rig: Rig;
/** Where the version manager has its Nodes: on the disk of the one that runs this, so that it need not be copied. */
let nodes: string;
beforeEach(() => {
  rig = new Rig();
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  nodes = mkdtempSync(join(ROOT, '.cache', 'nodes-'));
});
afterEach(async () => {
  rmSync(nodes, { recursive: true, force: true });
  await rig.box.destroy();
});

const nodeOf = (version: string) => join(nodes, version, 'bin', 'node');
const programOf = (version: string) => join(nodes, version, 'lib/node_modules/mc-pickup/bin/mc-pickup.js');

/** Node of that version with this program, as \`npm install -g\` puts it there. */
function installed(version: string): void {
  mkdirSync(dirname(nodeOf(version)), { recursive: true });
  try {
    linkSync(process.execPath, nodeOf(version));
  } catch {
    copyFileSync(process.execPath, nodeOf(version)); // on another disk
  }
  const at = dirname(dirname(programOf(version)));
  for (const part of ['bin', 'dist']) cpSync(join(ROOT, part), join(at, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(at, 'node_modules'));
  symlinkSync('../lib/node_modules/mc-pickup/bin/mc-pickup.js', join(dirname(nodeOf(version)), 'mc-pickup'));
}

/** The program of that version, as the user types it. */
function typed(version: string, ...words: string[]): Ran {
  const PATH = `${fileCrontab(join(rig.box.dir, 'bin'))}:${rig.box.env.PATH}`;
  const bin = join(dirname(nodeOf(version)), 'mc-pickup');
  const done = spawnSync(nodeOf(version), [bin, ...words], {
    env: { ...rig.box.env, PATH },
    encoding: 'utf8',
  });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

/** The installed lines of that kind, each started as cron starts it. */
function cronStarts(fields: RegExp): (number | null)[] {
  const { HOME = '' } = rig.box.env;
  const table = readFileSync(join(HOME, 'crontab'), 'utf8').split('\n');
  return table.flatMap((line) => {
    const [all] = fields.exec(line) ?? [];
    if (all === undefined) return [];
    const env = { HOME, LOGNAME: 'ann', SHELL: '/bin/sh', PATH: '/usr/bin:/bin' };
    const command = line.slice(all.length).replaceAll('\\%', '%');
    return [spawnSync('/bin/sh', ['-c', command], { env, cwd: HOME }).status];
  });
}

const log = () => readFileSync(join(rig.box.state, 'tick.log'), 'utf8');

it('Node is upgraded, and what was installed with the old one is gone: ticks come, and agents report', async () => {
  installed('v24.0.1');
  expect(typed('v24.0.1', 'schedule', 'install', '--with', 'cron', '--yes')).toMatchObject({
    code: 0,
    err: '',
  });
  const id = rig.add('hold');
  expect(cronStarts(/^\* \* \* \* \* /)).toEqual([0]);
  await rig.holding(id);

  renameSync(join(nodes, 'v24.0.1'), join(nodes, 'v24.0.2'));
  rig.box.signal(`${id}.go`);
  await rig.settle(id, 'in_review');
  expect(await until(() => rig.box.note(`${id}.reports`) === 'report: exit 0\n')).toBe(true);
  rmSync(join(rig.box.state, 'tick.log'));
  expect(cronStarts(/^(\* \* \* \* \*|@reboot) /)).toEqual([0, 0]);
  // Said once, where a scheduler's words go.
  const said = log().match(/^mc-pickup: .*$/gm) ?? [];
  expect(said).toEqual([expect.stringContaining(`${nodeOf('v24.0.1')} is gone`)]);
  expect(said[0]).toContain(programOf('v24.0.2'));
  const doctor = typed('v24.0.2', 'doctor', '--json');
  const found = JSON.parse(doctor.out) as { check: string; result: string; says: string; fix?: string }[];
  expect(found.find(({ check }) => check === 'tools')).toMatchObject({
    result: 'warn',
    says: expect.stringContaining(`${nodeOf('v24.0.1')}`),
    fix: expect.stringContaining('schedule install'),
  });
  expect(found.find(({ check }) => check === 'schedule')?.result).toBe('warn');

  expect(typed('v24.0.2', 'schedule', 'install', '--yes')).toMatchObject({ code: 0, err: '' });
  const again = JSON.parse(typed('v24.0.2', 'doctor', '--json').out) as typeof found;
  expect(again.find(({ check }) => check === 'tools')).toMatchObject({ result: 'ok' });
  expect(again.find(({ check }) => check === 'schedule')?.says).toContain('in the crontab');
});

it('neither Node nor the program can be found: what an agent reports is kept, and the next tick tells the board', async () => {
  const { box } = rig;
  const id = rig.add('hold');
  rig.tick();
  await rig.holding(id);
  const places = placesOf({ stateDir: box.state, config: join(box.dir, 'config.toml') }, box.env);
  ensureTools(places, '/gone/node', '/gone/mc-pickup.js');
  box.signal(`${id}.go`);
  expect(await until(() => box.note(`${id}.reports`) === 'report: exit 0\n')).toBe(true);
  expect(rig.ticket(id).status).toBe('in_progress');
  rig.tick();
  expect(rig.ticket(id)).toMatchObject({
    status: 'in_review',
    reason_text: 'Ready for review.',
    attempts: 0,
  });
});

it('lines of 0.1, which name Node itself, go on working; the tick mends the launcher, and doctor offers new lines', () => {
  const { box } = rig;
  const log = join(box.state, 'tick.log');
  const table = join(box.env.HOME ?? '', 'crontab');
  const PATH = `${fileCrontab(join(box.dir, 'bin'))}:${box.env.PATH}`;
  const run = (...words: string[]) => box.run(words, '', { PATH });
  box.configure(''); // no project, which doctor would try
  expect(run('init').code).toBe(0);
  const launcher = join(box.state, 'bin', 'mc-pickup');
  writeFileSync(launcher, `#!/bin/sh\nexec '/gone/node' '/gone/mc-pickup.js' "$@"\n`);
  const variables = `HOME=${box.env.HOME} PATH=${dirname(process.execPath)}:/usr/bin:/bin MC_PICKUP_STATE_DIR=${box.state} MC_PICKUP_CONFIG=${join(box.dir, 'config.toml')}`;
  const line = `/usr/bin/env ${variables} ${process.execPath} ${BIN} dispatch >> ${log} 2>&1`;
  const block = `# >>> mc-pickup ${scheduleId(box.state)}: ${box.state}\n* * * * * ${line}\n# <<< mc-pickup ${scheduleId(box.state)}\n`;
  writeFileSync(table, block);
  const findings = () => {
    const all = JSON.parse(run('doctor', '--json').out) as {
      check: string;
      result: string;
      says: string;
      fix?: string;
    }[];
    return Object.fromEntries(all.map((one) => [one.check, one]));
  };
  expect(findings().tools).toMatchObject({ result: 'warn', fix: expect.stringContaining('mc-pickup init') });
  expect(cronStarts(/^\* \* \* \* \* /)).toEqual([0]);
  expect(readFileSync(log, 'utf8')).toBe('');
  expect(spawnSync(launcher, ['--version'], { env: { PATH: '/usr/bin:/bin' } }).status).toBe(0);
  const { tools, schedule } = findings();
  expect(tools).toMatchObject({ result: 'ok' });
  expect(schedule).toMatchObject({ result: 'warn', fix: expect.stringContaining('schedule install') });
  expect(run('schedule', 'install', '--yes')).toMatchObject({ code: 0, err: '' });
  expect(readFileSync(table, 'utf8').match(/^# >>>/gm)).toHaveLength(1);
  expect(readFileSync(table, 'utf8')).toContain(`/bin/sh ${launcher} dispatch`);
  expect(cronStarts(/^(\* \* \* \* \*|@reboot) /)).toEqual([0, 0]);
});
