import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadPolicy } from '../../src/config/load.ts';
import { DEFAULT_LIMITS } from '../../src/model/policy.ts';
import { fc } from '../support/draws.ts';

let dir = '';
let file = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-conf-'));
  file = join(dir, 'config.toml');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const load = (text: string, env: NodeJS.ProcessEnv = { HOME: '/h' }) => {
  writeFileSync(file, text, { mode: 0o600 });
  return loadPolicy(file, env).policy;
};
const AGENT = '[agent.s]\nkind = "command"\nargv = ["/bin/true"]\n';

test('a missing file', () => {
  const { policy, exists } = loadPolicy(file, { MC_PICKUP_MAX_AGENTS: '7' });
  expect(exists).toBe(false);
  expect(policy.broken).toEqual([`no configuration at ${file}: run mc-pickup init`]);
  expect(policy.limits).toEqual({ ...DEFAULT_LIMITS, max_agents: 7 });
});

test('a small configuration with its defaults', () => {
  const policy = load(
    `[limits]\nttl_minutes = 0.5\nmax_agents = 0\n[project.demo]\nrepo = "~/r"\nafter_create = ["make"]\nbefore_run = {argv=["x"], timeout_seconds=1}\n${AGENT}`,
    { HOME: '/h', MC_PICKUP_TTL_MINUTES: '3' },
  );
  expect(policy.broken).toEqual([]);
  expect(policy.limits).toEqual({ ...DEFAULT_LIMITS, ttl_minutes: 3, max_agents: 0 });
  expect(policy.projects.get('demo')).toEqual({
    name: 'demo',
    repo: '/h/r',
    base: 'main',
    branch_prefix: 'mc',
    path: null,
    remote: 'origin',
    fetch: true,
    fetch_timeout_seconds: 30,
    checkout_timeout_seconds: 300,
    base_max_age_days: 14,
    submodules: null,
    max_agents: null,
    agents_may: [],
    worktrees: null,
    default_agent: null,
    ...{ pool: 0, pool_max_age_hours: 24, pool_setup: null },
    ...{ copy: [], link: [], before_remove: null },
    review: null,
    after_create: { argv: ['make'], timeout_seconds: 300 },
    before_run: { argv: ['x'], timeout_seconds: 1 },
  });
  expect(policy.agents.get('s')).toEqual({
    name: 's',
    settled: null,
    kind: 'command',
    argv: ['/bin/true'],
    env: {},
    pass_env: [],
    max_agents: null,
    permission_mode: 'acceptEdits',
    prompt: null,
    on_idle: 'auto',
    max_nudges: 0,
    mode: 'interactive',
    fallback: null,
  });
  expect([policy.default_agent, policy.default_project]).toEqual(['s', 'demo']);
  expect(load('[agent.c]\nkind = "claude"\n').broken).toEqual([]);
});

test.each([
  ['[limits]\nmax_agnts = 1\n', ':2:1: limits.max_agnts: unknown key (did you mean "max_agents"?)'],
  ['[limits]\n\nttl_minutes = -1\n', ':3:1: limits.ttl_minutes: must be a number above 0'],
  ['[limits]\nmax_attempts = 1.5\n', ':2:1: limits.max_attempts: must be a whole number'],
  [
    'max_agents = 3\n',
    ':1:1: max_agents: unknown key here (it belongs in [limits], or [project.NAME], or [agent.NAME])',
  ],
  [
    '[project.d]\nrepo = "/r"\nttl_minutes = 5\n',
    ':3:1: project.d.ttl_minutes: unknown key here (it belongs in [limits])',
  ],
  [
    '[project.d]\nrepo = "/r"\numask = "022"\n',
    ':3:1: project.d.umask: unknown key here (it belongs in the lines before the first table)',
  ],
  ['[limit]\n', ':1:2: limit: unknown key (did you mean "limits"?)'],
  ['[project.d]\nbase = "main"\n', ':1:10: project.d.repo: is missing'],
  ['[project.d]\nrepo = "rel"\n', ':2:1: project.d.repo: must be an absolute path'],
  ['[project.d]\nrepo = "/r"\nbase = "-x"\n', ':3:1: project.d.base: must be a plain'],
  [
    '[project.d]\nrepo = "/r"\nbranch_prefix = "mc/"\n',
    ':3:1: project.d.branch_prefix: must be what git takes',
  ],
  ['[project.d]\nrepo = "/r"\npath = "../b"\n', ':3:1: project.d.path: must be a folder inside'],
  ['[project.d]\nrepo = "/r"\npath = "/r/b"\n', ':3:1: project.d.path: must be a folder inside'],
  ['[project.d]\nrepo = "/r"\npath = "a/.git/b"\n', ':3:1: project.d.path: must be a folder inside'],
  ['[project.d]\nrepo = "/r"\nbase = "a;b"\n', ':3:1: project.d.base: must be a plain'],
  [
    '[project.d]\nrepo = "/r"\nafter_create = {argv=["a"], timeout = 1}\n',
    ':3:29: project.d.after_create.timeout: unknown key',
  ],
  ['[project."a b"]\nrepo = "/r"\n', ':1:10: project.a b: must be a name'],
  ['[agent.s]\nkind = "comand"\nargv = ["a"]\n', '(did you mean "command"?)'],
  ['[agent.s]\nkind = "command"\n', ':1:8: agent.s.argv: is missing'],
  ['[agent.s]\nkind = "command"\nargv = [""]\n', ':3:9: agent.s.argv.0: must be a non-empty'],
  [`default_agent = "t"\n${AGENT}`, ':1:1: default_agent: no agent "t"'],
  [
    `${AGENT}prompt = "{{ticket.titel}}"\n`,
    ':4:1: agent.s.prompt: unknown variable {{ticket.titel}} (did you mean "ticket.title"?)',
  ],
  [`${AGENT}prompt_file = "none.md"\n`, 'no such file'],
  ['[limits\n', ':1:8: not valid TOML'],
  [
    '[board]\nkind = "sqlite"\ntokn_file = "t"\n',
    ':3:1: board.tokn_file: unknown key (did you mean "token_file"?)',
  ],
  ['[board]\nkind = "postgres"\n', ':2:1: board.kind: must be sqlite or mission-control'],
  ['limits = [1]\n', ':1:1: limits: must be a table'],
  [`${AGENT}env = []\n`, ':4:1: agent.s.env: must be a table'],
  ['[limits]\n__proto__ = 1\n', 'unknown key'],
])('%j is refused', (text, complaint) => {
  const { broken, projects, agents } = load(text);
  expect(broken.join('\n')).toContain(complaint);
  expect(broken[0]).toContain(`${file}:`);
  expect(projects.size + agents.size).toBe(0);
});

test('files that anyone can write, a directory, and a bad override are refused', () => {
  load(AGENT);
  chmodSync(file, 0o666);
  expect(loadPolicy(file, {}).policy.broken[0]).toContain('can be written by anyone');
  chmodSync(file, 0o600);
  writeFileSync(join(dir, 'p.md'), 'hello {{ticket.id}}');
  expect(load(`${AGENT}prompt_file = "p.md"\n`).agents.get('s')?.prompt).toBe('hello {{ticket.id}}');
  chmodSync(join(dir, 'p.md'), 0o666);
  expect(loadPolicy(file, {}).policy.broken[0]).toContain('can be written by anyone');
  expect(load(AGENT, { MC_PICKUP_MAX_AGENTS: 'many' }).broken[0]).toContain('MC_PICKUP_MAX_AGENTS');
  mkdirSync(join(dir, 'd'));
  expect(loadPolicy(join(dir, 'd'), {}).policy.broken[0]).toContain('not a regular file');
});

test('no text makes it throw', () => {
  const word = fc.constantFrom(
    '[limits]',
    '[project.a]',
    '[agent.a]',
    '[project]',
    'agent',
    'limits',
    'max_agents',
    'argv',
    'after_create',
    '=',
    '1',
    '"x"',
    '[',
    ']',
    '{',
    '}',
    '[[agent]]',
    '\n',
    '"""',
    '2020-01-01',
    'nan',
    'inf',
    '.',
    ',',
    '__proto__',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 20 }).map((w) => w.join(' ')),
      ),
      (text) => {
        const policy = load(text);
        if (policy.broken.length > 0) expect(policy.limits).toEqual(DEFAULT_LIMITS);
      },
    ),
    { numRuns: 500 },
  );
});

test('routes, fallbacks and budgets are read, and refer to what there is', () => {
  const text = `[limits]
max_usd_per_day = 5
[project.p]
repo = "/r"
[agent.a]
kind = "claude"
fallback = "b"
mode = "headless"
[agent.b]
kind = "command"
argv = ["x"]
[[route]]
label = "docs"
agent = "b"
`;
  const read = { policy: load(text) };
  expect(read.policy.broken).toEqual([]);
  expect(read.policy.limits.max_usd_per_day).toBe(5);
  expect(read.policy.agents.get('a')).toMatchObject({ fallback: 'b', mode: 'headless', max_nudges: 2 });
  expect(read.policy.routes).toEqual([{ agent: 'b', label: 'docs', project: null, priority_at_most: null }]);
  const wrong = {
    policy: load(text.replace('fallback = "b"', 'fallback = "bb"').replace('agent = "b"', 'agent = "c"')),
  };
  expect(wrong.policy.broken.join('\n')).toMatch(/no agent "bb"[\s\S]*no agent "c"/);
});

test('a complaint about one of several routes names the place of that route', () => {
  const route = '[[route]]\nagent = "s"\n';
  expect(load(`${AGENT}${route}${route}[[route]]\nagent = "t"\n`).broken).toEqual([
    `${file}:9:1: route.2.agent: no agent "t"`,
  ]);
  expect(load(`${AGENT}${route}[[route]]\n\n${route}`).broken).toEqual([
    `${file}:6:3: route.1.agent: is missing`,
  ]);
});
