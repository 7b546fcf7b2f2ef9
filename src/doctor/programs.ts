import { findProgram, lookedIn } from '../machine/programs.ts';
import { run } from '../machine/spawn.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const OLDEST_TMUX = 3.2;
const TIMEOUT_MS = 5000;
/** Directories that only an interactive shell has on its PATH. */
const MANAGERS = /[/.](nvm|fnm|asdf|volta|nodenv|mise|rtx)\//;

/** Node, tmux and git: what every tick needs. */
export async function programs(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const asked = [program('tmux', ['-V'], env, tmuxIsOld), program('git', ['--version'], env, () => null)];
  return [node(process.versions.node, process.execPath), ...(await Promise.all(asked))];
}

/** The Node that runs this. One of a version manager is fine, since a scheduler is given its full path. */
export function node(version: string, path: string): Finding {
  const [, manager] = MANAGERS.exec(path) ?? [];
  const of = manager === undefined ? '' : `; it is ${manager}'s: a scheduler has to name this full path`;
  return ok('node', `${version} (${path})${of}`);
}

async function program(
  name: string,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  older: (says: string) => string | null,
): Promise<Finding> {
  const file = findProgram(name, env.PATH);
  if (file === null) {
    const how = process.platform === 'darwin' ? 'brew install' : 'apt-get install';
    return fail(name, lookedIn(name, env.PATH), `install it, for example ${how} ${name}`);
  }
  const asked = await run(file, argv, { timeoutMs: TIMEOUT_MS, env });
  if (asked.code !== 0) {
    const why = asked.error ?? (asked.stderr.trim() || `exit ${asked.code ?? asked.signal}`);
    return fail(name, `${file} ${argv.join(' ')} failed: ${why}`, 'run it yourself to see why');
  }
  const says = `${asked.stdout.trim()} (${file})`;
  const why = older(says);
  return why === null ? ok(name, says) : warn(name, says, why);
}

function tmuxIsOld(says: string): string | null {
  // A build from its master branch has no number, and is newer than any.
  if (/tmux (master|next|openbsd)/.test(says)) return null;
  const version = Number(/\d+\.\d+/.exec(says)?.[0] ?? Number.NaN);
  return version >= OLDEST_TMUX ? null : `tmux ${OLDEST_TMUX} or newer is needed: update it`;
}
