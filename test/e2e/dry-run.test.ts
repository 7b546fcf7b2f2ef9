/** A dry run is the tick that a real one would be, and leaves no trace. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HOLDING_HOOK, type Report, Rig, state } from '../support/rig.ts';
import { BIN, BOUND_MS, until } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig({ project: HOLDING_HOOK });
});
afterEach(async () => {
  await rig.box.destroy();
});

/** Every entry below a directory: name, kind, times to the nanosecond, and the bytes of what is a file. */
function picture(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stat = lstatSync(join(dir, name), { bigint: true });
      if (!stat.isFile()) return `${name} ${stat.mode} ${stat.isSocket() ? '' : stat.mtimeNs}`;
      const hash = createHash('sha256')
        .update(readFileSync(join(dir, name)))
        .digest('hex');
      return `${name} ${stat.mode} ${stat.mtimeNs} ${stat.ino} ${hash}`;
    });
}

/** The plan: all of every step but what only its being carried out tells. A wait that this very plan gives is
 *  counted from the moment of the tick, so it is no part of the comparison. */
function plan({ reconcile, dispatch, skipped }: Report): string {
  const retried = new Set(
    reconcile.filter(({ kind }) => kind === 'retry' || kind === 'shorten').map(({ ticket }) => ticket),
  );
  const steps = (list: Report['reconcile']) =>
    list.map(({ kind, ticket, because, evidence, before, after }) => ({
      ...{ kind, ticket, because, before, after },
      evidence: { ...evidence, to_ms: null },
    }));
  const skips = skipped.map((one) => (retried.has(one.ticket) ? { ...one, evidence: null } : one));
  return JSON.stringify({ reconcile: steps(reconcile), dispatch: steps(dispatch), skipped: skips }, null, 1);
}

/** A board that has drifted in every way at once. */
async function drifted(): Promise<Record<string, string>> {
  const { box } = rig;
  const names = ['split', 'lost', 'dead', 'deadTodo', 'settled'] as const;
  const ids = Object.fromEntries(names.map((name) => [name, rig.add(name === 'settled' ? 'stay' : 'hold')]));
  const id = (name: string) => ids[name] ?? '';
  rig.tick();
  for (const name of names) await rig.holding(id(name));
  rig.tick();
  for (const name of ['dead', 'deadTodo']) {
    const { pid } = rig.run(id(name));
    await rig.kill(pid);
    // What a look calls it changes once more, when tmux reaps it.
    const reaped = () => box.tmux('run-shell', 'true').code === 0 && state(pid) === null;
    expect(await until(reaped)).toBe(true);
  }
  rig.lose(id('lost'));
  box.sql(
    "UPDATE tickets SET status = 'todo', worker_pid = NULL WHERE id IN (?, ?)",
    id('split'),
    id('deadTodo'),
  );
  box.sql(
    `INSERT INTO tickets (title, body, project, agent, trusted, owner, depends_on, not_before_at_ms, priority) VALUES
     ('a', 'behave: hold', 'demo', 'scripted', 1, 'alice', '[]', NULL, 2),
     ('b', 'behave: hold', 'demo', 'scripted', 1, NULL, json_array(?), NULL, 2),
     ('c', 'behave: hold', 'demo', 'scripted', 0, NULL, '[]', NULL, 2),
     ('d', 'behave: hold', 'demo', 'scripted', 1, NULL, '[]', 4000000000000, 2),
     ('e', 'behave: hold', 'demo', 'scripted', 1, NULL, '[]', NULL, 0)`,
    id('split'),
  );
  return ids;
}

it('plans what the real tick then does, byte for byte, and not one file of the state dir changes by it', async () => {
  const ids = await drifted();
  const before = picture(rig.box.dir);
  const panes = rig.box.tmux('list-panes', '-a', '-F', '#{pane_id} #{pane_pid} #{@mc_run}').out;
  const planned = rig.tick('dispatch', '--dry-run');
  const again = rig.tick('dispatch', '--dry-run');
  const words = rig.box.run(['dispatch', '--dry-run']);
  expect(picture(rig.box.dir)).toEqual(before);
  expect(rig.box.tmux('list-panes', '-a', '-F', '#{pane_id} #{pane_pid} #{@mc_run}').out).toBe(panes);
  expect(words).toMatchObject({ code: 0, err: '' });
  expect(words.out).toContain(`${ids.split}: normalize todo -> in_progress [planned]`);

  const real = rig.tick();
  expect(plan(planned)).toBe(plan(real));
  expect(plan(again)).toBe(plan(real));
  // The state was worth the comparison: every kind of step and of skip is there.
  expect(planned.reconcile.map(({ kind }) => kind).sort()).toEqual([
    'adopt',
    'close_pane',
    'close_pane',
    'end',
    'normalize',
    'retry',
    'shorten',
  ]);
  expect(planned.dispatch.map(({ ticket }) => ticket)).toEqual(['MC-10', ids.deadTodo]);
  expect(planned.skipped.map(({ because }) => because).sort()).toEqual([
    'alive_though_settled',
    'dependencies_unmet',
    'not_before',
    'not_before',
    'owned_by_person',
    'untrusted',
  ]);
  const results = (report: Report) => [...report.reconcile, ...report.dispatch].map(({ result }) => result);
  expect(new Set(results(planned))).toEqual(new Set(['planned']));
  expect(new Set(results(real))).toEqual(new Set(['done', 'adopted', 'launched']));
});

it('plans no launch by a program that is not there: nothing would come of it', () => {
  rig.configure({ more: '[agent.gone]\nkind = "command"\nargv = ["no-such-program"]\n' });
  const [gone, fine] = [rig.add('hold', '--agent', 'gone'), rig.add('hold')];
  const dry = rig.tick('dispatch', '--dry-run');
  expect(dry.dispatch).toMatchObject([{ ticket: fine, result: 'planned' }]);
  expect(dry.skipped).toMatchObject([
    { ticket: gone, because: 'held', evidence: { says: expect.stringContaining('"no-such-program"') } },
  ]);
  expect(existsSync(join(rig.box.state, 'holds.json'))).toBe(false);
});

it('takes no tick lock: it answers while a tick is held, and that tick goes on', async () => {
  const id = rig.add('hold');
  const running = await rig.heldTick(id);
  const other = rig.add('hold');
  expect(rig.tick()).toMatchObject({ outcome: 'overlap' });
  const dry = rig.tick('dispatch', '--dry-run');
  expect(dry).toMatchObject({ code: 0, outcome: 'ok', dry_run: true });
  expect(dry.dispatch).toMatchObject([{ kind: 'launch', ticket: other, result: 'planned' }]);
  expect(rig.ticket(other)).toMatchObject({ status: 'todo', version: 1 });
  rig.letGo(id);
  expect(await rig.report(running)).toMatchObject({ outcome: 'ok', dispatch: [{ result: 'launched' }] });
});

it('keeps no tick out: the lock file is not even opened', () => {
  rig.box.run(['init']);
  rig.add('hold');
  writeFileSync(join(rig.box.state, 'tick-lock.sqlite'), 'no database at all, so that opening it would fail');
  expect(rig.tick('dispatch', '--dry-run')).toMatchObject({ code: 0, outcome: 'ok' });
});

it('opens nothing for writing: it works on a state dir that it cannot write to', async (context) => {
  const { box } = rig;
  const id = rig.add('hold');
  rig.tick();
  await rig.holding(id);
  box.sql("UPDATE tickets SET status = 'todo' WHERE id = ?", id);
  const fresh = rig.add('hold');
  const all = readdirSync(box.state, { recursive: true, encoding: 'utf8' }).map((name) =>
    join(box.state, name),
  );
  const entries = [box.state, ...all].map((path) => ({ path, stat: lstatSync(path) }));
  const plain = entries.filter(({ stat }) => stat.isFile() || stat.isDirectory());
  const before = picture(box.state);
  for (const { path, stat } of plain.toReversed()) chmodSync(path, stat.mode & 0o555);
  try {
    // Root may write anywhere, unless it has given up its capabilities.
    const weak =
      process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'] : ['env'];
    const as = (...argv: string[]) =>
      spawnSync(weak[0] ?? '', [...weak.slice(1), ...argv], {
        env: box.env,
        encoding: 'utf8',
        timeout: BOUND_MS,
      });
    if (as('touch', join(box.state, 'x')).status !== 1)
      context.skip('nothing here keeps this user from writing');
    const done = as(process.execPath, BIN, 'dispatch', '--dry-run', '--json');
    expect(done).toMatchObject({ status: 0, stderr: '' });
    const planned = JSON.parse(done.stdout) as Report;
    expect(planned.reconcile).toContainEqual(expect.objectContaining({ kind: 'normalize', ticket: id }));
    expect(planned.dispatch).toMatchObject([{ kind: 'launch', ticket: fresh }]);
    // The same user, for real, can do nothing there: the check can fail.
    expect(as(process.execPath, BIN, 'dispatch', '--json').status).not.toBe(0);
  } finally {
    for (const { path, stat } of plain) chmodSync(path, stat.mode & 0o7777);
  }
  expect(picture(box.state)).toEqual(before);
});
