import { execFileSync } from 'node:child_process';

/** Somebody who may commit, and whose git (2.55) leaves nothing at work behind it. */
export const WHO = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'maintenance.auto=false'];

/** Runs git in a directory, as somebody who may commit; what it has printed, without the end of its line. Throws what it complains of. */
export function git(cwd: string, ...args: string[]): string {
  return execFileSync('git', [...WHO, ...args], { cwd, encoding: 'utf8', stdio: 'pipe' }).trim();
}
