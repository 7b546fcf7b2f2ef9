import { rmSync } from 'node:fs';
import { readObject, writeAtomic } from '../machine/files.ts';
import type { Places } from '../machine/paths.ts';
import type { ExitCode } from '../model/errors.ts';
import type { PingSpec } from '../model/policy.ts';
import { post, whyNot } from './http.ts';

/** The calls that go with one tick. */
export interface Ping {
  /** Says how it ended, after the call of its start is over. Never throws. */
  end(outcome: string, code: ExitCode): Promise<void>;
}

/** Says that a tick begins, without waiting for it: a server that does not answer holds nothing up. */
export function beginPing(spec: PingSpec, places: Places): Ping {
  const started = spec.start ? call(spec, 'start', '') : Promise.resolve(null);
  return {
    end: async (outcome, code) => {
      const errors = [await started];
      errors.push(await call(spec, code === 0 ? null : 'fail', `${outcome}, exit ${code}\n`));
      note(places.ping, errors.find((one) => one !== null) ?? null);
    },
  };
}

/** Why it failed; null = it did not. */
async function call(
  { url, timeout_seconds }: PingSpec,
  word: string | null,
  body: string,
): Promise<string | null> {
  try {
    const full = new URL(url);
    if (word !== null) full.pathname = `${full.pathname.replace(/\/+$/, '')}/${word}`;
    const headers = { 'content-type': 'text/plain; charset=utf-8' };
    const status = await post(full.href, body, { headers, timeout_ms: timeout_seconds * 1000 });
    return status >= 200 && status < 300 ? null : `it answered ${status}`;
  } catch (error) {
    return whyNot(error);
  }
}

/** For doctor alone. Most ticks find nothing to write. */
function note(file: string, error: string | null): void {
  try {
    const before = readObject(file);
    if (error === null && before !== null) rmSync(file, { force: true });
    if (error !== null && before?.error !== error)
      writeAtomic(file, `${JSON.stringify({ error, since_ms: before?.since_ms ?? Date.now() })}\n`);
  } catch {
    // Only a note.
  }
}
