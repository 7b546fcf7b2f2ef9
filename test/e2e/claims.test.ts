/** Claims of which no agent can come: of ticks that were killed, and of launches that failed. Nobody pays for them. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FAIL_BIN } from '../crash/cell.ts';
import { Rig } from '../support/rig.ts';
import { type Running, until } from '../support/sandbox.ts';

const SRC = join(import.meta.dirname, '../../src');
/** The deadline is far away: nothing here waits for it. */
const LIMITS = `[limits]
max_agents = 80
max_launches_per_tick = 8
retry_base_seconds = 0.2
retry_max_seconds = 1
`;
const HOOKS = `after_create = { argv = ["/bin/true"], timeout_seconds = 20 }
before_run = { argv = ["/bin/true"], timeout_seconds = 20 }`;

let rig: Rig;
beforeEach(() => {
  rig = new Rig({ limits: LIMITS, project: HOOKS });
});
afterEach(async () => {
  await rig.box.destroy();
});

/** A tick that dies right at this failpoint. */
async function killedAt(point: string): Promise<void> {
  const once = join(rig.box.dir, `hit-${point}`);
  const env = { MC_PICKUP_FAILPOINT: `${point}:kill:${once}` };
  const running: Running = rig.box.begin(['dispatch', '--json'], env, FAIL_BIN);
  await running.done;
  expect(existsSync(once), `the failpoint ${point} was never reached`).toBe(true);
}

describe('a claim of a tick that has died', () => {
  it.each(['claim-committed', 'prepare-run-written', 'launch-staged', 'launch-pane-before'])(
    'at %s ends with the next tick, which launches the ticket at once',
    async (point) => {
      const id = rig.add('hold');
      await killedAt(point);
      expect(rig.run(id).phase).toBe('launching');
      expect(rig.tick()).toMatchObject({
        reconcile: [{ kind: 'retry', ticket: id, because: 'tick_died', result: 'done', after: 'todo' }],
        dispatch: [{ ticket: id, result: 'launched', evidence: { attempt: 1 } }],
      });
      await rig.holding(id);
      expect(rig.agents(id)).toHaveLength(1);
      expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', attempts: 0 });
    },
  );

  it('is waited for while a launcher or a process of its run lives, though it has no pane', async () => {
    const id = rig.add('hold');
    await killedAt('launch-staged');
    const { id: run } = rig.run(id);
    const file = join(rig.box.state, 'runs', run, 'launch');
    const pipes: { stdio: ['pipe', 'ignore', 'ignore'] } = { stdio: ['pipe', 'ignore', 'ignore'] };
    for (const child of [
      spawn('/bin/sh', ['-c', 'read -r go', file], { ...pipes, env: {} }),
      spawn('/bin/cat', [], { ...pipes, env: { MC_RUN_ID: run } }),
    ]) {
      // Its words are its own once it has become its program.
      expect(await until(() => commandOf(child.pid ?? 0) !== commandOf(process.pid))).toBe(true);
      expect(rig.tick()).toMatchObject({ dispatch: [], skipped: [{ ticket: id, because: 'launching' }] });
      expect(rig.run(id)).toMatchObject({ id: run, phase: 'launching' });
      child.stdin.end();
      await rig.gone(child.pid ?? 0);
    }
    rig.tick();
    expect(rig.runs(id)[0]).toMatchObject({ id: run, end_reason: 'tick_died' });
  });

  it('whose git still makes the worktree is given back, and not claimed again before that is through', async () => {
    const id = rig.add('hold');
    // What git starts by itself when a worktree is made, standing still as a slow checkout does.
    const hook = join(rig.box.repo, '.git', 'hooks', 'post-checkout');
    const go = join(rig.box.dir, 'go');
    writeFileSync(
      hook,
      `#!/bin/sh\necho $$ >>${rig.box.dir}/making\nwhile [ ! -e ${go} ]; do sleep 0.05; done\n`,
      {
        mode: 0o755,
      },
    );
    const running = rig.box.begin(['dispatch', '--json']);
    expect(await until(() => existsSync(join(rig.box.dir, 'making')))).toBe(true);
    running.kill();
    await running.done;
    for (let n = 0; n < 2; n++) {
      const { reconcile, dispatch, skipped, code } = rig.tick();
      expect([code, dispatch]).toEqual([0, []]);
      expect(reconcile.map(({ because }) => because)).toEqual(n === 0 ? ['tick_died'] : []);
      expect(skipped).toMatchObject([{ ticket: id, because: 'still_being_made' }]);
    }
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, not_before_at_ms: null });
    expect(rig.runs(id)).toHaveLength(1);
    writeFileSync(go, '');
    expect(await until(() => rig.tick().dispatch.length > 0)).toBe(true);
    await rig.holding(id);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', attempts: 0 });
  });
});

/** The program that a process runs. */
function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? '';
}

describe('a launch that fails before anything was started', () => {
  /** From the claim to the start of the pane, by the source itself. */
  const points = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => [...readFileSync(join(SRC, path), 'utf8').matchAll(/failpoint\('([a-z-]+)'\)/g)])
    .map(([, point = '']) => point)
    .filter(
      (point) =>
        /^(claim|prepare)-/.test(point) || /^launch-(look-.*|switch-read|staged|pipe-opened)$/.test(point),
    );

  it('gives its claim back at once, wherever that is', async () => {
    const reached: string[] = [];
    for (const point of new Set(points)) {
      // A full disk holds this host: the next one finds it mended.
      rmSync(join(rig.box.state, 'holds.json'), { force: true });
      const id = rig.add('hold');
      const once = join(rig.box.dir, `hit-${point}`);
      const env = { MC_PICKUP_FAILPOINT: `${point}:enospc:${once}` };
      const { out } = await rig.box.begin(['dispatch', '--json'], env, FAIL_BIN).done;
      if (!existsSync(once)) {
        await rig.holding(id); // not on the way of this launch
        continue;
      }
      reached.push(point);
      const told = JSON.parse(out) as { dispatch: { result: string; error?: string }[] };
      // A file that only helps could not be written, say.
      if (told.dispatch[0]?.result === 'launched') continue;
      expect([point, rig.live(id)]).toEqual([point, undefined]);
      expect([point, rig.ticket(id)]).toMatchObject([
        point,
        { status: 'todo', attempts: 0, worker_pid: null },
      ]);
      expect([point, told.dispatch[0]]).toMatchObject([
        point,
        { result: 'failed', error: expect.any(String) },
      ]);
      expect(rig.started(id)).toBe(0);
      rig.box.run(['ticket', 'move', id, 'cancelled']);
    }
    expect(reached).toEqual(
      expect.arrayContaining(['claim-committed', 'prepare-run-dir-made', 'launch-staged']),
    );
  });

  it('is held when the runs have no place, blameless, until they have one again', async () => {
    const id = rig.add('hold');
    const runs = join(rig.box.state, 'runs');
    rmSync(runs, { recursive: true, force: true });
    writeFileSync(runs, 'a file in its place');
    for (let n = 0; n < 4; n++) {
      await rig.due(id);
      const { code, dispatch } = rig.tick();
      expect(code).toBe(3);
      expect(dispatch).toMatchObject([{ ticket: id, result: 'failed', after: 'todo' }]);
      expect(dispatch[0]?.error).toMatch(/EEXIST|ENOTDIR/);
      expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, reason: 'environment' });
      expect(rig.live(id)).toBeUndefined();
    }
    rmSync(runs);
    mkdirSync(runs, { mode: 0o700 });
    await rig.due(id);
    expect(rig.tick().dispatch).toMatchObject([{ ticket: id, result: 'launched', evidence: { attempt: 1 } }]);
  });

  it('again and again is held longer each time and never blocked: no agent ran', async () => {
    rig.configure({
      limits: LIMITS.replace('retry_base_seconds = 0.2', 'retry_base_seconds = 60').replace(
        'retry_max_seconds = 1',
        'retry_max_seconds = 1800',
      ),
      project: 'after_create = ["/bin/false"]',
    });
    const id = rig.add('hold');
    const waits: number[] = [];
    for (let n = 0; n < 7; n++) {
      rig.box.sql('UPDATE tickets SET not_before_at_ms = NULL, version = version + 1 WHERE id = ?', id);
      const before = Date.now();
      expect(rig.tick().dispatch).toMatchObject([{ result: 'failed', after: 'todo' }]);
      const { status, attempts, reason, not_before_at_ms } = rig.ticket(id);
      expect({ status, attempts, reason }).toEqual({ status: 'todo', attempts: 0, reason: 'launch_failed' });
      waits.push(Math.floor(((not_before_at_ms ?? 0) - before) / 60_000));
    }
    expect(waits).toEqual(
      [1, 2, 4, 8, 16, 30, 30].map((least) => expect.toSatisfy((n) => n >= least && n <= least * 1.2 + 1)),
    );
  });
});
