/** A clean that is killed or held between any two of its steps loses nothing, and the next one finishes the work. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FAIL_BIN } from '../crash/cell.ts';
import { state } from '../support/rig.ts';
import { waitFor } from '../support/wait.ts';
import { picture, World } from './world.ts';

let world: World;
beforeEach(() => {
  world = new World();
  writeFileSync(
    join(world.dir, 'config.toml'),
    `[project.p]\nrepo = ${JSON.stringify(world.repo)}\nfetch = false\n[agent.a]\nkind = "command"\nargv = ["true"]\n`,
  );
});
afterEach(() => world.destroy());

function start(failpoint: string, ...args: string[]) {
  const child = spawn(process.execPath, [FAIL_BIN, 'clean', '--yes', '--json', ...args], {
    env: {
      ...{ PATH: process.env.PATH, HOME: world.dir, MC_PICKUP_STATE_DIR: world.state },
      ...{ MC_PICKUP_CONFIG: join(world.dir, 'config.toml'), MC_PICKUP_FAILPOINT: failpoint },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  child.stdout.on('data', (part: Buffer) => {
    out += part.toString();
  });
  let err = '';
  child.stderr.on('data', (part: Buffer) => {
    err += part.toString();
  });
  const done = new Promise<{ code: number | null; signal: string | null; out: string; err: string }>((end) =>
    child.once('close', (code, signal) => end({ code, signal, out, err })),
  );
  return { pid: child.pid ?? 0, done };
}
const hit = () => join(world.dir, 'hit');

describe('a SIGKILL', () => {
  it.each(['worktree-judged', 'worktree-kept', 'worktree-aside', 'worktree-decided', 'worktree-forgotten'])(
    'at clean-%s: what was not decided is put back, what was decided is finished, no commit and no byte is lost',
    async (point) => {
      const [tree, dirty] = [await world.merged(), await world.merged()];
      writeFileSync(join(dirty.dir, 'unsaved'), 'x');
      const before = picture(tree.dir);
      const kept = picture(dirty.dir);
      const tip = world.git(tree.dir, 'rev-parse', 'HEAD');
      expect(await start(`clean-${point}:kill:${hit()}`).done).toMatchObject({ signal: 'SIGKILL' });
      expect(existsSync(hit())).toBe(true);
      const decided = point === 'worktree-decided' || point === 'worktree-forgotten';
      if (!decided) {
        const names = readdirSync(world.root).filter((name) => name !== dirty.id);
        expect(picture(join(world.root, names[0] ?? ''))).toEqual(before);
      }
      // Once more for what is put back first.
      for (let n = 0; n < 2; n++) expect(await start('').done).toMatchObject({ code: 0, err: '' });
      expect(readdirSync(world.root)).toEqual([dirty.id]);
      expect(picture(dirty.dir)).toEqual(kept);
      expect(world.git(world.repo, 'worktree', 'list')).not.toContain(tree.id);
      expect(
        world.git(world.repo, 'for-each-ref', '--format=%(objectname)', `refs/mc-pickup/cleaned/${tree.id}`),
      ).toContain(tip);
      expect(world.git(world.repo, 'rev-parse', tree.branch)).toBe(tip);
      await world.move(tree.id, 'todo');
      expect(await world.worktree(tree.id)).toEqual(tree);
    },
  );

  it.each(['rows-written', 'rows-gone'])(
    'at clean-%s: each row is on the board or in the file',
    async (point) => {
      const id = await world.ticket();
      const old = Date.now() - 90 * 86_400_000;
      for (let n = 0; n < 1200; n++)
        await world.board.log({
          at_ms: old,
          ticket_id: id,
          run_id: null,
          actor: 'ann',
          kind: 'comment',
          because: null,
          text: `row ${n}`,
        });
      await world.move(id, 'done', old);
      const rows = () => {
        const db = new Database(join(world.state, 'board.sqlite'));
        const all = db
          .prepare<unknown[], { id: number }>("SELECT id FROM activity WHERE text LIKE 'row %'")
          .all();
        db.close();
        return all.map((row) => row.id);
      };
      const before = rows();
      expect(await start(`clean-${point}:kill:${hit()}`, '--only', 'activity').done).toMatchObject({
        signal: 'SIGKILL',
      });
      const backups = join(world.state, 'backups');
      const filed = () =>
        readdirSync(backups).flatMap((name) =>
          gunzipSync(readFileSync(join(backups, name)))
            .toString()
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as { id: number; text: string }),
        );
      const all = new Set([...rows(), ...filed().map((row) => row.id)]);
      expect(before.every((one) => all.has(one))).toBe(true);
      expect(rows().length).toBe(point === 'rows-written' ? 1200 : 700);
      expect(await start('', '--only', 'activity').done).toMatchObject({ code: 0, err: '' });
      expect(rows()).toEqual([]);
      const ids = new Set(filed().map((row) => row.id));
      expect(before.every((one) => ids.has(one))).toBe(true);
      expect(filed().find(({ text }) => text === 'row 7')).toMatchObject({
        table: 'activity',
        ticket_id: id,
        actor: 'ann',
      });
    },
  );

  it.each(['branch-kept', 'branch-gone'])('at clean-%s: the tip has a name', async (point) => {
    const tree = await world.merged();
    const tip = world.git(tree.dir, 'rev-parse', 'HEAD');
    world.git(world.repo, 'worktree', 'remove', tree.dir);
    expect(await start(`clean-${point}:kill:${hit()}`, '--only', 'branches').done).toMatchObject({
      signal: 'SIGKILL',
    });
    expect(world.git(world.repo, 'for-each-ref', '--format=%(objectname)', 'refs/mc-pickup')).toBe(tip);
    expect(await start('', '--only', 'branches').done).toMatchObject({ code: 0 });
    expect(world.git(world.repo, 'for-each-ref', 'refs/heads/mc')).toBe('');
  });
});

describe('whoever comes in while it works', () => {
  const held = async (change: (aside: string) => void) => {
    const running = start(`clean-worktree-aside:stop:${hit()}`);
    await waitFor(() => existsSync(hit()) && state(running.pid) === 'T', 'the clean to stand');
    const aside = readdirSync(world.root).find((name) => name.startsWith('.cleaning-')) ?? '';
    change(join(world.root, aside));
    process.kill(running.pid, 'SIGCONT');
    return running.done;
  };

  it('saves a file through a handle that was open: it is seen, and all is put back', async () => {
    const tree = await world.merged();
    const done = await held((aside) => writeFileSync(join(aside, 'late'), 'late'));
    expect(JSON.parse(done.out)).toMatchObject({
      items: [{ result: 'left', error: expect.stringContaining('not committed') }],
    });
    expect(done.code).toBe(0);
    expect(readFileSync(join(tree.dir, 'late'), 'utf8')).toBe('late');
    expect(world.git(tree.dir, 'status', '--porcelain')).toBe('?? late');
  });

  it('commits and takes it back: what only its log leads to is not lost', async () => {
    const tree = await world.merged();
    const done = await held((aside) => {
      writeFileSync(join(aside, 'late'), 'late');
      world.git(aside, 'add', '-A');
      world.git(aside, '-c', 'user.name=t', '-c', 'user.email=t@t', 'commit', '-qm', 'late');
      world.git(aside, 'reset', '-q', '--hard', 'HEAD~1');
    });
    expect(JSON.parse(done.out)).toMatchObject({ items: [{ result: 'left' }] });
    expect(existsSync(tree.dir)).toBe(true);
  });

  it('makes something new of that name: nothing is overwritten, and what was set aside is named (exit 3)', async () => {
    const tree = await world.merged();
    const done = await held((aside) => {
      writeFileSync(join(aside, 'late'), 'late');
      mkdirSync(tree.dir);
      writeFileSync(join(tree.dir, 'mine'), 'mine');
    });
    expect(done.code).toBe(3);
    const [name = ''] = readdirSync(world.root).filter((one) => one.startsWith('.cleaning-'));
    expect(done.out).toContain(name);
    expect(readFileSync(join(world.root, name, 'late'), 'utf8')).toBe('late');
    expect(readFileSync(join(tree.dir, 'mine'), 'utf8')).toBe('mine');
  });
});
