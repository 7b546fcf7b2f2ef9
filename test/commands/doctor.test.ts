import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BIN, makeSandbox, type Sandbox } from '../support/sandbox.ts';

interface Finding {
  readonly check: string;
  readonly result: string;
  readonly says: string;
  readonly fix: string | null;
}

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(() => box.destroy());

/** A program that answers like a client of that version. */
function client(version: string): string {
  const file = join(box.dir, 'client');
  writeFileSync(file, `#!/bin/sh\necho "${version} (a client)"\n`);
  chmodSync(file, 0o755);
  return file;
}

function configured(version: string, kind = 'claude'): void {
  box.configure(
    `[project.demo]\nrepo = ${JSON.stringify(box.repo)}\nbase = "main"\n\n[agent.real]\nkind = "${kind}"\nargv = [${JSON.stringify(client(version))}]\n`,
  );
  expect(box.run(['init']).code).toBe(0);
}

function findings(): { readonly code: number | null; readonly all: Finding[] } {
  const done = box.run(['doctor', '--json']);
  expect(done.err).toBe('');
  return { code: done.code, all: JSON.parse(done.out) as Finding[] };
}

const of = (all: readonly Finding[], check: string) => all.filter((one) => one.check === check);

describe('doctor', () => {
  it('finds nothing to mend where all is there, and says what trust is missing', () => {
    configured('2.1.400');
    const { code, all } = findings();
    expect(code).toBe(0);
    for (const check of ['node', 'tmux', 'git', 'state dir', 'configuration', 'board', 'agent real'])
      expect(of(all, check)).toMatchObject([{ result: 'ok', fix: null }]);
    expect(of(all, 'agent real')[0]?.says).toContain('claude 2.1.400');
    expect(of(all, 'project demo')).toMatchObject([
      { result: 'ok' },
      { result: 'warn', says: expect.stringContaining('no trust'), fix: expect.stringContaining('--trust') },
    ]);
    expect(of(all, 'ticks')).toMatchObject([{ result: 'warn', says: 'no tick has ever run here' }]);
  });

  it('writes nothing where there is nothing yet', () => {
    rmSync(box.env.MC_PICKUP_CONFIG ?? '');
    const { code, all } = findings();
    expect(code).toBe(78);
    expect(of(all, 'configuration')).toMatchObject([{ result: 'fail', fix: 'mc-pickup init' }]);
    expect(existsSync(box.state)).toBe(false);
  });

  it('names each thing that keeps agents from being launched, with what to do: exit 78', () => {
    configured('2.1.1');
    chmodSync(box.state, 0o755);
    const { code, all } = findings();
    expect(code).toBe(78);
    expect(of(all, 'agent real')).toMatchObject([
      {
        result: 'fail',
        fix: expect.stringMatching(/is version 2\.1\.1, and .* or newer is needed: update it/),
      },
    ]);
    expect(of(all, 'state dir')).toMatchObject([{ result: 'fail', fix: `chmod 700 ${box.state}` }]);
    const people = box.run(['doctor']);
    expect(people.code).toBe(78);
    expect(people.out).toMatch(/^FAIL state dir .*\n {5}-> chmod 700 /m);
  });

  it('knows a missing program and a repository that is none', () => {
    box.configure(
      '[project.demo]\nrepo = "/nowhere"\n\n[agent.real]\nkind = "command"\nargv = ["/nowhere/agent"]\n',
    );
    const { code, all } = findings();
    expect(code).toBe(78);
    expect(of(all, 'agent real')).toMatchObject([{ result: 'fail' }]);
    expect(of(all, 'project demo')).toMatchObject([{ result: 'fail' }]);
    const bare = box.run(['doctor', '--json'], '', { PATH: '/nowhere' });
    expect(of(JSON.parse(bare.out) as Finding[], 'tmux')).toMatchObject([
      { result: 'fail', fix: expect.stringContaining('apt-get install tmux') },
    ]);
  });
});

describe('init --project --trust', () => {
  const inRepo = (...args: string[]) => {
    const words = [BIN, 'init', ...args];
    const done = spawnSync(process.execPath, words, { cwd: box.repo, env: box.env, encoding: 'utf8' });
    return { code: done.status, out: done.stdout, err: done.stderr };
  };
  const file = () => join(box.env.HOME ?? '', '.claude.json');

  it('says which file it writes into, and writes only the trust', () => {
    configured('2.1.400');
    writeFileSync(file(), '{"theme":"dark"}');
    const done = inRepo('--project', '--trust');
    expect(done).toMatchObject({ code: 0, err: '' });
    expect(done.out).toContain(`writing into ${file()} that claude may trust ${box.repo}`);
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toEqual({
      theme: 'dark',
      projects: { [box.repo]: { hasTrustDialogAccepted: true } },
    });
    expect(inRepo('--project', '--trust').out).toContain(`claude trusts ${box.repo} already`);
  });

  it('without --trust touches no file of a client, and --trust alone is refused', () => {
    configured('2.1.400');
    writeFileSync(file(), '{}');
    expect(inRepo('--project').code).toBe(0);
    expect(readFileSync(file(), 'utf8')).toBe('{}');
    expect(inRepo('--trust')).toMatchObject({ code: 2, err: expect.stringContaining('--project') });
  });

  it('says so where a client was never started, exit 78, and the project is there all the same', () => {
    configured('2.1.400');
    const done = inRepo('--project', '--trust');
    expect(done).toMatchObject({ code: 78, err: expect.stringContaining('start the client once') });
    expect(done.out).toContain('project demo');
    expect(existsSync(file())).toBe(false);
  });

  it('knows the file of Codex, in the HOME of its profile', () => {
    configured('0.200.0', 'codex');
    const home = join(box.dir, 'other-home');
    mkdirSync(join(home, '.codex'), { recursive: true });
    writeFileSync(join(home, '.codex', 'config.toml'), 'model = "m"\n');
    box.configure(
      `[project.demo]\nrepo = ${JSON.stringify(box.repo)}\n\n[agent.real]\nkind = "codex"\nargv = ["/bin/true"]\nenv = { HOME = ${JSON.stringify(home)} }\n`,
    );
    expect(inRepo('--project', '--trust')).toMatchObject({ code: 0, err: '' });
    expect(readFileSync(join(home, '.codex', 'config.toml'), 'utf8')).toBe(
      `model = "m"\n\n[projects.${JSON.stringify(box.repo)}]\ntrust_level = "trusted"\n`,
    );
  });
});
