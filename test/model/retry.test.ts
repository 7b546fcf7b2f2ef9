import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/model/policy.ts';
import { failedLaunches, heldAfter, retryAfter } from '../../src/model/retry.ts';
import { fc } from '../support/draws.ts';

const NOW = 1_000_000;

describe('retryAfter', () => {
  it.each([
    [0, 60],
    [1, 120],
    [2, 240],
    [3, 480],
    [4, 960],
    [5, 1800],
    [20, 1800],
    [2000, 1800],
  ])('after %i attempts waits %i seconds and at most a tenth more', (attempts, seconds) => {
    const to = retryAfter('MC-1', attempts, NOW, { ...DEFAULT_LIMITS, max_attempts: 9999 });
    expect(to).toMatchObject({ status: 'todo', attempts: attempts + 1 });
    expect(to.not_before_at_ms).toBeGreaterThanOrEqual(NOW + seconds * 1000);
    expect(to.not_before_at_ms).toBeLessThan(NOW + seconds * 1100);
  });

  it.each([2, 3, 7])('blocks the ticket after the last attempt (%i made before)', (attempts) => {
    expect(retryAfter('MC-1', attempts, NOW, DEFAULT_LIMITS)).toEqual({
      status: 'blocked',
      attempts: attempts + 1,
      not_before_at_ms: null,
    });
  });

  it('gives the same ticket the same jitter, and different tickets different ones', () => {
    const at = (id: string) => retryAfter(id, 0, NOW, DEFAULT_LIMITS).not_before_at_ms;
    expect(at('MC-1')).toBe(at('MC-1'));
    expect(new Set(Array.from({ length: 50 }, (_, n) => at(`MC-${n}`))).size).toBeGreaterThan(25);
  });

  it('never plans a time that is not a whole number of milliseconds', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(50), (id, attempts) => {
        const to = retryAfter(id, attempts, NOW, {
          ...DEFAULT_LIMITS,
          max_attempts: 100,
          retry_base_seconds: 0.7,
        });
        expect(Number.isSafeInteger(to.not_before_at_ms)).toBe(true);
      }),
    );
  });
});

describe('failed launches', () => {
  const run = (end_reason: string | null, registered_at_ms: number | null = null) => ({
    end_reason,
    registered_at_ms,
  });

  it('count since the last one that an agent came of; what failed by nobody and nothing does not', () => {
    expect(failedLaunches([])).toBe(0);
    const since = [
      run(null),
      run('tick_died'),
      run('environment'),
      run('launch_deadline'),
      run('killswitch'),
    ];
    expect(failedLaunches([...since, run('launch_failed'), run('agent_dead', 1), run('launch_failed')])).toBe(
      3,
    );
  });

  it('hold the ticket by the doubling back-off of the retry table, and never block it', () => {
    const ticket = { id: 'MC-1', attempts: 2 };
    for (const n of [1, 2, 3, 30, 3000]) {
      const { not_before_at_ms } = retryAfter('MC-1', n - 1, NOW, { ...DEFAULT_LIMITS, max_attempts: 9999 });
      expect(heldAfter(ticket, n, NOW, DEFAULT_LIMITS)).toEqual({
        ...{ status: 'todo', attempts: 2, not_before_at_ms },
      });
    }
  });
});
