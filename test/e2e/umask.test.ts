import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from '../support/rig.ts';
import { BIN, until } from '../support/sandbox.ts';

let rig: Rig;
beforeAll(() => {
  rig = new Rig({
    project: 'after_create = ["/bin/sh", "-c", "echo x >hooked"]\n',
    more: `[agent.maker]
kind = "command"
mode = "headless"
argv = ["/bin/sh", "-c", "echo x; mkdir new; echo x >new/made; exec sleep 1000"]
`,
  });
});
afterAll(() => rig.box.destroy());

function under(umask: string, ...args: string[]): void {
  const { env } = rig.box;
  const words = ['-c', `umask ${umask}; exec "$@"`, 'sh', process.execPath, BIN, ...args];
  expect(spawnSync('/bin/sh', words, { env, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
}

const mode = (...path: string[]): string => (statSync(join(...path)).mode & 0o777).toString(8);

test('agents, hooks and checkouts have the umask of who set things up, though the scheduler has another', async () => {
  const { repo, state } = rig.box;
  under('002', 'init');
  const id = rig.add('hold', '--agent', 'maker');
  under('077', 'dispatch');
  const tree = join(state, 'worktrees', 'demo', id);
  expect(await until(() => spawnSync('test', ['-s', join(tree, 'new/made')]).status === 0)).toBe(true);
  expect([mode(tree, 'README.md'), mode(tree, 'hooked'), mode(tree, 'new'), mode(tree, 'new/made')]).toEqual([
    ...['664', '664', '775', '664'],
  ]);
  expect([mode(repo, '.git/worktrees', id), mode(repo, '.git/worktrees', id, 'locked')]).toEqual([
    '775',
    '664',
  ]);
  const { mark } = rig.run(id);
  const ours = ['prompt.md', '../../own', `../../own/${mark}/output.log`].map((one) =>
    mode(state, 'runs', mark, one),
  );
  expect(ours).toEqual(['600', '700', '600']);
});
