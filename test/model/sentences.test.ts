/** One sentence for each reason, and none that tells of a fact which is not there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { reasonWords, SENTENCES, sentence } from '../../src/model/sentences.ts';

const SRC = resolve(import.meta.dirname, '../../src');
const reasons = Object.keys(SENTENCES);
/** What decides, and what acts on it, and what finds that a workspace can't be had: nobody else makes a step or a skip. */
const writers = ['decide', 'act', 'workspace']
  .flatMap((folder) =>
    readdirSync(join(SRC, folder), { recursive: true, encoding: 'utf8' }).map((one) => join(folder, one)),
  )
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(join(SRC, path), 'utf8'));

describe('a sentence', () => {
  it('is there for no reason that nobody writes', () => {
    expect(reasons.filter((one) => !writers.some((text) => text.includes(`'${one}'`)))).toEqual([]);
  });

  it('tells the facts that there are', () => {
    const at = Date.UTC(2026, 10, 26, 12);
    const told: [string, object, string][] = [
      ['agent_alive', { pid: 42 }, 'its agent (pid 42) is alive'],
      ['agent_exited', { exit_code: 7, exit_signal: null }, 'the agent ended without a report (exit code 7)'],
      ['agent_killed', { exit_code: null, exit_signal: 9 }, 'the agent was killed (signal 9)'],
      ['rate_limited', { until_ms: at }, 'its account is limited until 2026-11-26T12:00:00.000Z'],
      ['killswitch', { reason: 'a {status} day' }, 'the killswitch is on: a {status} day'],
      ['alive_though_settled', { status: 'done' }, 'its agent is alive though the ticket is done'],
      [
        ...(['servers_lost', { losses: 3, until_ms: at, tickets: '' }] as const),
        'the tmux server was lost 3 times in half an hour: nothing is launched before 2026-11-26T12:00:00.000Z',
      ],
    ];
    for (const [because, evidence, words] of told)
      expect(sentence({ because, evidence: { ...evidence } })).toBe(words);
  });

  it('tells of no fact that is not known, whoever wrote the evidence', () => {
    for (const because of reasons)
      for (const evidence of [{}, { until_ms: 'soon', pid: null, reason: '' }, { until_ms: 1e300 }])
        expect(sentence({ because, evidence }), because).not.toMatch(
          /[{}]|undefined|null|unknown|Invalid|\(\)|NaN/,
        );
    expect(sentence({ because: 'agent_exited', evidence: {} })).toBe('the agent ended without a report');
  });

  it('of a reason that is none of ours is its literal, and an end has its words', () => {
    expect(sentence({ because: 'reverted', evidence: {} })).toBe('reverted');
    expect(sentence({ because: 'toString', evidence: {} })).toBe('toString');
    expect(sentence({ because: 'environment', evidence: {} })).toMatch(/^the machine or the configuration/);
    expect(reasonWords('reverted')).toBeNull();
  });
});
