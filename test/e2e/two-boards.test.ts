/** One repository, and a state dir that was moved, or copied: whose the worktrees, the agents and the tmux server are. */
import { cpSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.box.destroy());

const tickIn = async (state: string) => {
  const done = await rig.box.here(['dispatch', '--json'], '', { MC_PICKUP_STATE_DIR: state });
  return { code: done.code, err: done.err, said: done.out === '' ? null : (JSON.parse(done.out) as object) };
};

it('a state dir that was moved takes its worktrees along, and its tickets are launched again in them', async () => {
  const [id = ''] = await rig.held(1);
  const { worktree } = rig.run(id);
  await rig.endAll();
  const moved = `${rig.box.state}-moved`;
  renameSync(rig.box.state, moved);
  try {
    const { code, said } = await tickIn(moved);
    expect([code, said]).toMatchObject([
      0,
      {
        reconcile: [{ kind: 'retry', because: 'tmux_server_lost' }],
        dispatch: [{ kind: 'launch', result: 'launched' }],
      },
    ]);
  } finally {
    await rig.box.here(['stop', id], '', { MC_PICKUP_STATE_DIR: moved });
    await rig.endAll();
    renameSync(moved, rig.box.state);
  }
  expect(rig.runs(id).map((run) => run.worktree)).toEqual([worktree, worktree.replace(rig.box.state, moved)]);
});

it('a state dir that was copied beside living agents starts none beside them, and says whose the worktree is once they have ended', async () => {
  const [id = ''] = await rig.held(1);
  const copy = join(rig.box.dir, 'copy');
  cpSync(rig.box.state, copy, { recursive: true, filter: (path) => !/\.(sock|pipe)$|\/asking/.test(path) });
  try {
    expect(await tickIn(copy)).toMatchObject({ code: 0, err: '', said: { reconcile: [], dispatch: [] } });
    expect(rig.started(id)).toBe(1);
    await rig.kill(rig.run(id).pid);
    await tickIn(copy);
    const { code, said } = await untilDue(copy, id);
    expect([code, said]).toMatchObject([3, { dispatch: [{ ticket: id, result: 'failed' }] }]);
    expect(JSON.stringify(said)).toContain('other_board');
    expect(rig.started(id)).toBe(1);
  } finally {
    await rig.box.here(['stop', id], '', { MC_PICKUP_STATE_DIR: copy });
    rmSync(copy, { recursive: true, force: true });
  }
});

async function untilDue(copy: string, id: string): Promise<ReturnType<typeof tickIn>> {
  let last = await tickIn(copy);
  const asked = (): boolean => JSON.stringify(last.said).includes(`"kind":"launch","ticket":"${id}"`);
  for (let n = 0; n < 50 && !asked(); n++) last = await tickIn(copy);
  return last;
}
