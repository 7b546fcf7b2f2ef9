import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stageRun } from '../../src/act/launch/script.ts';
import { PROMPT } from '../../src/agents/adapter.ts';
import { command } from '../../src/agents/command.ts';
import { placesOf } from '../../src/machine/paths.ts';
import type { AgentProfile } from '../../src/model/policy.ts';
import { agentEnvironment } from '../../src/runs/environment.ts';
import { readRunFile } from '../../src/runs/run-file.ts';

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
  settled: null,
};
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
    HTTPS_PROXY: 'http://proxy:1',
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
  return { places, agentDir: join(places.runs, ids.run), env, ran };
}

test('the agent gets the exact prompt and exactly its environment, under the registered pid', () => {
  const prompt = 'Do `this` "now" $HOME $(id)\n\'é\'\n\n';
  const { ran, env, agentDir, places } = stage(prompt, 0);
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
  expect(got).toMatchObject({
    MINE: "it's",
    HTTPS_PROXY: 'http://proxy:1',
    NO_PROXY: 'localhost,127.0.0.1,::1',
  });
  const said = readFileSync(join(dir, 'args'), 'utf8');
  expect(said).toMatch(/^ {2}-.*register r-1 \d+$/m); // with nothing of the server's environment
  const args = said.trim();
  expect(args.split(' ').at(-1)).toBe(readFileSync(join(dir, 'pid'), 'utf8').trim());
  expect(statSync(agentDir).mode & 0o777).toBe(0o700);
  expect(statSync(join(agentDir, 'prompt.md')).mode & 0o777).toBe(0o600);
  expect(readRunFile(places.runs, 'r-1')).toMatchObject({ ticket: 'MC-1', agent: 'p', claim_epoch: 3 });
  expect(readRunFile(places.runs, '../x')).toBeNull();
});

test('when register loses, no agent runs; a long prompt goes by a pointer', () => {
  expect(stage('x', 1).ran.status).toBe(75);
  expect(existsSync(join(dir, 'env'))).toBe(false);
  const { agentDir } = stage('y'.repeat(110 * 1024), 0);
  expect(readFileSync(join(dir, 'prompt'), 'utf8')).toContain(join(agentDir, 'prompt.md'));
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
