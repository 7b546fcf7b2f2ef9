/** The command line as people and scripts may type it: thousands of made-up ones through the real parser, the real commands and
 *  a real board, in this process. A bug would be exit 1, a stack, or a raw control character on its way to a terminal. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { cli } from '../../src/cli/index.ts';
import { draws, fc } from '../support/draws.ts';

const numRuns = draws(10_000);
const RAW = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

let dir: string;
let told = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-fuzz-cli-'));
  vi.stubGlobal('MC_PICKUP_VERSION', '0.0.0');
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.constantFrom(
    '',
    '-',
    '--',
    '\u001b[2J',
    '\u202eabc',
    '\ud800',
    '#(id)',
    '$(id)',
    ';',
    '../..',
    '\0',
    '\r\n',
    'MC-',
    '-1',
    '1e9',
    'NaN',
  ),
);
const id = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 40 }).map((n) => `MC-${n}`) },
  { weight: 1, arbitrary: text },
);
const status = fc.constantFrom(
  'todo',
  'in_review',
  'done',
  'blocked',
  'cancelled',
  'in_progress',
  'needs_input',
  'dnoe',
);
const word = fc.oneof(
  { weight: 3, arbitrary: text },
  { weight: 1, arbitrary: fc.oneof(id, status, fc.nat().map(String)) },
);

/** Some of these options, each with a word. */
function options(...names: string[]): fc.Arbitrary<string[]> {
  return fc.array(fc.tuple(fc.constantFrom(...names), word), { maxLength: 4 }).map((pairs) => pairs.flat());
}

const fixed = (...words: string[]) => fc.constant(words);
const one = (arbitrary: fc.Arbitrary<string>) => arbitrary.map((value) => [value]);
const say = (...parts: fc.Arbitrary<string[]>[]) => fc.tuple(...parts).map((words) => words.flat());

const COMMANDS = fc.oneof(
  say(
    fixed('ticket', 'add'),
    options(
      '--title',
      '--body',
      '--project',
      '--agent',
      '--owner',
      '--priority',
      '--label',
      '--depends-on',
      '--author',
    ),
  ),
  say(
    fixed('ticket', 'add', '--body', 'b', '--title'),
    one(word),
    options('--project', '--priority', '--label', '--depends-on'),
  ),
  say(
    fixed('ticket', 'edit'),
    one(id),
    options('--title', '--body', '--project', '--agent', '--owner', '--priority', '--label', '--depends-on'),
  ),
  say(fixed('ticket', 'move'), one(id), one(fc.oneof(status, text)), options('--why')),
  say(fixed('ticket', 'comment'), one(id), one(word)),
  say(fixed('ticket', 'list'), options('--status', '--project', '--limit')),
  say(fixed('ticket', 'show'), one(id)),
  say(fixed('explain'), one(id)),
  say(fixed('log'), options('--ticket', '--limit')),
  say(fixed('log'), options('--kind', '--actor', '--run', '--because', '--since', '--until')),
  say(fixed('diff'), one(id)),
  say(fixed('transcript'), one(id), options('--run')),
  say(fixed('status', '--check')),
  say(fixed('killswitch', 'on'), options('--scope', '--reason', '--for')),
  say(fixed('killswitch', 'off'), options('--scope')),
  say(fixed('killswitch', 'status')),
  say(fixed('send'), one(id), one(fc.string({ minLength: 1, maxLength: 20 }))),
  say(fixed('answer'), one(id), one(fc.string({ minLength: 1, maxLength: 20 }))),
  say(fixed('report'), one(word), options('--message')),
  say(fixed('ready'), one(word)),
  say(fixed('register'), one(word), one(word)),
  say(fixed('status')),
  say(fixed('agents')),
  say(fixed('config', 'check'), one(word)),
  say(fixed('config'), one(fc.constantFrom('path', 'show', 'check', 'chek'))),
  say(one(word), one(word), one(word)),
);
const line = fc
  .tuple(COMMANDS, fc.constantFrom([], ['--json'], ['--quiet'], ['--no-color']))
  .map(([words, more]) => [...more, ...words]);

it('a command line is carried out or refused with a line that says why: never a bug, never a raw escape', async () => {
  const write = (chunk: unknown): boolean => {
    told += String(chunk);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(write);
  vi.spyOn(process.stderr, 'write').mockImplementation(write);
  const env = {
    PATH: process.env.PATH,
    HOME: dir,
    MC_PICKUP_STATE_DIR: join(dir, 'state'),
    MC_PICKUP_CONFIG: join(dir, 'config.toml'),
  };
  await fc.assert(
    fc.asyncProperty(line, async (argv) => {
      told = '';
      const code = await cli(argv, env);
      expect([0, 2, 3, 69, 75, 78], told).toContain(code);
      expect(told).not.toMatch(/^\s+at .*:\d+:\d+/m);
      expect(told.replaceAll('\n', '')).not.toMatch(RAW);
      if (code !== 0) expect(told).not.toBe('');
    }),
    { numRuns },
  );
});
