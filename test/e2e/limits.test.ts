/** A scheduler starts ticks with a low soft limit on open files, of which a file watcher alone may need thousands. */
import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { BIN, until } from '../support/sandbox.ts';

let rig: Rig;
beforeAll(() => {
  rig = new Rig();
});
afterAll(() => rig.box.destroy());

it('agents may have as many files open as the hard limit allows', async () => {
  const agent = join(rig.box.dir, 'tells');
  writeFileSync(
    agent,
    `#!/bin/sh
n=$MC_PICKUP_STATE_DIR/notes; mkdir -p $n
echo "$(ulimit -Sn) $(ulimit -Hn)" >$n/limits.new && mv $n/limits.new $n/limits
exec sleep 600
`,
  );
  chmodSync(agent, 0o755);
  rig.configure({ more: `[agent.tells]\nkind = "command"\nargv = [${JSON.stringify(agent)}]\n` });
  rig.add('look', '--agent', 'tells');
  const low = 'ulimit -Sn 200 && ulimit -Hn 900 && exec "$@"';
  const done = spawnSync('/bin/sh', ['-c', low, 'sh', process.execPath, BIN, 'dispatch'], {
    env: rig.box.env,
    encoding: 'utf8',
  });
  expect(done).toMatchObject({ status: 0, stderr: '' });
  expect(await until(() => rig.box.note('limits') !== '')).toBe(true);
  expect(rig.box.note('limits')).toBe('900 900\n');
  const doctor = JSON.parse(rig.box.run(['doctor', '--json']).out) as {
    check: string;
    result: string;
    says: string;
  }[];
  expect(doctor.find(({ check }) => check === 'agents limits')).toMatchObject({
    result: 'warn',
    says: expect.stringContaining('900 open files at a time, and this shell'),
  });
});
