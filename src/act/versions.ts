import { join } from 'node:path';
import type { AgentProfile } from '../model/policy.ts';
import type { Adapter } from '../runtime/agents/index.ts';
import { readObject, textOf, writeAtomic } from '../runtime/files.ts';
import { programStamp } from '../runtime/programs.ts';
import { run } from '../runtime/spawn.ts';
import type { Hands } from './index.ts';

const TIMEOUT_MS = 20_000;

/** Says what is wrong with the version of a client, and marks its profile not ready; null = nothing, or it can't be told.
 *  A program is asked once: until its file changes, the answer is kept in the state dir. */
export async function tooOld(profile: AgentProfile, adapter: Adapter, hands: Hands): Promise<string | null> {
  const { minVersion, versionArgv } = adapter;
  if (minVersion === undefined || versionArgv === undefined) return null;
  const stamp = programStamp(profile, hands.env);
  const version = await versionOf(profile, versionArgv, stamp, hands);
  if (version === null || !olderThan(version, minVersion)) return null;
  const [word = profile.kind] = profile.argv;
  const fix = `${word} is version ${version}, and ${minVersion} or newer is needed: update it`;
  await hands.board.setReady(profile.name, fix, stamp, `tick:${hands.tick_id}`, hands.clock());
  return fix;
}

async function versionOf(
  profile: AgentProfile,
  versionArgv: readonly string[],
  stamp: string,
  { places, env }: Hands,
): Promise<string | null> {
  const file = join(places.state, 'clients.json');
  const known = readObject(file) ?? {};
  const kept = textOf(known, stamp);
  if (kept !== null) return kept;
  const [word = profile.kind, ...rest] = profile.argv;
  // Only a bare program is asked: what else stands in an argv may be a wrapper's own words.
  if (rest.length > 0) return null;
  const answer = await run(word, versionArgv, {
    timeoutMs: TIMEOUT_MS,
    env: { PATH: env.PATH, HOME: env.HOME, ...profile.env },
  });
  const [version = null] = /\d+\.\d+\.\d+/.exec(`${answer.stdout} ${answer.stderr}`) ?? [];
  if (answer.error !== null || answer.code !== 0 || version === null) return null;
  try {
    writeAtomic(file, `${JSON.stringify({ ...known, [stamp]: version }, null, 2)}\n`);
  } catch {
    // It is asked again the next time.
  }
  return version;
}

/** Compares `1.2.3` number by number. */
export function olderThan(version: string, least: string): boolean {
  const [a, b] = [version, least].map((text) => text.split('.').map(Number)) as [number[], number[]];
  for (let i = 0; i < 3; i++) if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) < (b[i] ?? 0);
  return false;
}
