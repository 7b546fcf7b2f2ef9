/** A report whose board can't be written is kept by file, and does what it would have done: once, and before its run is judged. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SCHEMA_VERSION } from '../../src/board/sqlite/care.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.box.destroy());

/** The board as a newer program has left it: every command on it ends with 78. */
function asNewer<T>(work: () => T): T {
  const version = (n: number) => rig.box.sql(`PRAGMA user_version = ${n}`);
  version(SCHEMA_VERSION + 1);
  try {
    return work();
  } finally {
    version(SCHEMA_VERSION);
  }
}

async function working(): Promise<{ readonly id: string; readonly run: string; readonly pid: number }> {
  const [id = ''] = await rig.held(1);
  const { mark: run, pid } = rig.run(id);
  return { id, run, pid };
}

const says = (run: string, ...words: string[]) => rig.box.run(['report', ...words], '', { MC_RUN_ID: run });
const kept = (run: string) =>
  readdirSync(join(rig.box.state, 'runs', run, 'events')).filter((name) => name.startsWith('mc-report.'));
const told = (id: string) =>
  rig.box
    .sql<{ because: string; text: string }>(
      "SELECT because, text FROM activity WHERE ticket_id = ? AND kind = 'report' ORDER BY id",
      id,
    )
    .map(({ because, text }) => `${because}: ${text}`);

it('of a run that has ended since: its ticket goes where it was reported to, and no attempt is spent', async () => {
  const { id, run, pid } = await working();
  const done = asNewer(() => says(run, 'review', '--message', 'All is well.'));
  expect(done, done.err).toMatchObject({ code: 0 });
  expect(done.out).toContain(`kept: ${id} -> in_review`);
  expect(done.out).toContain('schema');
  await rig.kill(pid);
  const planned = rig.tick('dispatch', '--dry-run').reconcile;
  expect(planned).toMatchObject([{ kind: 'report', because: 'report_kept', after: 'in_review', ticket: id }]);
  expect(kept(run)).toHaveLength(1);
  expect(rig.tick().reconcile).toMatchObject([{ kind: 'report', result: 'done', after: 'in_review' }]);
  expect(rig.ticket(id)).toMatchObject({ status: 'in_review', attempts: 0, reason: 'reported' });
  expect(kept(run)).toEqual([]);
  expect(rig.tick().reconcile).toContainEqual(
    expect.objectContaining({ kind: 'end', because: 'agent_finished' }),
  );
  expect(told(id)).toEqual(['in_review: All is well.']);
  expect(rig.started(id)).toBe(1);
});

it('goes before the next report of its run, which tells both', async () => {
  const { id, run } = await working();
  asNewer(() => says(run, 'needs-input', '--message', 'Which?'));
  expect(says(run, 'review', '--message', 'Found it myself.')).toMatchObject({ code: 0 });
  expect(told(id)).toEqual(['needs_input: Which?', 'in_review: Found it myself.']);
  expect(kept(run)).toEqual([]);
  expect(rig.ticket(id).status).toBe('in_review');
});

it('is there from its first moment, so that it outlives the agent that gives up on a locked board', async () => {
  const { id, run, pid } = await working();
  const other = new Database(rig.box.boardFile);
  try {
    other.exec('BEGIN IMMEDIATE');
    const waiting = rig.box.begin(['report', 'needs-input', '--message', 'Which?'], { MC_RUN_ID: run });
    expect(await until(() => kept(run).length === 1)).toBe(true);
    waiting.kill();
    await waiting.done;
  } finally {
    other.close();
  }
  await rig.kill(pid);
  rig.tick();
  expect(rig.ticket(id)).toMatchObject({
    status: 'needs_input',
    reason: 'asked',
    reason_text: 'Which?',
    attempts: 0,
  });
});

it('of a superseded run changes nothing, and the log says so', async () => {
  const { id, run } = await working();
  asNewer(() => says(run, 'blocked', '--message', 'No key.'));
  rig.box.sql("UPDATE tickets SET claim_epoch = claim_epoch + 1, status = 'todo' WHERE id = ?", id);
  rig.tick('reconcile');
  expect(rig.ticket(id).status).not.toBe('blocked');
  expect(told(id)).toEqual([]);
  expect(kept(run)).toEqual([]);
  expect(rig.box.run(['log', '--ticket', id]).out).toMatch(/blocked.*No key\..*refused/s);
});

describe('a report file that an agent writes by itself', () => {
  const forge = (run: string, text: string, name = 'forged') =>
    writeFileSync(join(rig.box.state, 'runs', run, 'events', `mc-report.${name}`), text);

  it('gives it no more than the command: what is for a person to say stays so', async () => {
    const { id, run } = await working();
    forge(run, JSON.stringify({ report: 'done', message: 'Trust me.\u001b[2J' }));
    rig.tick();
    expect(rig.ticket(id)).toMatchObject({ status: 'in_review', reason: 'nothing_to_do' });
    expect(rig.ticket(id).reason_text).not.toContain('\u001b');
  });

  it.each([8.64e15, 1])('can not name the moment of it: %d', async (at_ms) => {
    const { id, run } = await working();
    const from = Date.now() - 600_000;
    forge(run, JSON.stringify({ report: 'review', message: 'Done.', at_ms }));
    rig.tick();
    expect(rig.ticket(id).status).toBe('in_review');
    const rows = rig.box.sql<{ at_ms: number }>('SELECT at_ms FROM activity WHERE ticket_id = ?', id);
    expect(rows.filter((one) => one.at_ms < from || one.at_ms > Date.now())).toEqual([]);
  });

  it('that is none is an event like any other, and goes', async () => {
    const { id, run } = await working();
    const none = [
      'no JSON',
      '{"report":"cancelled"}',
      '{"report":["review"]}',
      '{"report":"review","message":7}',
    ];
    for (const [n, text] of none.entries()) forge(run, text, `${n}`);
    const { reconcile } = rig.tick();
    expect(reconcile.filter(({ kind }) => kind === 'report')).toEqual([]);
    expect(rig.ticket(id).status).toBe('in_progress');
    expect(readdirSync(join(rig.box.state, 'runs', run, 'events'))).toEqual([]);
  });
});

it('stands without room on the disk in the room that its launch has set aside', async (context) => {
  mkdirSync(rig.box.state, { recursive: true });
  const size = 'size=8m,mode=0700';
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', size, 'tmpfs', rig.box.state]).status !== 0)
    context.skip('mounting a small file system is not allowed here: run it as root');
  try {
    const { id, run, pid } = await working();
    const filler = join(rig.box.state, 'filler');
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'], { stdio: 'ignore' });
    const done = says(run, 'review', '--message', 'All is well.');
    expect(done, done.err).toMatchObject({ code: 0, out: expect.stringContaining('kept') });
    rmSync(filler);
    await rig.kill(pid);
    rig.tick();
    expect(rig.ticket(id)).toMatchObject({ status: 'in_review', reason_text: 'All is well.', attempts: 0 });
  } finally {
    await rig.endAll();
    spawnSync('umount', ['-l', rig.box.state]);
  }
});
