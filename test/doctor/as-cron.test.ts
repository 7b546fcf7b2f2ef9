/** `doctor --as-cron`: the same program, in the environment of a scheduler. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { TopicFinding } from '../../src/doctor/finding.ts';
import { fileCrontab } from '../support/crontab.ts';
import { git, makeSandbox, type Sandbox } from '../support/sandbox.ts';

let box: Sandbox;
/** A directory that only the shell of the user has on its PATH. */
let tools: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  box = makeSandbox();
  tools = join(box.dir, 'tools');
  mkdirSync(tools);
  env = { PATH: `${tools}:${box.env.PATH}` };
  // Nobody's crontab but one of the test is looked at.
  program('crontab', 'exit 1');
  box.run(['init']);
});
afterEach(() => box.destroy());

function program(name: string, body: string): void {
  writeFileSync(join(tools, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(tools, name), 0o755);
}

function agent(argv: string, more = ''): void {
  box.configure(
    `[project.demo]\nrepo = ${JSON.stringify(box.repo)}\n[agent.mine]\nkind = "command"\nargv = ["${argv}"]\n${more}`,
  );
}

function doctor(
  more: NodeJS.ProcessEnv = {},
  ...words: string[]
): { code: number | null; all: TopicFinding[] } {
  const done = box.run(['doctor', ...words, '--json'], '', { ...env, ...more });
  expect(done.err).toBe('');
  return { code: done.code, all: JSON.parse(done.out) as TopicFinding[] };
}

const asCron = (more: NodeJS.ProcessEnv = {}) => doctor(more, '--as-cron');
const only = (all: readonly TopicFinding[]) => all.filter((one) => one.only_as_cron === true);

it('an agent that only the shell finds: fine here, and under cron a failure that is marked and comes first', () => {
  program('my-agent', 'exit 0');
  agent('my-agent');
  expect(doctor().code).toBe(0);
  const { code, all } = asCron();
  expect(code).toBe(78);
  expect(only(all)).toMatchObject([
    {
      check: 'agent mine',
      result: 'fail',
      says: expect.stringContaining('in no directory of PATH, which has 2'),
    },
  ]);
  const people = box.run(['doctor', '--as-cron'], '', env);
  expect(people.code).toBe(78);
  expect(people.out).toMatch(/^FAIL agent mine +only under cron: the program "my-agent" was not found/m);
});

it('what is wrong here as well is told without the mark', () => {
  agent('no-such-agent');
  const { code, all } = asCron();
  expect(code).toBe(78);
  expect(all).toMatchObject(
    expect.arrayContaining([expect.objectContaining({ check: 'agent mine', result: 'fail' })]),
  );
  expect(only(all)).toEqual([]);
});

it('variables and an ssh-agent that only the shell has', () => {
  program('my-agent', 'exit 0');
  agent(join(tools, 'my-agent'), 'pass_env = ["MY_KEY"]\n');
  git(box, 'remote', 'add', 'origin', 'git@example.invalid:shop.git');
  const shell = { MY_KEY: 'a-secret', SSH_AUTH_SOCK: '/nowhere', MC_PICKUP_MAX_AGENTS: '2' };
  expect(doctor(shell).all.filter(({ check }) => check === 'variables mine')).toMatchObject([
    { result: 'ok' },
  ]);
  const { code, all } = asCron(shell);
  expect(all.filter(({ result }) => result === 'fail')).toEqual([]);
  expect(code).toBe(0);
  expect(
    only(all)
      .map(({ check }) => check)
      .sort(),
  ).toEqual(['fetch demo', 'variables', 'variables mine']);
  expect(JSON.stringify(all)).not.toContain('a-secret');
});

it('a client whose interpreter only the shell finds', () => {
  program('my-interpreter', 'exit 0');
  writeFileSync(join(tools, 'my-agent'), '#!/usr/bin/env my-interpreter\n', { mode: 0o755 });
  agent(join(tools, 'my-agent'));
  expect(doctor().code).toBe(0);
  expect(only(asCron().all)).toMatchObject([
    { check: 'agent mine', result: 'fail', says: expect.stringContaining('is run by "my-interpreter"') },
  ]);
});

it('the environment is bare: no terminal, nothing of the shell, the state dir and the configuration by name', () => {
  program(
    'my-agent',
    // It is asked twice at the same time: here and as cron would.
    `(env; echo tty $(cut -d" " -f7 /proc/$$/stat); pwd) >${box.dir}/seen.$$; echo 2.1.400`,
  );
  box.configure(
    `[project.demo]\nrepo = ${JSON.stringify(box.repo)}\n[agent.mine]\nkind = "claude"\nargv = ["${tools}/my-agent"]\n`,
  );
  const { all } = asCron({ SOMETHING: 'of the shell' });
  expect(all[0]).toMatchObject({ check: 'environment', says: expect.stringContaining('PATH=/usr/bin:/bin') });
  const [seen = [], ...more] = readdirSync(box.dir)
    .filter((name) => name.startsWith('seen.'))
    .map((name) => readFileSync(join(box.dir, name), 'utf8').split('\n'))
    .filter((lines) => lines.includes('PATH=/usr/bin:/bin'));
  expect(more).toEqual([]);
  expect(seen).toContain('tty 0');
  expect(seen).toContain(box.env.HOME);
  expect(seen.join('\n')).not.toContain('of the shell');
});

it('the PATH of the installed lines is taken in place of that of cron', () => {
  program('my-agent', 'exit 0');
  agent('my-agent');
  program(
    'crontab',
    `[ "$1" = -l ] && cat <<'END'\n# >>> mc-pickup 01ab: x\n* * * * * /usr/bin/env PATH=${tools}:/usr/bin:/bin MC_PICKUP_STATE_DIR=${box.state} /x/node /x/mc-pickup.js dispatch\n# <<< mc-pickup 01ab\nEND`,
  );
  const { code, all } = asCron();
  expect(code).toBe(0);
  expect(only(all)).toEqual([]);
  expect(all[0]).toMatchObject({ says: expect.stringContaining(`PATH=${tools}:/usr/bin:/bin`) });
});

it('a token that only the shell has keeps the board from being read under cron', () => {
  box.configure('[board]\nkind = "mission-control"\nurl = "http://127.0.0.1:1/v1"\ntoken_env = "MY_TOKEN"\n');
  const { code, all } = asCron({ MY_TOKEN: 'a-secret' });
  expect(code).toBe(78);
  expect(all.filter(({ check }) => check === 'board')).toMatchObject([
    { result: 'fail', says: expect.stringContaining('the environment has no MY_TOKEN') },
  ]);
});

it('what has the entries is told once, and as it is seen from here', () => {
  fileCrontab(tools);
  expect(box.run(['schedule', 'install', '--with', 'cron', '--yes'], '', env).code).toBe(0);
  const of = (all: readonly TopicFinding[]) => all.filter(({ check }) => check === 'schedule');
  const here = of(doctor().all);
  expect(here.length).toBeGreaterThan(0);
  expect(of(asCron().all)).toEqual(here);
});
