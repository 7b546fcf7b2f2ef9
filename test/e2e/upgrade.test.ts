/** A board of 0.1 with living agents meets this program: they are kept, what is missing is filled in, nothing starts beside. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lookAtSelf } from '../../src/machine/process.ts';
import { asOf01 } from '../support/older.ts';
import { Rig, type RunRow } from '../support/rig.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

const { time_ns } = lookAtSelf('');
const noted = (...path: string[]): unknown =>
  (JSON.parse(readFileSync(join(rig.box.state, ...path), 'utf8')) as { time_ns?: unknown }).time_ns;
const inRow = (id: string): unknown => (rig.run(id) as RunRow & { readonly time_ns?: unknown }).time_ns;

it('agents of 0.1 live on under the new program, which notes what is missing and launches nothing beside them', async () => {
  const [kept = '', drifted = '', lost = '', gone = ''] = await rig.held(4);
  const ids = [kept, drifted, lost];
  const before = new Map(ids.map((id) => [id, rig.run(id)]));
  const died = rig.run(gone);
  asOf01(rig.box.state);
  const old = new Database(rig.box.boardFile);
  expect(old.pragma('user_version', { simple: true })).toBe(6);
  old.close();
  const { mark } = rig.run(kept);
  expect([inRow(kept), noted('marks', `${kept}.json`), noted('runs', mark, 'registered.json')]).toEqual([
    ...[undefined, undefined, undefined],
  ]);
  // What may happen to any board meanwhile.
  rig.box.sql("UPDATE tickets SET status = 'todo', version = version + 1 WHERE id = ?", drifted);
  rig.lose(lost);
  await rig.kill(died.pid);

  const first = await rig.tickHere();
  expect(first).toMatchObject({ code: 0, outcome: 'ok' });
  const healed = first.reconcile.filter(({ kind }) => kind !== 'close_pane');
  expect(Object.fromEntries(healed.map(({ kind, ticket }) => [kind, ticket]))).toEqual({
    ...{ adopt: lost, normalize: drifted, retry: gone },
  });
  expect(first.dispatch).toEqual([]);
  await rig.tickHere();
  for (const id of ids) {
    const was = before.get(id);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', attempts: 0, worker_pid: was?.pid });
    expect(rig.run(id)).toMatchObject({ pid: was?.pid, pid_start: was?.pid_start, mark: was?.mark });
    expect([rig.started(id), rig.agents(id)]).toEqual([1, [was?.pid]]);
    expect(inRow(id)).toBe(time_ns);
    expect(noted('marks', `${id}.json`)).toBe(time_ns);
    expect(noted('own', was?.mark ?? '', 'registered.json')).toBe(time_ns);
  }
  expect(noted('tmux-server.json')).toBe(time_ns);
  expect(rig.ticket(gone).attempts).toBe(1);

  // Old and new ones side by side, to their ends.
  await rig.due(gone);
  await rig.ticksUntilStarted(gone, 2);
  await rig.holding(gone);
  for (const id of [...ids, gone]) {
    rig.box.signal(`${id}.go`);
    await rig.settle(id, 'in_review');
  }
  for (const id of ids) await rig.gone(before.get(id)?.pid ?? 0);
  await rig.tickHere();
  for (const id of ids) expect([rig.started(id), rig.live(id)]).toEqual([1, undefined]);
});

it('run files, marks and records of both versions are read side by side; a look changes none', async () => {
  const [old = '', young = ''] = await rig.held(2);
  asOf01(rig.box.state, [rig.run(old).mark]);
  await rig.tickHere();
  for (const id of [old, young]) rig.lose(id);
  expect((await rig.tickHere()).reconcile).toMatchObject([
    { kind: 'adopt', ticket: old, result: 'adopted' },
    { kind: 'adopt', ticket: young, result: 'adopted' },
  ]);
  const files = () =>
    [old, young].map((id) => readFileSync(join(rig.box.state, 'marks', `${id}.json`), 'utf8'));
  const before = files();
  expect(await rig.box.here(['dispatch', '--dry-run'])).toMatchObject({ code: 0 });
  expect(files()).toEqual(before);
  expect([rig.started(old), rig.started(young)]).toEqual([1, 1]);
});
