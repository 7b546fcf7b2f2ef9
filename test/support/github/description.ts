import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PACKAGE = '@octokit/openapi';
const VERSION = '23.0.2';
const FILE = 'api.github.com.json';

/** GitHub's own description of its API, as a file in the cache folder. The package has every version of the Enterprise server
 *  as well, so only this one file of it is kept. Throws with npm's own reason. */
export function githubDescription(env: NodeJS.ProcessEnv = process.env): string {
  const cache = join(env.MC_AGENTS_CACHE ?? join(ROOT, '.clients'), `openapi-${VERSION}`);
  const file = join(cache, FILE);
  if (existsSync(file)) return file;
  mkdirSync(cache, { recursive: true });
  const dir = mkdtempSync(join(cache, 'new-'));
  try {
    run(dir, 'npm', 'pack', '--silent', '--loglevel', 'error', `${PACKAGE}@${VERSION}`);
    run(
      dir,
      'tar',
      'xzf',
      `octokit-openapi-${VERSION}.tgz`,
      '--strip-components=2',
      `package/generated/${FILE}`,
    );
    renameSync(join(dir, FILE), file);
    return file;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function run(cwd: string, program: string, ...args: string[]): void {
  const done = spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 300_000 });
  if (done.status === 0) return;
  throw new Error(`${program}: ${done.error?.message ?? (done.stderr.trim() || `exit ${done.status}`)}`);
}
