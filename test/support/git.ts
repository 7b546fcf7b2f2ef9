import { execFileSync } from 'node:child_process';

/** Somebody who may commit. */
export const WHO = ['-c', 'user.name=t', '-c', 'user.email=t@t'];

/** Runs git in a directory, as somebody who may commit; what it has printed, without the end of its line. Throws what it complains of. */
export function git(cwd: string, ...args: string[]): string {
  return execFileSync('git', [...WHO, ...args], { cwd, encoding: 'utf8', stdio: 'pipe' }).trim();
}
