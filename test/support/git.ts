import { execFileSync } from 'node:child_process';

/** Somebody who may commit, and whose git (2.55) leaves nothing at work behind it. */
export const WHO = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'maintenance.auto=false'];

/** Why what needs refs in tables is skipped, where it is: for the name of a test. */
export const NEEDS_REFTABLE = 'needs git 2.45 or newer on PATH: reftable';

/** Whether this git can make a repository whose refs are no files. */
export const knowsReftable = ((): boolean => {
  const [, major = 0, minor = 0] =
    /(\d+)\.(\d+)/.exec(execFileSync('git', ['--version'], { encoding: 'utf8' })) ?? [];
  return Number(major) > 2 || Number(minor) >= 45;
})();

/** Does something while new repositories are of this format; an older git knows files alone, and does not look. */
export function inFormat<T>(format: 'files' | 'reftable', make: () => T): T {
  const before = process.env.GIT_DEFAULT_REF_FORMAT;
  process.env.GIT_DEFAULT_REF_FORMAT = format;
  try {
    return make();
  } finally {
    if (before === undefined) delete process.env.GIT_DEFAULT_REF_FORMAT;
    else process.env.GIT_DEFAULT_REF_FORMAT = before;
  }
}

/** Runs git in a directory, as somebody who may commit; what it has printed, without the end of its line. Throws what it complains of. */
export function git(cwd: string, ...args: string[]): string {
  return execFileSync('git', [...WHO, ...args], { cwd, encoding: 'utf8', stdio: 'pipe' }).trim();
}
