import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stageRun } from '../../src/act/launch/script.ts';
import { PROMPT } from '../../src/agents/adapter.ts';
import { command } from '../../src/agents/command.ts';
import { placesOf } from '../../src/machine/paths.ts';
import { parseStat } from '../../src/machine/proc.ts';
import { ensureHostId, hostId, lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { judge } from '../../src/model/identity.ts';
import type { AgentProfile } from '../../src/model/policy.ts';
import { agentEnvironment } from '../../src/runs/environment.ts';
import { foldEvents, pruneEvents } from '../../src/runs/events.ts';
import { readMarks, removeMark, writeMark } from '../../src/runs/marks.ts';
import { readRunFile } from '../../src/runs/run-file.ts';
import { ensureTools } from '../../src/runs/tools.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-la-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const profile: AgentProfile = {
  name: 'p',
  kind: 'command',
  argv: [],
  env: { MINE: "it's" },
  pass_env: ['TOKEN', 'bad-name'],
  max_agents: null,
  permission_mode: 'manual',
  prompt: null,
  on_idle: 'needs_input',
  max_nudges: 0,
  mode: 'interactive',
  fallback: null,
};
const row = {
  activity: 'unknown',
  question: null,
  turn: 0,
  client_session: null,
  events_cursor: null,
  limited_until_ms: null,
  not_ready: null,
} as const;

/** `knows`: whether its Node has the option that launchers use. */
function stage(prompt: string, exit: number, knows = true) {
  const places = placesOf({ stateDir: join(dir, "st'ate"), config: join(dir, 'c.toml') }, {});
  const bin = join(dir, 'register');
  writeFileSync(bin, `echo "$TMUX $TMUX_PANE $@" >'${dir}/args'; exit ${exit}\n`);
  const node = join(dir, "no'de");
  const option = `[ "$1" != --no-rehash-snapshot ] || ${knows ? 'shift' : 'exit 9'}`;
  writeFileSync(node, `#!/bin/sh\necho "$1" >>'${dir}/calls'\n${option}\nexec /bin/sh "$@"\n`, {
    mode: 0o755,
  });
  const ids = { run: 'r-1', ticket: 'MC-1' };
  const env = agentEnvironment(profile, places, ids, {
    HOME: '/h',
    PATH: '/usr/bin:/bin',
    TOKEN: 't',
    SECRET: 's',
  });
  const script = 'printf %s "$1" >prompt; env >env; echo $$ >pid';
  const adapter = { ...command, launchArgv: () => ['sh', '-c', script, 'sh', PROMPT] };
  const staged = stageRun({
    ...ids,
    places,
    profile,
    adapter,
    owner: 'p',
    project: 'x',
    claim_epoch: 3,
    worktree: dir,
    branch: null,
    ticket_created_at_ms: 1,
    client_session: 'u',
    resume: null,
    pipe: null,
    headless: false,
    node,
    bin,
    prompt,
    env,
  });
  const [file = '', ...args] = staged.command;
  const ran = spawnSync(file, args, {
    env: { ...process.env, SECRET: 's', TMUX: '/s,1,0', TMUX_PANE: '%1' },
  });
  return { places, staged, env, ran };
}

test('the agent gets the exact prompt and exactly its environment, under the registered pid', () => {
  const prompt = 'Do `this` "now" $HOME $(id)\n\'é\'\n\n';
  const { ran, env, staged, places } = stage(prompt, 0);
  expect(ran.status).toBe(0);
  expect(readFileSync(join(dir, 'prompt'), 'utf8')).toBe(prompt);
  const got = Object.fromEntries(
    readFileSync(join(dir, 'env'), 'utf8')
      .trim()
      .split('\n')
      .map((l) => l.split(/=(.*)/s)),
  );
  for (const name of ['PWD', 'SHLVL', '_']) delete got[name];
  expect(Object.keys(got).sort()).toEqual(Object.keys(env).sort());
  expect(got.MINE).toBe("it's");
  const args = readFileSync(join(dir, 'args'), 'utf8').trim();
  expect(args).toMatch(/^\/s,1,0 %1 .*register r-1 \d+$/);
  expect(args.split(' ').at(-1)).toBe(readFileSync(join(dir, 'pid'), 'utf8').trim());
  expect(statSync(staged.dir).mode & 0o777).toBe(0o700);
  expect(statSync(staged.promptFile).mode & 0o777).toBe(0o600);
  expect(readRunFile(places.runs, 'r-1')).toMatchObject({ ticket: 'MC-1', agent: 'p', claim_epoch: 3 });
  expect(readRunFile(places.runs, '../x')).toBeNull();
});

test('when register loses, no agent runs; a long prompt goes by a pointer', () => {
  expect(stage('x', 1).ran.status).toBe(75);
  expect(existsSync(join(dir, 'env'))).toBe(false);
  const { staged } = stage('y'.repeat(110 * 1024), 0);
  expect(readFileSync(join(dir, 'prompt'), 'utf8')).toContain(staged.promptFile);
});

test('a Node that does not know the option registers without it, once', () => {
  const calls = () => readFileSync(join(dir, 'calls'), 'utf8').trim().split('\n');
  const { ran, places } = stage('x', 0, false);
  expect(ran.status).toBe(0);
  expect(readFileSync(join(dir, 'args'), 'utf8')).toContain(`--state-dir ${places.state} `);
  expect(calls()).toEqual(['--no-rehash-snapshot', join(dir, 'register')]);
  rmSync(join(dir, 'calls'));
  expect(stage('x', 1, false).ran.status).toBe(75);
  expect(calls()).toHaveLength(2);
  rmSync(join(dir, 'calls'));
  expect(stage('x', 1).ran.status).toBe(75); // it has lost: that is no reason to try again
  expect(calls()).toHaveLength(1);
});

test('events of many writers at once are each counted once, bad ones too', async () => {
  const { places, staged } = stage('x', 0);
  ensureTools(places, 'node', 'bin');
  const tool = join(places.bin, 'mc-event');
  const send = (kind: string, body: string) =>
    new Promise((done) => {
      const child = spawn(tool, [kind], {
        env: { PATH: process.env.PATH, MC_RUN_DIR: staged.dir },
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      child.on('close', done);
      child.stdin.on('error', () => {}); // it may have refused the kind, and gone, before it reads
      child.stdin.end(body);
    });
  await Promise.all(Array.from({ length: 20 }, () => send('busy', '{}')));
  writeFileSync(join(staged.events, '.tmp.part'), '{');
  const one = foldEvents(staged.events, row, command);
  expect(one).toMatchObject({ activity: 'busy', turn: 20, fresh: 20 });
  await send('waiting', '{"question":"which?"}');
  await send('../evil', '{}');
  const two = foldEvents(staged.events, { ...row, ...one, events_cursor: one.cursor }, command);
  expect(two).toMatchObject({ activity: 'waiting', question: 'which?', turn: 20, fresh: 1 });
  expect(pruneEvents(staged.events, one.cursor)).toBe(20);
  expect(pruneEvents(staged.events, two.cursor)).toBe(1);
  writeFileSync(join(staged.events, 'idle.x'), '{"half');
  expect(foldEvents(staged.events, row, command)).toMatchObject({ activity: 'idle', fresh: 1 });
  expect(readdirSync(staged.events).sort()).toEqual(['.tmp.part', 'idle.x']);
});

test('stat with an evil name, a reused pid, a reboot', () => {
  const stat = (start: string) => `7 (a) Z 1 (\n) S 5 ${'0 '.repeat(17)}${start} 0`;
  const rest = { pgrp: 0, session: 0, tty: 0, tpgid: 0, threads: 0 };
  expect(parseStat(stat('42'))).toEqual({ state: 'S', ppid: 5, start: '42', ...rest });
  expect(parseStat('7 (a')).toBeNull();
  mkdirSync(join(dir, 'sys/kernel/random'), { recursive: true });
  mkdirSync(join(dir, 'self/ns'), { recursive: true });
  mkdirSync(join(dir, '7'));
  symlinkSync('pid:[1]', join(dir, 'self/ns/pid'));
  writeFileSync(join(dir, 'self/stat'), stat('1'));
  const proc = { root: dir };
  const boot = (id: string) => writeFileSync(join(dir, 'sys/kernel/random/boot_id'), `${id}\n`);
  const recorded = { host_id: 'h', boot_id: 'b1', pid_ns: 'pid:[1]', time_ns: null, pid: 7, pid_start: '42' };
  const verdict = () => judge(recorded, lookAtSelf('h', proc), lookAt(7, proc)).because;
  boot('b1');
  expect(verdict()).toBe('process_gone');
  writeFileSync(join(dir, '7/stat'), stat('42'));
  expect(verdict()).toBe('process_alive');
  writeFileSync(join(dir, '7/stat'), stat('43'));
  expect(verdict()).toBe('pid_reused');
  boot('b2');
  expect(verdict()).toBe('rebooted');
});

test('host id and marks', () => {
  expect(hostId(dir)).toBeNull();
  expect(ensureHostId(dir)).toMatch(/^h-[0-9a-f]{16}$/);
  expect(hostId(dir)).toBe(ensureHostId(dir));
  const mark = { run: 'r', host_id: 'h', boot_id: 'b', pid_ns: null, time_ns: null, pid: 3, pid_start: '4' };
  writeMark(dir, 'MC-1', mark);
  expect(() => writeMark(dir, '../x-1', mark)).toThrow();
  expect(readMarks(dir)).toEqual([{ ticket: 'MC-1', ...mark }]);
  expect(removeMark(dir, 'MC-1', 'q')).toBe(false);
  expect(removeMark(dir, 'MC-1', 'r')).toBe(true);
});
