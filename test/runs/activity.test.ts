import { describe, expect, it } from 'vitest';
import type { Activity } from '../../src/model/runtime.ts';
import { combine } from '../../src/runs/activity.ts';

describe('two signals', () => {
  const folded = (activity: Activity, fresh: number, turn = 1) => ({
    ...{ activity, fresh, turn, question: activity === 'waiting' ? 'which?' : null, client_session: null },
    ...{ limited_until_ms: null, not_ready: null, cursor: null },
  });
  const stood = (level: Activity | null, level_ms = 60_000) => ({ level, level_ms, turn: 1, resumed: null });
  it.each<[string, Activity, number, Activity | null, Activity | null, Activity]>([
    ['the events alone', 'busy', 0, null, null, 'busy'],
    ['new events are believed against a level that may lag', 'busy', 1, 'idle', 'idle', 'busy'],
    ['a level that has just changed waits for its event', 'busy', 0, 'idle', 'busy', 'busy'],
    ['a level that stood for a tick without an event: one was lost', 'busy', 0, 'idle', 'idle', 'idle'],
    ['a lost question', 'busy', 0, 'waiting', 'waiting', 'waiting'],
    ['a lost answer', 'waiting', 0, 'busy', 'busy', 'busy'],
    ['the end of a turn while a sub-agent works', 'idle', 1, 'busy', 'busy', 'busy'],
    ['the end of a turn with a dialog open', 'idle', 1, 'waiting', 'busy', 'waiting'],
    ['a level that cannot tell', 'idle', 1, 'unknown', null, 'idle'],
    ['no event was ever seen', 'unknown', 0, 'busy', null, 'busy'],
  ])('%s', (_name, told, fresh, level, before, expected) => {
    const seen = combine(folded(told, fresh), level === null ? null : { activity: level }, stood(before), 0);
    expect(seen.activity).toBe(expected);
    expect(seen.level).toBe(level === 'unknown' ? null : level);
  });
  it('a client that has come up and not begun is not through', () => {
    expect(combine(folded('unknown', 0, 0), { activity: 'idle' }, stood(null), 0).activity).toBe('unknown');
    expect(combine(folded('unknown', 0, 0), { activity: 'idle' }, stood('idle'), 0).activity).toBe('idle');
  });
  it('two looks within a moment take a level that lags for no lost event; observed time does', () => {
    const dialog = folded('waiting', 0);
    const first = combine(dialog, { activity: 'busy' }, stood('waiting', 0), 60_000);
    expect(first).toMatchObject({ activity: 'waiting', level: 'busy', level_ms: 0 });
    const again = combine(dialog, { activity: 'busy' }, { ...first, resumed: null }, 300);
    expect(again).toMatchObject({ activity: 'waiting', level: 'busy', level_ms: 300 });
    expect(combine(dialog, { activity: 'busy' }, { ...again, resumed: null }, 0).activity).toBe('waiting');
    expect(combine(dialog, { activity: 'busy' }, { ...again, resumed: null }, 1700).activity).toBe('busy');
    expect(
      combine(folded('waiting', 1), { activity: 'busy' }, { ...again, resumed: null }, 60_000),
    ).toMatchObject({
      activity: 'waiting',
      level_ms: 0,
    });
  });
  it('the question of the level stands in for a lost one', () => {
    const seen = combine(folded('busy', 0), { activity: 'waiting', question: 'may I?' }, stood('waiting'), 0);
    expect(seen.question).toBe('may I?');
  });
  it('the announced end of a limit stands above the guess of an event that came before it was written', () => {
    const guessed = { ...folded('idle', 1), limited_until_ms: 900_000 };
    const told = (until_ms: number | null) => ({
      activity: 'idle' as const,
      refusal: { status: 429, word: '', says: 'limit', until_ms },
    });
    expect(combine(guessed, told(3_600_000), stood('idle'), 0).limited_until_ms).toBe(3_600_000);
    expect(combine(guessed, told(null), stood('idle'), 0).limited_until_ms).toBe(900_000);
    expect(combine(guessed, { activity: 'idle' }, stood('idle'), 0).limited_until_ms).toBe(900_000);
  });
  it('a record that still tells of the turn before is not believed of a new one', () => {
    const refusal = { status: 500, word: '', says: 'of the turn before', until_ms: null };
    const level = { activity: 'idle' as const, refusal };
    expect(combine(folded('busy', 1, 2), level, stood('idle'), 0).trouble).toBeUndefined();
    expect(combine(folded('idle', 1, 2), level, stood('idle'), 0).trouble).toMatchObject({ kind: 'down' });
    expect(combine(folded('busy', 0, 1), level, stood('busy'), 0).trouble).toMatchObject({ kind: 'down' });
  });
});
