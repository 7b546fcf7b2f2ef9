import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const PACKAGE = '@octokit/openapi';
const VERSION = '23.0.2';

/** GitHub's own description of its REST interface, brought by npm once and kept; of the package only that one file stays.
 *  Throws with npm's reason where it can't be had. */
export function gitHubDescription(env: NodeJS.ProcessEnv = process.env): string {
  const cache = join(env.MC_AGENTS_CACHE ?? join(ROOT, '.clients'), `openapi-${VERSION}`);
  const file = join(cache, 'api.github.com.json');
  if (existsSync(file)) return file;
  const scratch = join(cache, `install-${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  try {
    const quiet = ['--no-fund', '--no-audit', '--loglevel', 'error', '--ignore-scripts'];
    const words = ['install', '--prefix', scratch, ...quiet, '--no-save', `${PACKAGE}@${VERSION}`];
    const done = spawnSync('npm', words, { encoding: 'utf8', timeout: 300_000 });
    if (done.status !== 0)
      throw new Error(done.stderr.trim().split('\n')[0] || `npm ended with ${done.status}`);
    renameSync(join(scratch, 'node_modules', PACKAGE, 'generated', 'api.github.com.json'), file);
    return file;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

type Node = Record<string, unknown>;

/** The description of some paths alone, with what they refer to, written to a file: the whole has 13 MB. */
export function cutDescription(from: string, paths: readonly string[], to: string): void {
  const whole = JSON.parse(readFileSync(from, 'utf8')) as { readonly paths: Node; readonly components: Node };
  const components: Record<string, Node> = {};
  const keep = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      if (key !== '$ref' || typeof value !== 'string') keep(value);
      else {
        const [, , kind = '', name = ''] = value.split('/');
        const group = components[kind] ?? {};
        components[kind] = group;
        if (group[name] !== undefined) continue;
        group[name] = (whole.components[kind] as Node)[name];
        keep(group[name]);
      }
    }
  };
  const some = Object.fromEntries(paths.map((path) => [path, whole.paths[path]]));
  keep(some);
  writeFileSync(to, JSON.stringify({ ...whole, webhooks: {}, 'x-webhooks': {}, paths: some, components }));
}
