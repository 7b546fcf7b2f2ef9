/*
 * The file of the figures while ticks do not work: it told of yesterday, so that no alarm could fire, and one fired during a deliberate halt.
 * The alarms are those of the documents, tried by promtool where it is.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { blocksOf } from '../docs/blocks.ts';
import { Rig } from '../support/rig.ts';
import { samplesOf } from './format.ts';

const PROMTOOL = process.env.MC_PROMTOOL ?? 'promtool';
const HAVE = spawnSync(PROMTOOL, ['--version']).status === 0;

let rig: Rig;
let file: string;
beforeEach(() => {
  rig = new Rig();
  file = join(rig.box.dir, 'mc.prom');
});
afterEach(() => rig.box.destroy());

const metrics = (more = '') => rig.configure({ more: `[metrics]\nfile = ${JSON.stringify(file)}\n${more}` });
const text = () => readFileSync(file, 'utf8');

/** What is in the file, by name and labels without the common beginning. */
function figures(): Record<string, number> {
  return Object.fromEntries(
    samplesOf(text()).map(({ name, labels, value }) => {
      const [label] = Object.values(labels);
      return [`${name.replace('mc_pickup_', '')}${label === undefined ? '' : ` ${label}`}`, value];
    }),
  );
}

const at = () => figures().last_tick_timestamp_seconds ?? 0;

it('a halted tick says so, and that it came, and leaves no figure of before; the next one has all again', () => {
  metrics();
  rig.tick();
  const before = at();
  expect(figures()).toMatchObject({ halted: 0, 'tickets todo': 0, 'last_tick_outcome ok': 1 });
  rig.box.run(['killswitch', 'on', '--level', 'all', '--reason', 'weekend']);
  const dry = text();
  expect(rig.box.run(['dispatch', '--dry-run']).code).toBe(0);
  expect(text()).toBe(dry);
  expect(rig.box.run(['dispatch'])).toEqual({ code: 0, out: '', err: '' });
  const halted = figures();
  expect(halted).toMatchObject({
    ...{ halted: 1, 'killswitch_on all': 1, 'last_tick_outcome halted': 1, 'last_tick_outcome ok': 0 },
    tick_interval_seconds: 60,
  });
  expect(at()).toBeGreaterThan(before);
  expect(
    Object.keys(halted).filter((name) => !/^(halted|killswitch_on|tick_interval|last_tick)/.test(name)),
  ).toEqual([]);
  // Asked by hand, it is the same.
  const asked = samplesOf(rig.box.run(['metrics']).out);
  expect(asked.find(({ name }) => name === 'mc_pickup_last_tick_timestamp_seconds')?.value).toBe(at());
  rig.box.run(['killswitch', 'off']);
  rig.tick();
  expect(figures()).toMatchObject({ halted: 0, 'tickets todo': 0, 'last_tick_outcome ok': 1 });
});

it.each([
  [
    'the configuration is broken',
    () => writeFileSync(join(rig.box.dir, 'config.toml'), 'no toml ['),
    { config_errors: 1, 'tickets todo': 0, tick_interval_seconds: 300 },
  ],
  [
    'a newer program was at the board',
    () => rig.box.sql('PRAGMA user_version = 9999'),
    { 'last_tick_outcome refused': 1, halted: 0 },
  ],
  [
    'the tick lock cannot be opened',
    () => {
      rmSync(join(rig.box.state, 'tick-lock.sqlite'));
      mkdirSync(join(rig.box.state, 'tick-lock.sqlite'));
    },
    { 'last_tick_outcome ok': 0 },
  ],
  [
    'the killswitch cannot be read',
    () => mkdirSync(join(rig.box.state, 'killswitch.json')),
    { 'last_tick_outcome refused': 1, halted: 1 },
  ],
])('a tick that cannot work, since %s, says that it came, and what of it', (_, wreck, says) => {
  const more = `[metrics]\nfile = ${JSON.stringify(file)}\n`;
  rig.configure({ limits: '[limits]\ninterval_seconds = 300\n', more });
  rig.tick();
  const before = at();
  wreck();
  const dry = text();
  rig.box.run(['dispatch', '--dry-run']);
  expect(text()).toBe(dry);
  expect(rig.box.run(['dispatch']).code).toBeGreaterThanOrEqual(69);
  expect(at()).toBeGreaterThan(before);
  expect(figures()).toMatchObject(says);
});

it('whoever takes [metrics] out of the configuration, or puts something else in the place of the file, is left alone', () => {
  metrics();
  rig.tick();
  rig.configure();
  rig.tick();
  rm();
  rig.box.run(['killswitch', 'on', '--level', 'all', '--reason', 'test']);
  rig.box.run(['dispatch']);
  expect(existsSync(file)).toBe(false);
  rig.box.run(['killswitch', 'off']);
  metrics();
  rig.tick();
  writeFileSync(file, 'mine\n');
  rig.box.run(['killswitch', 'on', '--level', 'all', '--reason', 'test']);
  expect(rig.box.run(['dispatch'])).toEqual({ code: 0, out: '', err: '' });
  expect(text()).toBe('mine\n');
});

const rm = () => rmSync(file);

it('doctor names a file that has grown old', () => {
  const finding = () =>
    (
      JSON.parse(rig.box.run(['doctor', '--json']).out) as { check: string; result: string; says: string }[]
    ).find(({ check }) => check === 'metrics');
  metrics();
  rig.tick();
  expect(finding()).toMatchObject({ result: 'ok' });
  const old = new Date(Date.now() - 3_600_000);
  utimesSync(file, old, old);
  expect(finding()).toMatchObject({
    result: 'warn',
    says: expect.stringContaining('no tick has written it since'),
  });
});

const RULES = blocksOf('docs/notifications.md').filter(({ language }) => language === 'yaml');

it('the alarms of the documents ask for figures that there are', () => {
  metrics();
  rig.tick();
  const names = new Set(samplesOf(text()).map(({ name }) => name));
  const asked = RULES.flatMap((rule) => [...rule.text.matchAll(/mc_pickup_\w+/g)].map(([name]) => name));
  expect(asked.length).toBeGreaterThan(4);
  expect(asked.filter((name) => !names.has(name))).toEqual([]);
});

describe.skipIf(!HAVE)(
  HAVE ? 'promtool' : 'promtool (skipped: Debian has it in the package prometheus)',
  () => {
    it('finds the alarms right: one for ticks that stop, none for a halt', () => {
      const rules = join(rig.box.dir, 'rules.yml');
      writeFileSync(rules, RULES.map(({ text }) => text).join('\n'));
      /** A tick a minute for half an hour; then none; then, at two hours, halted ones. */
      const ticks = `${'0+60x30'} ${Array(89).fill(1800).join(' ')} 7200+60x120`;
      const series = [
        { series: 'mc_pickup_last_tick_timestamp_seconds', values: ticks },
        { series: 'mc_pickup_tick_interval_seconds', values: '60x240' },
        { series: 'mc_pickup_halted', values: '0x119 1x121' },
        { series: 'mc_pickup_last_tick_outcome{outcome="refused"}', values: '0x200 1x40' },
      ];
      const stopped = {
        exp_labels: {},
        exp_annotations: { summary: 'No tick comes any more, not even a halted one: mc-pickup doctor' },
      };
      const failing = {
        exp_labels: { outcome: 'refused' },
        exp_annotations: { summary: "Ticks come and can't work: mc-pickup dispatch says why" },
      };
      const when = (eval_time: string, alertname: string, exp_alerts: readonly object[]) => ({
        eval_time,
        alertname,
        exp_alerts,
      });
      const name = 'McPickupTicksStopped';
      const alerts = [
        ...[when('30m', name, []), when('40m', name, [stopped]), when('110m', name, [stopped])],
        ...[when('125m', name, []), when('190m', name, []), when('190m', 'McPickupTicksFail', [])],
        when('230m', 'McPickupTicksFail', [failing]),
      ];
      const test = join(rig.box.dir, 'test.yml');
      writeFileSync(
        test,
        stringify({
          rule_files: [rules],
          evaluation_interval: '1m',
          tests: [{ interval: '1m', input_series: series, alert_rule_test: alerts }],
        }),
      );
      for (const words of [
        ['check', 'rules', rules],
        ['test', 'rules', test],
      ]) {
        const done = spawnSync(PROMTOOL, words, { encoding: 'utf8' });
        expect({ code: done.status, said: done.status === 0 ? '' : `${done.stdout}${done.stderr}` }).toEqual({
          code: 0,
          said: '',
        });
      }
    });
  },
);
