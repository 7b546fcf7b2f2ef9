import { setImmediate as turns } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { inTurn } from '../../src/workspace/turn.ts';

it('one at a time at each repository, in the order of asking', async () => {
  const said: string[] = [];
  const held = Promise.withResolvers<void>();
  const first = inTurn('/a', async () => {
    said.push('first');
    await held.promise;
    said.push('first over');
  });
  const second = inTurn('/a', async () => void said.push('second'));
  const elsewhere = inTurn('/b', async () => void said.push('elsewhere'));
  await elsewhere;
  await turns();
  expect(said).toEqual(['first', 'elsewhere']);
  held.resolve();
  await Promise.all([first, second]);
  expect(said).toEqual(['first', 'elsewhere', 'first over', 'second']);
});

it('lets the next one begin before its end, and no more than the next', async () => {
  const said: string[] = [];
  const held = Promise.withResolvers<void>();
  const hold = async (name: string, next?: () => void) => {
    said.push(name);
    next?.();
    await held.promise;
    return name;
  };
  const all = Promise.all([
    inTurn('/a', (_, next) => hold('first', next)),
    inTurn('/a', () => hold('second')),
    inTurn('/a', () => hold('third')),
  ]);
  await turns();
  expect(said).toEqual(['first', 'second']);
  held.resolve();
  expect(await all).toEqual(['first', 'second', 'third']);
});

it('goes on after one that fails, and tells who waits what was asked before', async () => {
  const failing = inTurn('/a', async (shared) => {
    shared.set('key', { ok: true, stdout: 'x', error: '', missing: false });
    throw new Error('no');
  });
  const waiting = inTurn('/a', async (shared) => shared.get('key')?.stdout);
  await expect(failing).rejects.toThrow('no');
  expect(await waiting).toBe('x');
  await turns();
  expect(await inTurn('/a', async (shared) => shared.size)).toBe(0); // nobody waited: it is asked anew
});
