/*
 * `node test/bench/pool.ts [seconds]`: how long a launch waits for its worktree, with a slot and without, in a repository of
 * 2000 files whose `after_create` takes that many seconds (3). Medians of 5.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startedWith } from '../../src/machine/proc.ts';
import { lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { fillSlot, hookDone, hookPending, prepareWorkspace, runHook } from '../../src/workspace/index.ts';
import { aProject } from '../support/builders.ts';

const seconds = Number(process.argv[2] ?? 3);
const dir = realpathSync(mkdtempSync(join(tmpdir(), 'mc-pool-bench-')));
const processes = { me: lookAtSelf('h'), lookAt, startedWith, notes: join(dir, 'hooks') };
const repo = join(dir, 'repo');
const root = join(dir, 'worktrees', 'p');
const git = (...args: string[]) =>
  execFileSync('git', ['-C', repo, '-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
    stdio: 'ignore',
  });
const spec = { argv: ['sh', '-c', `sleep ${seconds}; mkdir node_modules`], timeout_seconds: 60 };
const logFile = join(dir, 'hook.log');
const project = (pool: number) => aProject({ name: 'p', repo, pool, after_create: spec });

async function prepared(id: string, pool: number): Promise<number> {
  const start = performance.now();
  const ticket = { id, title: 'Do it', created_at_ms: 1 };
  const made = await prepareWorkspace({ project: project(pool), ticket, root });
  if (!made.ok) throw new Error(made.error);
  if (hookPending(made.worktree)) {
    await runHook({ spec, worktree: made.worktree, logFile, env: process.env, processes });
    hookDone(made.worktree);
  }
  return performance.now() - start;
}

try {
  mkdirSync(repo);
  git('init', '-q', '-b', 'main');
  writeFileSync(join(repo, '.gitignore'), 'node_modules\n');
  for (let n = 0; n < 2000; n++) writeFileSync(join(repo, `file-${n}.txt`), `line ${n}\n`.repeat(50));
  git('add', '-A');
  git('commit', '-qm', 'base');
  const times: { [way: string]: number[] } = { without: [], with: [] };
  for (let n = 0; n < 5; n++) {
    times.without?.push(await prepared(`MC-${2 * n + 1}`, 0));
    await fillSlot({
      project: project(1),
      root,
      env: process.env,
      logFile: () => logFile,
      processes,
      placed: dir,
    });
    times.with?.push(await prepared(`MC-${2 * n + 2}`, 1));
  }
  for (const [way, all] of Object.entries(times))
    process.stdout.write(`${way} a slot: ${Math.round(all.sort((a, b) => a - b)[2] ?? 0)} ms\n`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
