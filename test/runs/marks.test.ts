/** Marks that no live row owns, and what a tick remembers of them. A file that is changed in place, which nobody does, stands for
 *  one that was not read again. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Places, placesOf } from '../../src/machine/paths.ts';
import { readMarks, removeMark, writeMark } from '../../src/runs/marks.ts';
import { unownedMarks } from '../../src/runs/sighting.ts';
import { aRuntime, HOST } from '../support/builders.ts';

const IDENTITY = { host_id: HOST, boot_id: 'b', pid_ns: 'n', time_ns: null, pid_start: '100' };
const FIRST = aRuntime({ id: 'MC-1-e1-a', mark: 'MC-1-e1-a', ticket_id: 'MC-1', pid: 11 });
const SECOND = aRuntime({ id: 'MC-2-e1-b', mark: 'MC-2-e1-b', ticket_id: 'MC-2', pid: 12 });
const ROWS = [FIRST, SECOND];

let dir: string;
let places: Places;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-marks-'));
  places = placesOf({ stateDir: dir }, {});
  mark('MC-1', FIRST.mark, 11);
  mark('MC-2', SECOND.mark, 12);
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function mark(ticket: string, run: string, pid: number): void {
  writeMark(places.marks, ticket, { ...IDENTITY, run, pid });
}
/** As if nothing had been written there for a while. */
function rest(): void {
  const then = new Date(Date.now() - 60_000);
  utimesSync(places.marks, then, then);
}
function stray(rows = ROWS, remember = true, named: readonly string[] = []): string[] {
  return unownedMarks(places, rows, HOST, { remember, named }).map(({ run }) => run);
}
function editInPlace(): void {
  const file = join(places.marks, 'MC-2.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace(SECOND.mark, 'MC-2-e2-z').replace('12', '99'));
}

it('all are owned and at rest: they are not read again', () => {
  rest();
  expect(stray()).toEqual([]);
  editInPlace();
  expect(stray()).toEqual([]);
  rmSync(places.marksOwned);
  expect(stray()).toEqual(['MC-2-e2-z']);
});

it('modes that were mended are a change', () => {
  rest();
  expect(stray()).toEqual([]);
  editInPlace();
  chmodSync(places.marks, 0o500);
  expect(stray()).toEqual(['MC-2-e2-z']);
});

it('sees one that is written after that, and one whose row is gone', () => {
  rest();
  expect(stray()).toEqual([]);
  expect(stray([FIRST])).toEqual([SECOND.mark]);
  mark('MC-3', 'MC-3-e1-c', 13);
  expect(stray()).toEqual(['MC-3-e1-c']);
  rest();
  expect(stray()).toEqual(['MC-3-e1-c']);
  removeMark(places.marks, 'MC-3', 'MC-3-e1-c');
  expect(stray()).toEqual([]);
});

it('a live process of a row owns its mark whatever run it names; on another host it does not', () => {
  rest();
  const moved = { ...SECOND, mark: 'MC-2-e5-other' };
  expect(stray([FIRST, moved])).toEqual([]);
  expect(stray([FIRST, { ...moved, host_id: 'h-elsewhere' }])).toEqual([SECOND.mark]);
  expect(stray([FIRST, { ...moved, pid: 99 }])).toEqual([SECOND.mark]);
});

it('remembers nothing of marks that were just written, of one that is stray or can not be read, and in a dry run', () => {
  expect(stray()).toEqual([]);
  expect(existsSync(places.marksOwned), 'written a moment ago').toBe(false);
  rest();
  expect(stray(ROWS, false)).toEqual([]);
  expect(existsSync(places.marksOwned), 'a dry run').toBe(false);
  expect(stray([FIRST])).toEqual([SECOND.mark]);
  expect(existsSync(places.marksOwned), 'a stray one').toBe(false);
  writeFileSync(join(places.marks, 'MC-4.json'), '{"ticket":');
  rest();
  expect(stray()).toEqual([]);
  expect(existsSync(places.marksOwned), 'half a file').toBe(false);
});

it('is no worse off where there is nothing, and where nothing can be kept', () => {
  rmSync(places.marks, { recursive: true });
  expect(stray()).toEqual([]);
  writeFileSync(places.marks, 'no directory');
  rest();
  expect(stray()).toEqual([]);
  expect(existsSync(places.marksOwned), 'nothing could be read').toBe(false);
  rmSync(places.marks);
  mark('MC-9', 'MC-9-e1-x', 19);
  rest();
  const away = { ...places, marksOwned: join(dir, 'missing', 'file') };
  expect(unownedMarks(away, [{ ...FIRST, pid: 19 }], HOST, { remember: true, named: [] })).toEqual([]);
  expect(existsSync(away.marksOwned)).toBe(false);
});

it('of more marks than any fleet has only so many are read, and those of the tickets at hand in any case', () => {
  const text = readFileSync(join(places.marks, 'MC-1.json'), 'utf8');
  for (let n = 1; n <= 4500; n++)
    writeFileSync(join(places.marks, `RUB-${n}.json`), text.replace('"MC-1"', `"RUB-${n}"`));
  rest();
  const found = stray([], true, ['MC-1', 'MC-2', 'no ticket']);
  expect(found).toEqual(expect.arrayContaining([FIRST.mark, SECOND.mark]));
  expect(found.length).toBeLessThanOrEqual(4002);
  expect(existsSync(places.marksOwned)).toBe(false);
});

it('a mark is of a ticket, and goes with its own run alone', () => {
  const one = { ...IDENTITY, run: 'r', pid: 3 };
  writeMark(places.marks, 'MC-3', one);
  expect(() => writeMark(places.marks, '../x-1', one)).toThrow();
  expect(readMarks(places.marks)).toContainEqual({ ticket: 'MC-3', ...one });
  expect(removeMark(places.marks, 'MC-3', 'q')).toBe(false);
  expect(removeMark(places.marks, 'MC-3', 'r')).toBe(true);
  expect(readMarks(places.marks)).toHaveLength(2);
});
