/** A machine without room for one more agent launches none, says why, and goes on by itself. Real readings, against limits that no machine meets. */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lookAtRoom } from '../../src/machine/room.ts';
import { DEFAULT_LIMITS } from '../../src/model/policy.ts';
import { Rig, state } from '../support/rig.ts';
import { LIMITS, until } from '../support/sandbox.ts';

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

/** Where a control group with a limit on memory can be made, and by which file; null = nowhere. */
function memoryGroups(): { readonly place: string; readonly limit: string } | null {
  const all = '/sys/fs/cgroup';
  const [two, one] = [join(all, 'cgroup.subtree_control'), join(all, 'memory')];
  const limit = existsSync(two) ? 'memory.max' : 'memory.limit_in_bytes';
  const place = existsSync(two) ? all : one;
  try {
    if (existsSync(two) && !readFileSync(two, 'utf8').split(/\s/).includes('memory')) return null;
    accessSync(place, constants.W_OK);
    return process.geteuid?.() === 0 ? { place, limit } : null;
  } catch {
    return null;
  }
}
const groups = memoryGroups();
/** It takes what it can get, once it may. */
const EATER = `
[agent.eater]
kind = "command"
argv = [${JSON.stringify(process.execPath)}, "-e", '''
const fs = require('node:fs');
const n = process.env.MC_PICKUP_STATE_DIR + '/notes/' + process.env.MC_TICKET_ID;
fs.mkdirSync(process.env.MC_PICKUP_STATE_DIR + '/notes', { recursive: true });
fs.writeFileSync(n + '.up', 'x');
const all = [];
setInterval(() => { while (fs.existsSync(n + '.go')) all.push(Buffer.alloc(4 << 20, 1)); }, 20);
''']
`;

it.skipIf(groups === null)(
  'one agent that the kernel ends for want of memory in its control group: the others, the server and the ticks live on (needs root and a memory controller)',
  async () => {
    const { place = '', limit = '' } = groups ?? {};
    const group = join(place, `mc-pickup-test-${process.pid}`);
    mkdirSync(group);
    try {
      writeFileSync(join(group, limit), String(160 * 2 ** 20));
      rig.configure({ limits: LIMITS, more: EATER });
      const [calm, eats] = [rig.add('hold'), rig.add('none', '--agent', 'eater')];
      rig.tick();
      await rig.holding(calm);
      expect(await until(() => rig.box.note(`${eats}.up`) !== '' && rig.run(eats).pid !== null)).toBe(true);
      const { pid } = rig.run(eats);
      writeFileSync(join(group, 'cgroup.procs'), String(pid));
      expect(lookAtRoom(pid, DEFAULT_LIMITS).memory).toMatchObject({ of: 'cgroup' });
      rig.box.signal(`${eats}.go`);
      expect(await until(() => [null, 'Z'].includes(state(pid)))).toBe(true);
      expect(rig.tick()).toMatchObject({
        code: 0,
        reconcile: [
          { kind: 'retry', ticket: eats, because: 'agent_killed', evidence: { exit_signal: 9 } },
          {},
        ],
      });
      expect(rig.agents(calm)).toEqual([rig.run(calm).pid]);
      expect((await rig.box.here(['explain', eats])).out).toContain('the agent was killed (signal 9)');
    } finally {
      await rig.box.destroy();
      await until(() => readFileSync(join(group, 'cgroup.procs'), 'utf8') === '');
      rmdirSync(group);
    }
  },
);
