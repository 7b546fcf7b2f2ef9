/** The schema for editors against the program: neither accepts what the other refuses, as far as a schema can know. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parse, stringify } from 'smol-toml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { boardComplaint } from '../../src/config/board.ts';
import { defaultConfiguration } from '../../src/config/default.ts';
import { loadPolicy } from '../../src/config/load.ts';
import { draws, fc } from '../support/draws.ts';

const schema = JSON.parse(readFileSync('docs/config.schema.json', 'utf8')) as object;
const fits = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema);

let dir = '';
let file = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-schema-'));
  file = join(dir, 'config.toml');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What a schema cannot know: other tables, other files, the words of a template, what is in the environment. */
const BEYOND =
  /no (agent|project) "|unknown variable \{\{|no such file|must hand on|another home|not an http address|an origin|for this machine|environment has no|cannot be read/;

function complaints(text: string): string[] {
  writeFileSync(file, text, { mode: 0o600 });
  const { complaints } = loadPolicy(file, { HOME: '/h' });
  const board = boardComplaint(file, text, {});
  return [...complaints, ...(board === null ? [] : [board])]
    .map(({ key, says }) => `${key}: ${says}`)
    .filter((one) => !BEYOND.test(one));
}

test('the schema and the tables of the documentation are what the source says', () => {
  execFileSync(process.execPath, ['scripts/schemas.ts', '--check'], { stdio: 'pipe' });
});

const BLOCK = /^```toml\n([\s\S]*?)^```/gm;
const examples: (readonly [string, string])[] = readdirSync('docs')
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) =>
    [...readFileSync(join('docs', name), 'utf8').matchAll(BLOCK)].map(
      ([, text = ''], index) => [`${name} ${index + 1}`, text] as const,
    ),
  );

test.each<readonly [string, string]>([
  ...examples,
  ['the commented default', defaultConfiguration('./x.json')],
  ['the same, uncommented', defaultConfiguration('./x.json').replace(/^#(?=[a-z[])/gm, '')],
  ['hooks in both forms', '[project.p]\nrepo = "/r"\nafter_create = ["x"]\nbefore_run = {argv = ["x"]}\n'],
])('an example is accepted by both: %s', (_, text) => {
  expect(complaints(text)).toEqual([]);
  fits(parse(text));
  expect(fits.errors ?? []).toEqual([]);
});

test.each([
  ['an unknown key at the top', 'limit = 1\n'],
  ['an unknown key in a table', '[limits]\nmax_agnets = 4\n'],
  ['a number out of its range', '[limits]\nmax_attempts = 0\n'],
  ['a half where a whole is needed', '[limits]\nmax_agents = 1.5\n'],
  ['nothing above zero', '[limits]\nttl_minutes = 0\n'],
  ['a missing key', '[project.p]\nbase = "main"\n'],
  ['a relative path', '[project.p]\nrepo = "r"\n'],
  ['a branch that is none', '[project.p]\nrepo = "/r"\nbase = "a..b"\n'],
  ['a name that is none', '[project."a b"]\nrepo = "/r"\n'],
  ['a kind that is none', '[agent.a]\nkind = "cluade"\n'],
  ['a command without argv', '[agent.a]\nkind = "command"\n'],
  ['two prompts', '[agent.a]\nkind = "claude"\nprompt = "x"\nprompt_file = "y"\n'],
  ['a variable that is none', '[agent.a]\nkind = "claude"\nenv = { "A-B" = "x" }\n'],
  ['a board without its server', '[board]\nkind = "mission-control"\n'],
  ['two tokens', '[board]\nkind = "mission-control"\nurl = "https://x"\ntoken_env = "A"\ntoken_file = "b"\n'],
  ['a route to nobody', '[[route]]\nlabel = "x"\n'],
  ['a way to tell that names none', '[[notify]]\non = ["blocked"]\n'],
  ['two ways to tell in one', '[[notify]]\ndesktop = true\ncommand = { argv = ["x"] }\n'],
  ['nothing to tell', '[[notify]]\non = []\ndesktop = true\n'],
  ['something that is never told', '[[notify]]\non = ["weather"]\ndesktop = true\n'],
  ['two secrets', '[[notify]]\nwebhook = { url = "https://x", secret_env = "A", secret_file = "b" }\n'],
  ['an unknown key of a webhook', '[[notify]]\nwebhook = { url = "https://x", token = "y" }\n'],
  ['a command without its program', '[[notify]]\ncommand = { timeout_seconds = 1 }\n'],
  ['a bound that is too long', '[[notify]]\ncommand = { argv = ["x"], timeout_seconds = 60 }\n'],
  ['a ping without its address', '[ping]\nstart = false\n'],
  ['a ping to no address', '[ping]\nurl = "example.com"\n'],
  ['metrics nowhere', '[metrics]\n'],
  ['metrics twice', '[metrics]\nfile = "/x"\ntextfile_dir = "/y"\n'],
  ['an array for a table', 'limits = []\n'],
  ['an array for the variables', '[agent.a]\nkind = "claude"\nenv = []\n'],
  ['a hook without its argv', '[project.p]\nrepo = "/r"\nafter_create = { timeout_seconds = 1 }\n'],
  [
    'a pull request of a branch that is not pushed',
    '[project.p]\nrepo = "/r"\nreview = {pull_request = "github", repo = "a/b"}\n',
  ],
  [
    'a pull request in no repository',
    '[project.p]\nrepo = "/r"\nreview = {push = true, pull_request = "github"}\n',
  ],
  [
    'a pull request by no program',
    '[project.p]\nrepo = "/r"\nreview = {push = true, pull_request = "command"}\n',
  ],
  ['a way out of GitHub', '[project.p]\nrepo = "/r"\nreview = {repo = "a/.."}\n'],
  ['an unknown key of a review', '[project.p]\nrepo = "/r"\nreview = {pus = true}\n'],
  ['a review that is none', '[project.p]\nrepo = "/r"\nreview = true\n'],
  ['a copy from above', '[project.p]\nrepo = "/r"\ncopy = ["../.env"]\n'],
  ['a link to an absolute path', '[project.p]\nrepo = "/r"\nlink = ["/etc"]\n'],
  ['a copy of all below', '[project.p]\nrepo = "/r"\ncopy = ["**/.env"]\n'],
  ['a copy out of .git', '[project.p]\nrepo = "/r"\ncopy = [".git/config"]\n'],
  ['an empty hook', '[project.p]\nrepo = "/r"\nafter_create = []\n'],
])('a mistake is refused by both: %s', (_, text) => {
  expect(complaints(text)).not.toEqual([]);
  expect(fits(parse(text))).toBe(false);
});

/** Any value for any key, more often of the right kind than not. */
const anything = fc.constantFrom<unknown>(
  ...[
    0,
    1,
    2,
    3.5,
    -1,
    5,
    1000,
    1001,
    1e7,
    0.25,
    true,
    false,
    '',
    'a',
    'main',
    '/r',
    '~/x',
    'a b',
    'x'.repeat(65),
  ],
  ...[
    'claude',
    'command',
    'auto',
    'review',
    'headless',
    'here',
    'server',
    'sqlite',
    'A_B',
    'a/b.lock',
    '-x',
    'rel',
  ],
  ...[[], ['a'], [''], [1], ['A', 'B_2'], ['a-b'], {}, { A: 'x' }, { 'A-B': 'x' }, { A: 1 }],
  ...[{ argv: ['x'] }, { argv: ['x'], timeout_seconds: 3 }, { argv: 'x' }, { argv: ['x'], more: 1 }],
);
/** A value that is right for its key, and now and then anything at all. */
const value = (...right: unknown[]) =>
  fc.oneof({ weight: 25, arbitrary: fc.constantFrom(...right) }, { weight: 1, arbitrary: anything });
const table = (required: readonly string[], keys: Readonly<Record<string, readonly unknown[]>>) => {
  const values = Object.entries(keys).map(([key, right]) => [key, value(...right)] as const);
  const known = fc.record(Object.fromEntries(values), { requiredKeys: [...required] });
  const other = fc.oneof({ weight: 25, arbitrary: fc.constant({}) }, fc.constant({ other: 1 }));
  const less = fc.oneof({ weight: 25, arbitrary: fc.constant('') }, fc.constantFrom(...required, ''));
  return fc.tuple(known, other, less).map(([one, more, without]) => {
    const all: Record<string, unknown> = { ...one, ...more };
    delete all[without];
    return all;
  });
};
const HOOKS = [['x'], { argv: ['x'] }, { argv: ['x', 'y'], timeout_seconds: 3 }];
const LIMITS = {
  ...{ max_agents: [0, 5, 1000], ttl_minutes: [0.25, 90], max_attempts: [1, 100] },
  ...{ max_usd_per_day: [0.5, 20], max_tokens_per_day: [1, 1e9] },
};
const BOARD = {
  ...{
    kind: ['sqlite', 'sqlite', 'mission-control'],
    url: ['https://x/v1'],
    token_file: ['t'],
    token_env: ['T_1'],
  },
  runtimes: ['here', 'server'],
};
const PROJECT = {
  ...{ repo: ['/r', '~/r'], base: ['main', 'v1.2/x#3'], remote: ['origin'], fetch: [true, false] },
  ...{ base_max_age_days: [0.5, 14], worktrees: ['~/w', '/w'], after_create: HOOKS, before_run: HOOKS },
  ...{ copy: [[], ['.env*', 'a/?/b']], link: [['node_modules']], before_remove: HOOKS },
  ...{ pool: [0, 3, 16], pool_max_age_hours: [0.5, 24], pool_setup: HOOKS },
};
const AGENT = {
  ...{
    kind: ['claude', 'codex', 'command'],
    argv: [['x'], ['x', 'y']],
    env: [{}, { A: '' }],
    pass_env: [[], ['T_1']],
  },
  ...{ prompt: ['', 'x'], permission_mode: ['plan'], on_idle: ['auto', 'leave'], max_nudges: [0, 100] },
  ...{ mode: ['headless'], max_agents: [0, 3] },
};
const WAYS = {
  ...{ on: [['blocked'], ['done', 'parked']], desktop: [true, false], project: ['a'], label: ['x y'] },
  ...{ command: [{ argv: ['x'] }], webhook: [{ url: 'https://x/y' }, { url: 'https://x', secret_env: 'S' }] },
};
const PING = { url: ['https://x/y'], start: [true, false], timeout_seconds: [0.5, 15] };
const ROUTE = { agent: ['a'], label: ['x y'], project: ['a'], priority_at_most: [0, 4] };
const name = fc.oneof(
  { weight: 15, arbitrary: fc.constantFrom('a', 'b.c') },
  fc.constantFrom('b c', '_', ''),
);
const rarely = (usual: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 40, arbitrary: usual }, { weight: 1, arbitrary: anything });
const whole = fc
  .tuple(
    fc.record(
      {
        trusted_authors: value([], ['ann']),
        limits: rarely(table([], LIMITS)),
        board: table(['kind'], BOARD),
        project: fc.dictionary(name, rarely(table(['repo'], PROJECT)), { maxKeys: 2 }),
        agent: fc.dictionary(name, rarely(table(['kind'], AGENT)), { maxKeys: 2 }),
        notify: rarely(fc.array(table([], WAYS), { maxLength: 1 })),
        ping: table(['url'], PING),
        metrics: table([], { file: ['/f'], textfile_dir: ['~/d'] }),
        route: rarely(fc.array(table(['agent'], ROUTE), { maxLength: 2 })),
      },
      { requiredKeys: [] },
    ),
    fc.oneof({ weight: 20, arbitrary: fc.constant({}) }, fc.constant({ other: 1 })),
  )
  .map(([all, more]) => ({ ...all, ...more }));

test('what the program refuses by itself the schema refuses, and nothing else', () => {
  let sound = 0;
  const numRuns = draws(5000);
  fc.assert(
    fc.property(whole, (table) => {
      const text = stringify(table);
      const said = complaints(text);
      const fine = fits(parse(text));
      if (said.length === 0) sound++;
      const errors = fits.errors?.map((one) => `${one.instancePath} ${one.message}`) ?? [];
      expect(fine, [text, ...said, ...errors].join('\n')).toBe(said.length === 0);
    }),
    { numRuns },
  );
  // Else the property would hold for want of anything to compare.
  expect(sound).toBeGreaterThan(numRuns / 50);
  expect(sound).toBeLessThan((numRuns * 49) / 50);
});

test('a prefix of branches is one exactly where git takes it for one', () => {
  const drawn = fc.sample(
    fc.string({
      unit: fc.constantFrom(..."aZ0-./@{}~^:?*[]\\ $;'é", '.lock', '..', '//'),
      minLength: 1,
      maxLength: 5,
    }),
    { numRuns: 60, seed: 5 },
  );
  for (const prefix of [
    'mc',
    'team/agents',
    'ann.x/mc',
    '@',
    'a.',
    'x.lock',
    'x.lock/y',
    '-x',
    'x/',
    '/x',
    ...drawn,
  ]) {
    const name = `${prefix}/MC-1-roof`;
    const { status } = spawnSync('git', ['check-ref-format', '--branch', name], { stdio: 'ignore' });
    const text = `[project.p]\nrepo = "/r"\n${stringify({ branch_prefix: prefix })}`;
    expect([prefix, complaints(text).length === 0]).toEqual([prefix, status === 0]);
    expect(fits(parse(text))).toBe(status === 0);
  }
});
