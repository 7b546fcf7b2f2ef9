/** The one list of end reasons: whoever writes a word of it, whoever tells of it to people, and the document that promises it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cameOut, ENDS, endWords, goesOn, isDeath, isFailedLaunch } from '../../src/model/ends.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const reasons = Object.keys(ENDS);
const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !/^model\/(ends|sentences)\.ts$/.test(path))
  .map((path) => readFileSync(join(ROOT, 'src', path), 'utf8'));

describe('the end reasons', () => {
  it('are all that any statement ends a run with, and each is written by somebody', () => {
    const inSql = sources.flatMap((text) =>
      [...text.matchAll(/\bend_reason = '(\w+)'/g)].map(([, one]) => one),
    );
    expect(inSql.length).toBeGreaterThan(0);
    expect(inSql.filter((one) => !reasons.includes(one ?? ''))).toEqual([]);
    const written = (one: string) => sources.some((text) => text.includes(`'${one}'`));
    expect(reasons.filter((one) => !written(one))).toEqual([]);
  });

  it('are the ones that docs/sql.md lists, each with how its run came out', () => {
    const text = readFileSync(join(ROOT, 'docs/sql.md'), 'utf8');
    const listed = [...text.matchAll(/^\| `(\w+)` +\| (finished|failed|stopped) +\|/gm)].map(
      ([, one, out]) => [one, out],
    );
    expect(listed.sort()).toEqual(reasons.map((one) => [one, cameOut(one)]).sort());
  });

  it('are told from words of other programs, which are no failure', () => {
    expect(['reverted', '', null, 'toString', 'constructor'].map(cameOut)).toEqual(Array(5).fill('ended'));
    expect(['finished', 'agent_exited', 'reverted', null].map(endWords)).toEqual([
      ...['finished', 'failed: agent_exited', 'ended: reverted', 'ended: unknown'],
    ]);
    for (const is of [isDeath, isFailedLaunch, goesOn])
      expect([is('reverted'), is(null)]).toEqual([false, false]);
  });

  it('count as deaths, as failed launches, and have a session that is gone on with, where they are meant to', () => {
    expect(reasons.filter(isDeath)).toEqual(['agent_dead', 'agent_exited', 'agent_killed']);
    expect(reasons.filter(isFailedLaunch)).toEqual(['launch_failed', 'launch_deadline', 'environment']);
    expect(reasons.filter(goesOn)).toEqual([
      ...[
        'settled',
        'agent_dead',
        'agent_exited',
        'agent_killed',
        'rebooted',
        'tmux_server_lost',
        'rate_limited',
        'api_down',
        'stopped',
      ],
    ]);
  });
});
