import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loginNames, loginOf } from '../../src/agents/login.ts';

const SECRET = 'sk-very-secret-0123456789';
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mc-pickup-'));
});
afterEach(() => rmSync(home, { recursive: true }));

function put(file: string, text: string, mode = 0o600): string {
  const path = join(home, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
}

describe('a login on record', () => {
  it.each([
    ['claude', '.claude/.credentials.json', `{"claudeAiOauth":{"accessToken":"${SECRET}"}}`],
    ['claude', '.claude/settings.json', '{"apiKeyHelper":"/home/ann/bin/key"}'],
    ['codex', '.codex/auth.json', `{"OPENAI_API_KEY":"${SECRET}","tokens":null}`],
    ['gemini', '.gemini/oauth_creds.json', `{"refresh_token":"${SECRET}"}`],
    ['gemini', '.gemini/.env', `GEMINI_API_KEY=${SECRET}\n`],
    ['opencode', '.local/share/opencode/auth.json', `{"anthropic":{"type":"api","key":"${SECRET}"}}`],
    ['opencode', '.config/opencode/opencode.json', '{"provider": {"mine": {}}}'],
  ] as const)('%s: %s', (kind, file, text) => {
    expect(loginOf(kind, { HOME: home })).toMatchObject({ found: false });
    const path = put(file, text);
    expect(loginOf(kind, { HOME: home })).toEqual({ found: true, where: path, open: false });
    chmodSync(path, 0o644);
    expect(loginOf(kind, { HOME: home })).toMatchObject({ found: true, open: true });
    put(file, '{}');
    expect(loginOf(kind, { HOME: home })).toMatchObject({ found: false });
    put(file, 'nothing { that can be understood');
    expect(loginOf(kind, { HOME: home })).toMatchObject({ found: false });
  });

  it.each([
    ['claude', 'ANTHROPIC_API_KEY'],
    ['claude', 'CLAUDE_CODE_OAUTH_TOKEN'],
    ['claude', 'CLAUDE_CODE_USE_BEDROCK'],
    ['codex', 'OPENAI_API_KEY'],
    ['gemini', 'GEMINI_API_KEY'],
    ['opencode', 'OPENROUTER_API_KEY'],
  ] as const)('%s: %s, whose value is never told; an empty one is none', (kind, name) => {
    expect(loginNames(kind)).toContain(name);
    const found = loginOf(kind, { HOME: home, [name]: SECRET });
    expect(found).toEqual({ found: true, where: name, open: false });
    expect(JSON.stringify(found)).not.toContain(SECRET);
    expect(loginOf(kind, { HOME: home, [name]: '' })).toMatchObject({ found: false });
  });

  it.each([
    ['claude', 'CLAUDE_CONFIG_DIR', 'else', 'else/.credentials.json', { a: { b: SECRET } }],
    ['codex', 'CODEX_HOME', 'else', 'else/auth.json', { tokens: { id: SECRET } }],
    ['gemini', 'GEMINI_CLI_HOME', 'else', 'else/.gemini/oauth_creds.json', { a: SECRET }],
    ['opencode', 'XDG_DATA_HOME', 'else', 'else/opencode/auth.json', { a: { key: SECRET } }],
  ] as const)('%s: where %s says', (kind, name, folder, file, value) => {
    const path = put(file, JSON.stringify(value));
    expect(loginOf(kind, { HOME: home })).toMatchObject({ found: false });
    expect(loginOf(kind, { HOME: home, [name]: join(home, folder) })).toMatchObject({ where: path });
  });

  it('Codex: the variable that a provider of its own names', () => {
    put('.codex/config.toml', 'model_provider = "mine"\n[model_providers.mine]\nenv_key = "MY_KEY"\n');
    expect(loginOf('codex', { HOME: home, MY_KEY: SECRET })).toMatchObject({ where: 'MY_KEY' });
    put('.codex/config.toml', 'not toml [');
    expect(loginOf('codex', { HOME: home, MY_KEY: SECRET })).toMatchObject({ found: false });
  });

  it('says where it has looked and what to do; a plain command has none', () => {
    expect(loginOf('claude', { HOME: home })).toMatchObject({
      looked: expect.arrayContaining(['ANTHROPIC_API_KEY', join(home, '.claude/.credentials.json')]),
      fix: expect.stringContaining('/login'),
    });
    expect(loginOf('command', { HOME: home })).toBeNull();
    expect(loginOf('claude', {})).toMatchObject({ found: false });
  });
});

it('a login behind a pipe is not waited for', () => {
  const home = mkdtempSync(join(tmpdir(), 'mc-login-'));
  try {
    mkdirSync(join(home, '.codex'));
    execFileSync('mkfifo', [join(home, '.codex', 'auth.json'), join(home, '.codex', 'config.toml')]);
    expect(loginOf('codex', { HOME: home })).toMatchObject({ found: false });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
