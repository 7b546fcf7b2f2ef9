/* What git and what it starts have of our environment: a real git prints it by an alias. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { git } from '../../src/workspace/git.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-env-'));
  execFileSync('git', ['init', '-q', dir]);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

const seen = async (how: { remote?: boolean; hooks?: boolean }): Promise<Record<string, string>> => {
  const shown = await git(dir, ['-c', 'alias.shown=!env', 'shown'], how);
  expect(shown).toMatchObject({ ok: true });
  return Object.fromEntries(shown.stdout.split('\n').map((line) => line.split(/=(.*)/s)));
};

test("git asks by the user's proxy, certificates and transport settings, in a fetch and in a checkout alike", async () => {
  const ours = {
    ...{ HTTPS_PROXY: 'http://proxy.invalid:1', NODE_EXTRA_CA_CERTS: '/ca.pem', GIT_SSL_CAINFO: '/ca.pem' },
    ...{
      GIT_SSL_NO_VERIFY: '1',
      GIT_SSH_COMMAND: 'ssh -i k',
      GIT_HTTP_LOW_SPEED_TIME: '9',
      GIT_SSL_CERT: '/c',
    },
    ...{ GIT_PROXY_COMMAND: '/p', GIT_CONFIG_GLOBAL: '/dev/null', GIT_DISCOVERY_ACROSS_FILESYSTEM: '1' },
  };
  for (const [name, value] of Object.entries(ours)) vi.stubEnv(name, value);
  vi.stubEnv('SSH_AUTH_SOCK', '/agent');
  vi.stubEnv('GITHUB_TOKEN', 'secret');
  for (const how of [{ remote: true }, { hooks: true }]) {
    const env = await seen(how);
    expect(env).toMatchObject({ ...ours, NO_PROXY: expect.stringContaining('127.0.0.1') });
    expect(env.SSH_AUTH_SOCK).toBe('remote' in how ? '/agent' : undefined);
    expect(env.GITHUB_TOKEN).toBeUndefined();
  }
});

test('nothing that places a repository, changes what git prints or asks a person gets to git', async () => {
  const local = execFileSync('git', ['rev-parse', '--local-env-vars'], { encoding: 'utf8' })
    .trim()
    .split('\n');
  const other = [
    'GIT_TRACE',
    'GIT_TRACE2',
    'GIT_EXTERNAL_DIFF',
    'GIT_LITERAL_PATHSPECS',
    'GIT_EDITOR',
    'GIT_ASKPASS',
  ];
  const before = await seen({ remote: true });
  // Each by itself would keep git from working here, or change what it says.
  for (const name of [...local, ...other]) vi.stubEnv(name, join(dir, 'nowhere'));
  const after = await seen({ remote: true });
  const plain = (env: Record<string, string>) => Object.keys(env).filter((name) => name !== '_');
  expect(plain(after)).toEqual(plain(before));
});
