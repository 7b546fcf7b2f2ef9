/** A machine without room for one more agent launches none, says why, and goes on by itself. Real readings, against limits that no machine meets. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { LIMITS } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.box.destroy());

const limits = (line: string) => rig.configure({ limits: `${LIMITS}${line}\n` });
const said = async (...args: string[]) => (await rig.box.here(args)).out.replace(/\s+/g, ' ');

it('memory: a launch waits, unclaimed, and every look says why; with enough it goes on', async () => {
  limits('min_free_memory_mb = 1_000_000_000');
  const id = rig.add('hold');
  const waits = { ticket: id, because: 'low_memory', evidence: { min_free_memory_mb: 1e9, of: 'machine' } };
  expect(await rig.tickHere('dispatch', '--dry-run')).toMatchObject({
    code: 0,
    dispatch: [],
    skipped: [waits],
  });
  expect(await rig.tickHere()).toMatchObject({ code: 0, dispatch: [], skipped: [waits] });
  expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, claim_epoch: 0 });
  const why = /only \d+ MB of memory are free in the machine, and min_free_memory_mb is 1000000000/;
  expect(await said('explain', id)).toMatch(why);
  expect(await said('status')).toMatch(why);
  limits('min_free_memory_mb = 1');
  expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
});

it('disk: the host is held before anything is claimed, and let go by the first tick that finds room', async () => {
  limits('min_free_disk_mb = 1_000_000_000');
  const [id, other] = [rig.add('hold'), rig.add('hold')];
  expect((await rig.tickHere('dispatch', '--dry-run')).skipped).toMatchObject([
    { ticket: id, because: 'held', evidence: { scope: 'host', because: 'disk_low' } },
    { ticket: other },
  ]);
  expect((await rig.tickHere()).dispatch).toMatchObject([
    {
      ticket: id,
      result: 'failed',
      error: expect.stringMatching(
        /MB and \d+ files are free in .*, and min_free_disk_mb is 1000000000; .*make room/,
      ),
    },
    { ticket: other, result: 'declined' },
  ]);
  expect(rig.ticket(id)).toMatchObject({
    status: 'todo',
    attempts: 0,
    claim_epoch: 0,
    not_before_at_ms: null,
  });
  expect(JSON.parse(readFileSync(join(rig.box.state, 'holds.json'), 'utf8')).holds).toMatchObject([
    { scope: 'host', because: 'disk_low' },
  ]);
  expect(await rig.tickHere()).toMatchObject({ code: 0, dispatch: [] });
  limits('min_free_disk_mb = 1');
  expect((await rig.tickHere()).dispatch).toMatchObject([{ result: 'launched' }, { result: 'launched' }]);
});
