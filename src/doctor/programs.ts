import { findProgram, lookedIn } from '../machine/programs.ts';
import { run } from '../machine/spawn.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** `tmux 3.2` has the formats and `paste-buffer -r`; `git 2.39` is the oldest that the tests run on (2.36 brought `worktree list -z`). */
const OLDEST = { tmux: [3, 2], git: [2, 39] } as const;
const TIMEOUT_MS = 5000;
/** Directories that only an interactive shell has on its PATH. */
const MANAGERS = /[/.](nvm|fnm|asdf|volta|nodenv|mise|rtx)\//;

/** Node, tmux and git: what every tick needs. */
export async function programs(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const asked = [program('tmux', ['-V'], env), program('git', ['--version'], env)];
  return [node(process.versions.node, process.execPath), ...(await Promise.all(asked))];
}

/** The Node that runs this. One of a version manager is fine, since a scheduler is given its full path. */
export function node(version: string, path: string): Finding {
  const [, manager] = MANAGERS.exec(path) ?? [];
  const of = manager === undefined ? '' : `; it is ${manager}'s: a scheduler has to name this full path`;
  return ok('node', `${version} (${path})${of}`);
}

async function program(
  name: keyof typeof OLDEST,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
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
  const why = tooOld(name, says);
  return why === null ? ok(name, says) : warn(name, says, why);
}

/** What to do about a version that is too old; null where it is not, or has no number (a build of tmux's master is newer than any). */
export function tooOld(name: keyof typeof OLDEST, says: string): string | null {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(says) ?? [];
  const [least, than] = OLDEST[name];
  const enough =
    major === undefined || Number(major) > least || (Number(major) === least && Number(minor) >= than);
  return enough ? null : `${name} ${least}.${than} or newer is needed: update it`;
}
