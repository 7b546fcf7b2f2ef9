/** A worktree as a workplace: what it has of the main checkout, what its agent and its hooks know of it, and how it is taken down. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { git } from '../support/sandbox.ts';

let rig: Rig;
beforeAll(() => {
  const known = 'echo "$MC_MAIN_CHECKOUT $MC_SLOT $MC_PORT_BASE $(cat .env)"';
  const down =
    'echo "$PWD $MC_TICKET_ID $MC_MAIN_CHECKOUT $(cat .env)" >>"$MC_PICKUP_STATE_DIR/down"; exit 3';
  rig = new Rig({
    project: `copy = [".env*"]
link = ["node_modules"]
after_create = ["/bin/sh", "-c", '${known}']
before_remove = ["/bin/sh", "-c", '${down}']`,
  });
  const { repo } = rig.box;
  writeFileSync(join(repo, '.gitignore'), '.env\nnode_modules\n');
  git(rig.box, 'add', '.');
  git(rig.box, 'commit', '-qm', 'base');
  writeFileSync(join(repo, '.env'), 'A=1');
  mkdirSync(join(repo, 'node_modules'));
});
afterAll(async () => {
  await rig.box.destroy();
});

it('hooks and agents find the files and their numbers; what was given is no work; clean takes down, says what failed, and removes', async () => {
  const { repo, state } = rig.box;
  const ids = [rig.add('review'), rig.add('stay')] as const;
  expect(rig.tick().dispatch.map(({ result }) => result)).toEqual(['launched', 'launched']);
  for (const id of ids) await rig.settle(id, 'in_review');
  const slots = ids.map((id) => rig.runFile(rig.runs(id)[0]?.id ?? '', 'after_create.log'));
  expect(slots.sort()).toEqual([`${repo} 0 21000 A=1\n`, `${repo} 1 21020 A=1\n`]);
  const [first, second] = ids;
  await rig.gone(rig.runs(first)[0]?.pid ?? 0);
  // The number of the one that lives is taken.
  const third = rig.add('review');
  rig.tick();
  await rig.settle(third, 'in_review');
  const own = Number(rig.runFile(rig.runs(second)[0]?.id ?? '', 'after_create.log').split(' ')[1]);
  const other = rig.runFile(rig.runs(third)[0]?.id ?? '', 'after_create.log').split(' ')[1];
  expect(other).toBe(String(1 - own));

  const shown = JSON.parse(rig.box.run(['diff', first, '--json']).out) as { uncommitted: unknown };
  expect(shown.uncommitted).toEqual([]);
  git(rig.box, 'merge', '-q', '--no-ff', '-m', 'merge', `mc/${first}-do-review`);
  rig.box.run(['ticket', 'move', first, 'done']);
  const worktree = join(state, 'worktrees', 'demo', first);
  expect(existsSync(join(state, 'down'))).toBe(false);
  const done = rig.box.run(['clean', '--yes', '--only', 'worktrees']);
  expect(done.err).toContain(`${worktree}: hook before_remove: exit code 3`);
  expect(existsSync(worktree)).toBe(false);
  expect(readFileSync(join(state, 'down'), 'utf8')).toBe(`${worktree} ${first} ${repo} A=1\n`);
  expect(rig.box.run(['log', '--ticket', first]).out).toContain('hook before_remove: exit code 3');
  expect(existsSync(join(repo, 'node_modules'))).toBe(true);
});

it('what git does not ignore is no work either; who commits it all the same is told before and after, and it never leaves the machine', async () => {
  const { repo, dir } = rig.box;
  git(rig.box, 'rm', '-q', '--cached', '.gitignore');
  git(rig.box, 'commit', '-qm', 'ignores nothing');
  git(rig.box, 'init', '-q', '--bare', join(dir, 'remote'));
  git(rig.box, 'remote', 'add', 'origin', join(dir, 'remote'));
  git(rig.box, 'push', '-q', 'origin', 'main');
  rmSync(join(repo, '.gitignore'));
  rig.configure({ project: 'copy = [".env"]\nlink = ["node_modules"]\n[project.demo.review]\npush = true' });
  const id = rig.add('hold');
  rig.tick();
  await rig.holding(id);
  expect(rig.runFile(rig.run(id).id, 'prompt.md')).toContain('must not be committed: .env, node_modules');
  expect(rig.box.run(['explain', id]).out).toContain('git does not ignore .env, node_modules');
  const shown = JSON.parse(rig.box.run(['diff', id, '--json']).out) as { uncommitted: unknown };
  expect(shown.uncommitted).toEqual([]);
  // It adds all that it sees, and takes it out again by one commit more.
  rig.box.signal(`${id}.go`);
  await rig.settle(id, 'in_review');
  const { worktree } = rig.run(id);
  git({ ...rig.box, repo: worktree }, 'rm', '-q', '--cached', '.env', 'node_modules');
  git({ ...rig.box, repo: worktree }, 'commit', '-qm', 'without');
  const done = rig.box.run(['ticket', 'publish', id]);
  expect(done.out + done.err).toMatch(/its commits have \.env, node_modules, which its worktree was given/);
  expect(git(rig.box, 'ls-remote', '--heads', 'origin')).not.toContain(id);
  // Nor by the way over the base.
  expect(rig.box.run(['ticket', 'merge', id, '--push'])).toMatchObject({
    code: 69,
    err: expect.stringContaining('its commits have .env, node_modules'),
  });
});
