import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { waitFor } from '../support/wait.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

const board = () => join(rig.box.state, 'board.sqlite');
const backups = () => join(rig.box.state, 'backups');

async function backup(...more: string[]): Promise<string> {
  const done = await rig.box.here(['backup', '--json', ...more]);
  expect(done).toMatchObject({ code: 0, err: '' });
  return (JSON.parse(done.out) as { file: string }).file;
}

/** Flips bytes in the middle of every page but the first. */
function damage(): void {
  const bytes = readFileSync(board());
  for (let page = 4096; page < bytes.length; page += 4096) bytes.fill(0x5a, page, page + 200);
  writeFileSync(board(), bytes);
}

describe('a backup', () => {
  it('is made while a tick is inside, is one whole file for its owner alone, and holds what was committed', async () => {
    rig.configure({
      project:
        'before_run = ["/bin/sh", "-c", "touch $MC_PICKUP_STATE_DIR/in; while [ ! -e $MC_PICKUP_STATE_DIR/out ]; do sleep 0.02; done"]',
    });
    const id = rig.add('hold');
    const running = rig.box.begin(['dispatch', '--json']);
    const inside = join(rig.box.state, 'in');
    await waitFor(() => existsSync(inside), 'the hook');
    const file = await backup();
    writeFileSync(join(rig.box.state, 'out'), '');
    expect((await running.done).code).toBe(0);
    expect(readdirSync(backups())).toEqual([file.slice(backups().length + 1)]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await rig.box.here(['restore', file])).code).toBe(0);
    expect(rig.ticket(id).status).toBe('in_progress');
  });

  it('keeps the newest N and touches nothing else there', async () => {
    rig.add('hold');
    mkdirSync(backups());
    writeFileSync(join(backups(), 'notes.txt'), 'mine');
    const files = [await backup('--keep', '2'), await backup('--keep', '2'), await backup('--keep', '2')];
    expect(readdirSync(backups()).sort()).toEqual(
      [...files.slice(1).map((file) => file.slice(backups().length + 1)), 'notes.txt'].sort(),
    );
    expect((await rig.box.here(['backup', '--keep', '0'])).code).toBe(2);
  });

  it('of a damaged board is not kept, and the older ones stay', async () => {
    for (let n = 0; n < 40; n++) rig.add(`hold ${n}`);
    const good = await backup();
    damage();
    const done = await rig.box.here(['backup', '--keep', '1']);
    expect(done).toMatchObject({ code: 78, err: expect.stringContaining('is damaged') });
    expect(readdirSync(backups()).map((name) => join(backups(), name))).toEqual([good]);
    expect((await rig.box.here(['restore', good])).code).toBe(0);
  });
});

describe('a restore', () => {
  it('of an older board finds the agents that were started since: adopted by the next tick, no second one', async () => {
    const id = rig.add('hold');
    const file = await backup();
    await rig.tickHere();
    await rig.holding(id);
    const { pid } = rig.run(id);
    const done = await rig.box.here(['restore', file]);
    expect(done).toMatchObject({ code: 0, err: '' });
    expect(rig.ticket(id).status).toBe('todo');
    const { reconcile, dispatch } = await rig.tickHere();
    expect(reconcile).toMatchObject([{ kind: 'adopt', ticket: id, result: 'adopted' }]);
    expect(dispatch).toEqual([]);
    expect(rig.run(id).pid).toBe(pid);
    expect(rig.started(id)).toBe(1);
  });

  it('keeps the board that was there, and refuses a file that is no board', async () => {
    const id = rig.add('hold');
    const file = await backup();
    const later = rig.add('hold later');
    const done = await rig.box.here(['restore', '--json', file]);
    const { kept } = JSON.parse(done.out) as { kept: string };
    expect((await rig.box.here(['ticket', 'show', later])).code).toBe(2);
    expect((await rig.box.here(['restore', kept])).code).toBe(0);
    expect(rig.ticket(later).status).toBe('todo');

    const other = join(rig.box.dir, 'other');
    writeFileSync(other, 'no database at all, but long enough to be read as one'.repeat(100));
    expect((await rig.box.here(['restore', other])).code).toBe(78);
    expect((await rig.box.here(['restore', join(rig.box.dir, 'nowhere')])).code).toBe(2);
    expect(rig.ticket(id).status).toBe('todo');
  });
});

describe('a board that is damaged', () => {
  it.each([
    ['cut short', () => truncateSync(board(), 5000)],
    ['overwritten in its pages', damage],
  ])(
    '(%s) launches nothing, is told with what to do, and switches everything off: exit 78',
    async (_how, harm) => {
      for (let n = 0; n < 40; n++) rig.add(`hold ${n}`);
      const file = await backup();
      harm();
      const done = await rig.box.here(['dispatch']);
      expect(done.code).toBe(78);
      expect(done.err).toContain('mc-pickup restore FILE');
      expect(done.err).toContain('the killswitch is on');
      expect(await rig.box.here(['dispatch'])).toMatchObject({ code: 0, out: '', err: '' });
      expect((await rig.box.here(['doctor'])).out).toMatch(/FAIL board .*damaged/);
      expect(await rig.box.here(['restore', file])).toMatchObject({ code: 0, err: '' });
      expect((await rig.box.here(['killswitch', 'off'])).code).toBe(0);
      expect((await rig.tickHere()).dispatch.length).toBeGreaterThan(0);
    },
  );
});
