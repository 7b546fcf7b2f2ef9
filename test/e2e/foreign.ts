/** What an agent may turn any file of its run or its git dir into, and ticks and commands that then have to come to their end. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Rig } from '../support/rig.ts';

/** Every command that looks at runs; each must come to its end. */
export function lookAtAll(rig: Rig, id: string): void {
  for (const args of [
    ['dispatch', '--dry-run'],
    ['dispatch'],
    ['reconcile'],
    ['status'],
    ['explain', id],
    ['transcript', id],
    ['diff', id],
    ['clean'],
    ['doctor'],
    ['page', '--out', join(rig.box.dir, 'page.html')],
  ]) {
    const { code, err } = rig.box.run(args);
    expect(code, `${args.join(' ')} did not end: ${err}`).not.toBeNull();
    expect([1, 2], `${args.join(' ')}: ${err}`).not.toContain(code);
  }
}

interface Held {
  readonly id: string;
  readonly run: string;
  readonly own: string;
  readonly worktree: string;
  readonly gitDir: string;
}

/** A ticket whose agent holds, and its two directories. */
export async function holding(rig: Rig): Promise<Held> {
  const [id = ''] = await rig.held(1);
  const { mark, worktree } = rig.run(id);
  const gitDir = execFileSync('git', ['-C', worktree, 'rev-parse', '--absolute-git-dir'], {
    encoding: 'utf8',
  });
  const { state } = rig.box;
  return {
    id,
    run: join(state, 'runs', mark),
    own: join(state, 'own', mark),
    worktree,
    gitDir: gitDir.trim(),
  };
}

/** The agent of another ticket is launched, and works to its end: nothing stands in the way of the tick. */
export async function othersGoOn(rig: Rig): Promise<void> {
  const other = rig.add('review');
  expect(rig.tick().code).toBe(0);
  await rig.settle(other, 'in_review');
}

export type Kind = (path: string) => void;

export const KINDS: readonly (readonly [string, Kind])[] = [
  ['a pipe that nobody writes to', (path) => void execFileSync('mkfifo', [path])],
  ['a link to a device that never ends', (path) => symlinkSync('/dev/zero', path)],
  ['a device that never ends', (path) => void spawnSync('mknod', [path, 'c', '1', '5'])],
  [
    'a file of 10 GB',
    (path) => {
      const fd = openSync(path, 'wx');
      ftruncateSync(fd, 10 * 1024 ** 3);
      closeSync(fd);
    },
  ],
  ['a directory', (path) => mkdirSync(path)],
  ['a link to nothing', (path) => symlinkSync('/nowhere/at/all', path)],
];

function replaceBy(kind: Kind, path: string): void {
  if (!existsSync(join(path, '..'))) return;
  rmSync(path, { recursive: true, force: true });
  kind(path);
}

const IN_RUN = [
  ...[
    'prompt.md',
    'events',
    'events/busy.1',
    'screen.txt',
    'output.log',
    'run.json',
    'registered.json',
    'asked',
    'launch',
  ],
  ...[
    'after_create.log',
    'before_run.log',
    'opencode-password',
    'opencode-usage.json',
    'opencode-server.json',
  ],
];
const IN_GIT_DIR = [
  ...['HEAD', 'index', 'commondir', 'gitdir', 'ORIG_HEAD', 'logs/HEAD', 'locked', 'config.worktree'],
  ...[
    'mc-pickup-ready',
    'mc-pickup-start',
    'mc-pickup-after-create-done',
    'mc-pickup-hook.json',
    'mc-pickup-slot',
  ],
];

/** In place of any file of a run: the n-th is turned into what `kind` says. */
export async function replacesFilesOfRun(rig: Rig, kind: (n: number) => Kind): Promise<void> {
  const { id, run, own } = await holding(rig);
  for (const [n, name] of IN_RUN.entries()) {
    // Not the directory of its events with what is in it.
    if (name !== 'events') replaceBy(kind(n), join(run, name));
  }
  lookAtAll(rig, id);
  for (const [n, name] of IN_RUN.entries()) if (!name.includes('events')) replaceBy(kind(n), join(own, name));
  replaceBy(kind(0), join(run, 'events'));
  lookAtAll(rig, id);
  expect(rig.agents(id)).toHaveLength(1);
  await othersGoOn(rig);
}

/** In place of any file of a git dir, before and after its agent has died. */
export async function replacesFilesOfGitDir(rig: Rig, kind: (n: number) => Kind): Promise<void> {
  const { id, run, gitDir, worktree } = await holding(rig);
  // Idle: a tick looks whether there is a commit.
  writeFileSync(join(run, 'events', 'idle.1'), '{}');
  for (const [n, name] of IN_GIT_DIR.entries()) replaceBy(kind(n), join(gitDir, name));
  rig.tick();
  await rig.kill(rig.run(id).pid);
  rig.tick();
  await rig.due(id);
  rig.tick();
  replaceBy(kind(0), join(worktree, '.git'));
  rig.tick();
  lookAtAll(rig, id);
  await othersGoOn(rig);
}
