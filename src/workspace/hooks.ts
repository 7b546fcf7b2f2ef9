import { randomBytes } from 'node:crypto';
import { closeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { failpoint } from '../machine/failpoint.ts';
import { inMadeDir, isPlainFile, type OpenFile, openLog } from '../machine/foreign.ts';
import { endOf } from '../machine/spawn.ts';
import { asUser } from '../machine/umask.ts';
import { HOOK_MARK } from '../model/environment.ts';
import { messageOf } from '../model/errors.ts';
import type { HookSpec } from '../model/policy.ts';
import { gated, letThrough } from './gate.ts';
import { forgetHook, noteHook, type Processes } from './hook-left.ts';
import { FRESH_ABOVE_BYTES, HookLog } from './hook-log.ts';
import { ownGitDir } from './own.ts';
import { writeNote } from './rights.ts';

/** What a shell means by them: the one that becomes the hook, or one inside it. */
const EXITS: ReadonlyMap<number, string> = new Map([
  [126, ' (a program may not be executed)'],
  [127, ' (a program was not found)'],
]);
/** Its presence in a worktree's own git dir says that `after_create` ran to its end. */
export const MARKER = 'mc-pickup-after-create-done';

/** Runs a hook by its argv, without a shell. Its output goes to a private log, the beginning and the end of it, up to 1 MiB; when the time is up its
 *  whole process group is killed. Never throws. */
export async function runHook(hook: {
  readonly spec: HookSpec;
  readonly worktree: string;
  /** Where in it the hook starts, if not at its top. */
  readonly start?: string;
  readonly logFile: string;
  readonly env: NodeJS.ProcessEnv;
  readonly processes: Processes;
}): Promise<{ ok: boolean; error: string | null }> {
  const { spec, worktree, start = worktree, logFile, env, processes } = hook;
  const [file = '', ...args] = spec.argv;
  if (ownGitDir(worktree) === null)
    return { ok: false, error: `git can't tell its git dir of ${worktree}, so it was not started` };
  let log: OpenFile;
  try {
    const folder = dirname(logFile);
    inMadeDir(dirname(folder), basename(folder), () => null);
    log = openLog(logFile, FRESH_ABOVE_BYTES);
  } catch (error) {
    return { ok: false, error: `can't write ${logFile}: ${String(error)}` };
  }
  const timeout_ms = spec.timeout_seconds * 1000;
  const nonce = randomBytes(16).toString('hex');
  try {
    return await runLogged(file, args, {
      ...{ cwd: start, env: { ...env, [HOOK_MARK]: nonce }, log, timeout_ms },
      started: (pid) => {
        failpoint('prepare-hook-waits');
        noteHook(processes, { pid, worktree, nonce, until_ms: Date.now() + timeout_ms });
        failpoint('prepare-hook-known');
      },
    });
  } catch (error) {
    return { ok: false, error: messageOf(error) };
  } finally {
    closeSync(log.fd);
    forgetHook(processes, worktree);
  }
}

async function runLogged(
  file: string,
  args: readonly string[],
  o: {
    readonly cwd: string;
    readonly env: NodeJS.ProcessEnv;
    readonly log: OpenFile;
    readonly timeout_ms: number;
    readonly started: (pid: number) => void;
  },
): Promise<{ ok: boolean; error: string | null }> {
  const { execa } = await import('execa'); // only where there is a hook: to load it takes as long as git's whole part
  const [shell, words] = gated(file, args);
  const child = asUser(() =>
    execa(shell, [...words], {
      cwd: o.cwd,
      env: o.env,
      extendEnv: false,
      stdin: 'pipe',
      all: true,
      buffer: false,
      reject: false,
      detached: true,
    }),
  );
  letThrough(child, o.started);
  const log = new HookLog(o.log);
  let open = true;
  child.all.on('data', (part: Buffer) => {
    if (open) log.add(part);
  });
  if (child.pid === undefined) return { ok: false, error: (await child).shortMessage ?? 'failed to start' };
  const { code, signal, error } = await endOf(child.nodeChildProcess, o.timeout_ms);
  open = false; // whoever still prints
  child.all.destroy();
  log.close();
  if (error === 'timeout') return { ok: false, error: `no end within ${o.timeout_ms / 1000} s, killed` };
  if (code === 0) return { ok: true, error: null };
  if (code !== null) return { ok: false, error: `exit code ${code}${EXITS.get(code) ?? ''}` };
  return { ok: false, error: error ?? `killed by ${signal}` };
}

/** Whether `after_create` has never run to its end in this worktree. */
export function hookPending(worktree: string): boolean {
  const marker = markerOf(worktree);
  return marker === null || !isPlainFile(marker);
}

/** Notes that `after_create` ran to its end. */
export function hookDone(worktree: string): void {
  const marker = markerOf(worktree);
  if (marker !== null) writeNote(marker, '');
}

/** In the worktree's own git dir: it is never committed, and it goes when the worktree goes. */
function markerOf(worktree: string): string | null {
  const own = ownGitDir(worktree);
  return own === null ? null : join(own, MARKER);
}
