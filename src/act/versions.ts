import { join } from 'node:path';
import type { Adapter } from '../agents/index.ts';
import { readObject, textOf, writeAtomic } from '../machine/files.ts';
import { programStamp } from '../machine/programs.ts';
import { run } from '../machine/spawn.ts';
import type { AgentProfile } from '../model/policy.ts';
import type { Here } from './here.ts';

const TIMEOUT_MS = 20_000;

/** Says what is wrong with the version of a client, and marks its profile not ready; null = nothing, or it can't be told.
 *  A program is asked once: until its file changes, the answer is kept in the state dir. One that was too old is asked again: what a
 *  version manager has on PATH stays the same file when the client is updated. */
export async function tooOld(profile: AgentProfile, adapter: Adapter, hands: Here): Promise<string | null> {
  const stamp = programStamp(profile, hands.env);
  const { fix } = await clientVersion(profile, adapter, hands);
  if (fix === null) return null;
  await hands.board.setReady(
    { name: profile.name, fix, stamp },
    { actor: `tick:${hands.tick_id}`, now_ms: hands.clock() },
  );
  return fix;
}

interface Where extends Pick<Here, 'places' | 'env'> {
  /** Writes nothing: who only looks leaves no trace. */
  readonly traceless?: true;
  readonly timeoutMs?: number;
}

/** The version of a profile's client (null = it can't be told), and what to do if it is too old. */
export async function clientVersion(
  profile: AgentProfile,
  { minVersion, versionArgv }: Adapter,
  at: Where,
): Promise<{ readonly version: string | null; readonly fix: string | null }> {
  if (minVersion === undefined || versionArgv === undefined) return { version: null, fix: null };
  const version = await versionOf(profile, versionArgv, programStamp(profile, at.env), minVersion, at);
  if (version === null || !olderThan(version, minVersion)) return { version, fix: null };
  const [word = profile.kind] = profile.argv;
  return { version, fix: `${word} is version ${version}, and ${minVersion} or newer is needed: update it` };
}

async function versionOf(
  profile: AgentProfile,
  versionArgv: readonly string[],
  stamp: string,
  minVersion: string,
  { places, env, traceless, timeoutMs = TIMEOUT_MS }: Where,
): Promise<string | null> {
  const file = join(places.state, 'clients.json');
  const known = readObject(file) ?? {};
  const kept = textOf(known, stamp);
  if (kept !== null && traceless !== true && !olderThan(kept, minVersion)) return kept;
  const [word = profile.kind, ...rest] = profile.argv;
  // Only a bare program is asked: what else stands in an argv may be a wrapper's own words.
  if (rest.length > 0) return null;
  const answer = await run(word, versionArgv, {
    timeoutMs,
    env: { PATH: env.PATH, HOME: env.HOME, ...profile.env },
  });
  const [version = null] = /\d+\.\d+\.\d+/.exec(`${answer.stdout} ${answer.stderr}`) ?? [];
  if (answer.error !== null || answer.code !== 0 || version === null) return kept;
  if (traceless === true) return version;
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
