import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import * as v from 'valibot';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultConfiguration } from '../../src/config/default.ts';
import { TABLES, tableText } from '../../src/config/describe.ts';
import { loadPolicy } from '../../src/config/load.ts';
import { TOP } from '../../src/config/schema.ts';
import { DEFAULT_LIMITS } from '../../src/model/policy.ts';

let dir = '';
let file = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-describe-'));
  file = join(dir, 'config.toml');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const load = (text: string) => {
  writeFileSync(file, text, { mode: 0o600 });
  return loadPolicy(file, { HOME: '/h' }).policy;
};

test('every table and every key of the schema is described, and nothing else', () => {
  // That of a project's review stands in the project's.
  const own = TABLES.filter(({ sample, name }) => sample !== null && sample !== '' && name !== 'review');
  const tables = own.map(({ name }) => name);
  const top = [...Object.keys(tableText('top').keys), ...tables];
  expect(top.sort()).toEqual(Object.keys(TOP.entries).sort());
  for (const { name, schema, keys } of TABLES)
    if (name !== 'top') expect(Object.keys(keys).sort(), name).toEqual(Object.keys(schema.entries).sort());
});

test('what is described as a default is the default', () => {
  for (const { name, schema, keys } of TABLES)
    for (const [key, { value, otherwise }] of Object.entries(keys)) {
      expect(
        [value, otherwise].filter((one) => one !== undefined),
        `${name}.${key}`,
      ).toHaveLength(1);
      const entry = schema.entries[key];
      if (entry === undefined) throw new Error(key);
      const required = otherwise === 'required';
      expect(v.is(entry, undefined), `${name}.${key}`).toBe(!required);
      if (name === 'limits') expect(DEFAULT_LIMITS).toHaveProperty(key, value ?? null);
      else if (!required) expect(v.parse(entry, undefined), `${name}.${key}`).toEqual(value);
    }
});

/** Every line that begins with "#" and no space. */
const uncommented = (text: string) => text.replace(/^#(?=[a-z[])/gm, '');

test('the commented default is a sound configuration with one profile and every default', () => {
  const text = defaultConfiguration('./x.json');
  const policy = load(text);
  expect(policy.broken).toEqual([]);
  expect(policy.limits).toEqual(DEFAULT_LIMITS);
  expect([...policy.agents.keys()]).toEqual(['claude']);
  expect(policy.agents.get('claude')).toEqual(load('[agent.claude]\nkind = "claude"\n').agents.get('claude'));
  for (const line of text.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(110);
});

test('it stays sound with every key uncommented, and then names every key', () => {
  const text = uncommented(defaultConfiguration('./x.json'));
  const policy = load(text);
  expect(policy.broken).toEqual([]);
  expect(policy.agents.get('claude')).toMatchObject({ fallback: 'codex', max_nudges: 2 });
  const raw = parse(text) as Record<string, Record<string, Record<string, unknown>>>;
  for (const { name, keys, sample } of TABLES) {
    if (sample === null) continue;
    const aside = Object.keys(keys).filter((key) => keys[key]?.remark === true);
    const set =
      {
        top: raw,
        project: raw.project?.shop,
        agent: raw.agent?.claude,
        route: raw.route?.[0],
        notify: raw.notify?.[0],
        review: raw.project?.shop?.review as Record<string, unknown> | undefined,
      }[name] ?? raw[name];
    expect(Object.keys({ ...set, ...Object.fromEntries(aside.map((key) => [key, 1])) })).toEqual(
      expect.arrayContaining(Object.keys(keys)),
    );
  }
});

test('each key alone may be uncommented, where it names nothing that is still a comment', () => {
  const lines = defaultConfiguration('./x.json').split('\n');
  const refers = /^#(default_project|fallback)/;
  let there = true;
  for (const [index, line] of lines.entries()) {
    if (/^#?\[/.test(line)) there = line.startsWith('[');
    if (!there || !/^#[a-z]/.test(line) || refers.test(line)) continue;
    expect(load(lines.with(index, line.slice(1)).join('\n')).broken, line).toEqual([]);
  }
});
