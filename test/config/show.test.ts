import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultConfiguration } from '../../src/config/default.ts';
import { loadPolicy } from '../../src/config/load.ts';
import { asToml, inForce } from '../../src/config/show.ts';

let dir = '';
let file = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-show-'));
  file = join(dir, 'config.toml');
  writeFileSync(join(dir, 'p.md'), 'Do {{ticket.title}}');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const load = (text: string, env: NodeJS.ProcessEnv = {}, at = file) => {
  writeFileSync(at, text, { mode: 0o600 });
  return loadPolicy(at, { HOME: '/h', ...env }).policy;
};

const WHOLE = `trusted_authors = ["ann", 'b"ob']
[limits]
max_agents = 2
max_usd_per_day = 0.5
[project."till.v2"]
repo = "~/src/till"
fetch = false
after_create = ["npm", "ci"]
before_run = { argv = ["make"], timeout_seconds = 2.5 }
[agent.claude]
kind = "claude"
prompt = """
Two lines
of "words" and \\u001b
"""
env = { LANG = "C", "PATH" = "/bin" }
fallback = "s-2"
[agent.s-2]
kind = "command"
argv = ["x"]
prompt_file = "p.md"
[[route]]
label = "a b"
agent = "s-2"
[[route]]
agent = "claude"
priority_at_most = 0
`;

test.each([
  ['everything', WHOLE],
  ['one profile and one project', '[project.p]\nrepo = "/r"\n[agent.a]\nkind = "codex"\n'],
  ['nothing', ''],
  ['the commented default', defaultConfiguration('./x.json')],
  // But for the path of the ping, which is hidden.
  ['the same, uncommented', defaultConfiguration('./x.json').replace(/^#(?=[a-z[])|\/UUID/gm, '')],
])('what is shown means the same when it is read again, from another place: %s', (_, text) => {
  const env = { MC_PICKUP_MAX_AGENTS: '7', MC_PICKUP_TTL_MINUTES: '0.5' };
  const policy = load(text, env);
  expect(policy.broken).toEqual([]);
  expect(policy.limits).toMatchObject({ max_agents: 7, ttl_minutes: 0.5 });
  const sections = inForce(policy, { file, text, env });
  for (const all of [false, true]) {
    const again = mkdtempSync(join(dir, 'again-'));
    expect(load(asToml(sections, all).join('\n'), {}, join(again, 'c.toml'))).toEqual(policy);
  }
});

test('each value says where it comes from', () => {
  const env = { MC_PICKUP_MAX_AGENTS: '7', MC_PICKUP_MAX_ATTEMPTS: '9' };
  const lines = asToml(inForce(load(WHOLE, env), { file, text: WHOLE, env }), true).map((line) =>
    line.replace(/ +#/, ' #'),
  );
  for (const line of [
    'max_agents = 7 # MC_PICKUP_MAX_AGENTS, in place of line 3',
    'max_attempts = 9 # MC_PICKUP_MAX_ATTEMPTS',
    'max_usd_per_day = 0.5 # line 4',
    'ttl_minutes = 90 # default',
    '# max_usd_per_ticket: none',
    'default_project = "till.v2" # default: the only project, if there is exactly one',
    '[project."till.v2"]',
    `prompt_file = "${dir}/p.md" # line 21`,
    'max_nudges = 0 # default: 2; 0 for `command`',
    'agent = "claude" # line 26',
  ])
    expect(lines).toContain(line);
  expect(lines.filter((line) => line.includes('the built-in prompt'))).toEqual([]);
});

test('what env holds is hidden but for names that are no secret; so are secrets in addresses and arguments', () => {
  const names = ['OPENAI_API_KEY', 'gh_token', 'MY_SECRET_1', 'DB_PASSWORD', 'GITHUB_PAT', 'DATABASE_URL'];
  const text = `[agent.a]\nkind = "claude"\nenv = { LANG = "C", ${names.map((name) => `${name} = "hush"`).join(', ')} }\n`;
  const sections = inForce(load(text), { file, text, env: {} });
  expect(JSON.stringify(sections)).not.toContain('hush');
  expect(asToml(sections, false).join('\n')).toContain(
    `env = { LANG = "C", ${names.map((name) => `${name} = "***"`).join(', ')} }`,
  );
  const words = [
    '"claude"',
    '"--api-key"',
    '"hush"',
    '"--auth-token=hush"',
    '"--model"',
    '"x"',
    '"https://u:hush@h/"',
    '"https://u:a@hush@h/"',
  ];
  const other = `[agent.a]\nkind = "command"\nargv = [${words.join(', ')}]\n[project.p]\nrepo = "/r"\nafter_create = { argv = ["a", "--password", "hush"] }\n`;
  const shown = asToml(inForce(load(other), { file, text: other, env: {} }), false).join('\n');
  expect(shown).not.toContain('hush');
  expect(shown).toContain(
    '"--api-key", "***", "--auth-token=***", "--model", "x", "https://***@h/", "https://***@h/"',
  );
});
