/** What cannot be read is declined, and what is not there is named: neither is held against a ticket. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findProgram } from '../../src/machine/programs.ts';
import { Rig } from '../support/rig.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

/** Writes past the rules of the schema, as a damaged file or another program may. */
function damage(id: string, column: string, value: string): void {
  const db = new Database(join(rig.box.state, 'board.sqlite'));
  db.pragma('ignore_check_constraints = ON');
  db.prepare(`UPDATE tickets SET ${column} = ? WHERE id = ?`).run(value, id);
  db.close();
}

describe('a ticket whose state cannot be read', () => {
  it.each([
    ['labels', 'no list'],
    ['depends_on', '{'],
  ])(
    '(%s is %j) is declined whether its agent lives or dies, and hides no other ticket',
    async (column, value) => {
      await declined(column, value, '[]');
    },
  );

  it('with a status that no version knows is declined whether its agent lives or dies', async () => {
    await declined('status', 'asleep', 'in_progress');
  });

  async function declined(column: string, value: string, sound: string): Promise<void> {
    const id = rig.add('hold');
    await rig.tickHere();
    await rig.holding(id);
    await rig.tickHere();
    const { pid, id: run } = rig.run(id);
    damage(id, column, value);
    const before = rig.ticket(id);
    const other = rig.add('hold');
    const touched = ({ reconcile, dispatch }: ReturnType<typeof rig.tick>) =>
      [...reconcile, ...dispatch].filter(({ ticket }) => ticket === id);
    const first = await rig.tickHere();
    expect(first.code).toBe(0);
    expect(touched(first)).toEqual([]);
    expect(first.dispatch).toMatchObject([{ ticket: other, result: 'launched' }]);
    await rig.kill(pid);
    for (let n = 0; n < 2; n++) {
      const next = await rig.tickHere();
      expect(touched(next)).toEqual([]);
      expect(next.skipped.map(({ ticket }) => ticket)).toContain(id); // and it is told why
    }
    expect(rig.ticket(id)).toEqual(before);
    expect(rig.live(id)?.id).toBe(run);
    expect(rig.started(id)).toBe(1);

    damage(id, column, sound);
    expect((await rig.tickHere()).reconcile[0]).toMatchObject({ kind: 'retry', ticket: id, after: 'todo' });
  }
});

describe('a program that is not there', () => {
  it.each([
    ['tmux', ['git']],
    ['git', ['tmux']],
  ])(
    '%s: named in one line with how to get it; no attempt of the ticket, and launched once it is there',
    async (missing, there) => {
      const { box } = rig;
      const bin = join(box.dir, 'bin');
      mkdirSync(bin);
      for (const name of there) symlinkSync(findProgram(name, box.env.PATH) ?? '', join(bin, name));
      const id = rig.add('hold');
      const poor = { PATH: [bin, join(box.dir, 'nowhere')].join(delimiter) };
      const done = await box.here(['dispatch'], '', poor);
      expect([3, 69]).toContain(done.code);
      const told = `${done.out}${done.err}`.split('\n').filter((line) => line.includes(missing));
      expect(told).toHaveLength(1);
      expect(told[0]).toMatch(new RegExp(`install.*${missing}`));
      expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, claim_epoch: 0 });
      expect(rig.runs(id)).toEqual([]); // not even claimed
      expect(rig.started(id)).toBe(0);
      box.sql('UPDATE tickets SET not_before_at_ms = NULL');
      expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
    },
  );
});
