import { run } from '../../machine/spawn.ts';
import { asUser } from '../../machine/umask.ts';
import type { HookSpec } from '../../model/policy.ts';
import { type Forge, ForgeError, type PullRequest, type Wanted, webAddress } from './forge.ts';

/** More is no answer. */
const MAX_CHARS = 64 * 1024;

/**
 * A program of the user's in the place of a forge. It is started without a shell, with `MC_FORGE_ACTION` set to `status` or
 * `create`; it reads one JSON object on its standard input and prints one, or nothing where there is no pull request.
 */
export function commandForge(o: {
  readonly spec: HookSpec;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}): Forge {
  const call = async (action: 'create' | 'status', wanted: Wanted, known: PullRequest | null) => {
    const input = { action, ...wanted, number: known?.number ?? null, url: known?.url ?? null };
    const [file = '', ...args] = o.spec.argv;
    // What it leaves running (a daemon of ssh, a helper for passwords) holds nobody: its own end is the end.
    const done = await asUser(() =>
      run(file, args, {
        cwd: o.cwd,
        env: { ...o.env, MC_FORGE_ACTION: action },
        input: `${JSON.stringify(input)}\n`,
        timeoutMs: o.spec.timeout_seconds * 1000,
      }),
    );
    if (done.error === 'timeout')
      throw new ForgeError(`${file}: no end within ${o.spec.timeout_seconds} s, killed`);
    if (done.error !== null) throw new ForgeError(`${file} ${action}: ${done.error}`);
    if (done.code !== 0) {
      const said = done.stderr.trim().split('\n').at(-1) ?? '';
      throw new ForgeError(`${file} ${action}: exit ${done.code ?? done.signal ?? 'none'}: ${said}`);
    }
    if (done.stdout.length > MAX_CHARS)
      throw new ForgeError(`${file} ${action}: it printed more than 64 KiB`);
    return answerOf(done.stdout, file);
  };
  return {
    find: async (wanted) => {
      const found = await call('status', wanted, null);
      return found === null ? [] : [found];
    },
    open: async (wanted) => {
      const made = await call('create', wanted, null);
      if (made === null) throw new ForgeError(`${o.spec.argv[0]} create: it printed no JSON with a url`);
      return made;
    },
    look: async (known, wanted) => (await call('status', wanted, known)) ?? known,
  };
}

function answerOf(text: string, file: string): PullRequest | null {
  if (text.trim() === '' || text.trim() === 'null') return null;
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw new ForgeError(`${file} printed no JSON`);
  }
  const { url, number, state = 'open', head } = (given ?? {}) as Readonly<Record<string, unknown>>;
  const address = webAddress(url);
  if (address === null) throw new ForgeError(`${file}: "url" must be an http or https address`);
  if (state !== 'open' && state !== 'merged' && state !== 'closed')
    throw new ForgeError(`${file}: "state" must be open, merged or closed`);
  return {
    ...{ url: address, state },
    number: typeof number === 'number' && Number.isSafeInteger(number) ? number : null,
    head: typeof head === 'string' ? head : null,
  };
}
