/*
 * Which version of each client is tested. `MC_AGENTS_VERSIONS` says it: `pinned` for those that the table in docs/agents.md was
 * last judged with, `claude=2.1.330,codex=0.169.0` for certain ones; whatever it leaves open is the newest of the registry.
 */
import { spawnSync } from 'node:child_process';
import type { TestClient } from './client.ts';

const NAME = 'MC_AGENTS_VERSIONS';
const newest = new Map<string, string>();

/** The version of this client that is to be tested. Throws with npm's own reason where nobody tells the newest. */
export function versionOf(
  { kind, pkg, version }: Pick<TestClient, 'kind' | 'pkg' | 'version'>,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const wish = wishOf(kind, env);
  if (wish !== undefined) return wish === 'pinned' ? version : wish;
  const known = newest.get(pkg) ?? askedVersion(pkg);
  newest.set(pkg, known);
  return known;
}

/** What MC_AGENTS_VERSIONS wants of this client; its own word goes before the one for all. */
function wishOf(kind: string, env: NodeJS.ProcessEnv): string | undefined {
  let wish: string | undefined;
  for (const word of (env[NAME] ?? '').split(/[\s,]+/).filter(Boolean)) {
    const [, of, version] = /^([a-z]+)=(pinned|\d+\.\d+\.\d+[\w.+-]*)$/.exec(word) ?? [];
    if (version === undefined && word !== 'pinned')
      throw new Error(`${NAME}: "${word}" is neither "pinned" nor a client's version such as codex=0.169.0`);
    if (of === kind) return version;
    if (word === 'pinned') wish = word;
  }
  return wish;
}

function askedVersion(pkg: string): string {
  const ask = (timeout: number) => spawnSync('npm', ['view', pkg, 'version'], { encoding: 'utf8', timeout });
  const first = ask(30_000);
  // A registry that hangs once answers the next time.
  const done = first.error === undefined ? first : ask(120_000);
  const version = (done.stdout ?? '').trim();
  if (done.status === 0 && /^\d+\.\d+\.\d+[\w.+-]*$/.test(version)) return version;
  throw new Error(
    `npm does not tell the newest version of ${pkg} (${(done.stderr ?? '').trim().slice(-300)})`,
  );
}
