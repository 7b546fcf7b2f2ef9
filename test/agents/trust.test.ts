import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claudeTrust, codexTrust } from '../../src/agents/trust.ts';

const REPO = '/home/ann/src/a "shop" #1';
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mc-trust-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('Claude Code', () => {
  const file = () => join(home, '.claude.json');
  const trust = () => claudeTrust(REPO, { HOME: home });

  it('is given trust in one repository, and all else in its file stays', () => {
    const other = { '/other': { hasTrustDialogAccepted: false, history: ['x'] }, [REPO]: { history: ['y'] } };
    writeFileSync(file(), JSON.stringify({ hasCompletedOnboarding: true, projects: other }), { mode: 0o600 });
    expect(trust().state).toBe('untrusted');
    expect(trust().write()).toBeNull();
    expect(trust().state).toBe('trusted');
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toEqual({
      hasCompletedOnboarding: true,
      projects: { ...other, [REPO]: { history: ['y'], hasTrustDialogAccepted: true } },
    });
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });

  it('that was never set up, or whose file is broken, is left alone', () => {
    expect(trust().state).toBe('absent');
    expect(trust().write()).toContain('start the client once');
    writeFileSync(file(), '{"projects": ');
    expect(trust().state).toBe('unreadable');
    expect(trust().write()).toContain('cannot be changed');
    expect(readFileSync(file(), 'utf8')).toBe('{"projects": ');
  });

  it('keeps its file where a link of the user has it', () => {
    mkdirSync(join(home, 'dotfiles'));
    writeFileSync(join(home, 'dotfiles', 'claude.json'), '{}');
    symlinkSync(join(home, 'dotfiles', 'claude.json'), file());
    expect(trust().write()).toBeNull();
    expect(lstatSync(file()).isSymbolicLink()).toBe(true);
    expect(trust().state).toBe('trusted');
  });

  it('has its file in CLAUDE_CONFIG_DIR where that is set', () => {
    writeFileSync(join(home, '.claude.json'), '{}');
    expect(claudeTrust(REPO, { HOME: '/nowhere', CLAUDE_CONFIG_DIR: home }).write()).toBeNull();
    expect(trust().state).toBe('trusted');
  });
});

describe('Codex', () => {
  const file = () => join(home, '.codex', 'config.toml');
  const trust = () => codexTrust(REPO, { HOME: home });
  beforeEach(() => mkdirSync(join(home, '.codex')));

  it('is given trust in one repository by a table at the end of its file', () => {
    const before = '# mine\nmodel = "m"\n\n[projects."/other"]\ntrust_level = "untrusted"';
    writeFileSync(file(), before);
    expect(trust().state).toBe('untrusted');
    expect(trust().write()).toBeNull();
    expect(trust().state).toBe('trusted');
    expect(readFileSync(file(), 'utf8').startsWith(before)).toBe(true);
    expect(codexTrust('/other', { CODEX_HOME: join(home, '.codex') }).state).toBe('untrusted');
  });

  it('that says something else of the repository, or says it in braces, is left to the person', () => {
    for (const text of [
      `[projects.${JSON.stringify(REPO)}]\ntrust_level = "untrusted"\n`,
      'projects = { "/other" = { trust_level = "trusted" } }\n',
      'not toml',
    ]) {
      writeFileSync(file(), text);
      expect(trust().state).not.toBe('trusted');
      expect(trust().write()).toMatch(/by hand|cannot be changed/);
      expect(readFileSync(file(), 'utf8')).toBe(text);
    }
  });
});
