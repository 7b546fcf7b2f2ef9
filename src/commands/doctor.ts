import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync } from 'node:fs';
import { clientVersion } from '../act/versions.ts';
import type { Board } from '../board/port.ts';
import { loadPolicy } from '../config/load.ts';
import { readSwitches } from '../killswitch.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import type { AgentProfile, Policy } from '../model/policy.ts';
import type { AccountView } from '../model/world.ts';
import { adapterOf } from '../runtime/agents/index.ts';
import { hostId } from '../runtime/identity.ts';
import { findProgram } from '../runtime/programs.ts';
import { oneLine } from '../text.ts';
import { type Context, serverOf, withReader } from './context.ts';
import { clientsTrust } from './init.ts';
import { age } from './status.ts';

/** One thing that was looked at. `warn` keeps nothing from working; `fail` does. */
interface Finding {
  readonly check: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly says: string;
  readonly fix: string | null;
}

const OLDEST_TMUX = 3.2;

/** Looks at everything that a tick and its agents need, and says for each what is wrong and what to do. Exit 78 where
 *  something has to be mended before agents can be launched. */
export async function doctor(context: Context): Promise<ExitCode> {
  const { places, env, out } = context;
  const { policy, exists } = loadPolicy(places.config, env);
  const found: Finding[] = [
    ok('node', `${process.versions.node} (${process.execPath})`),
    program('tmux', ['-V'], 'apt-get install tmux', env, tmuxIsOld),
    program('git', ['--version'], 'apt-get install git', env),
    stateDir(places.state),
    ...configuration(policy, exists, places.config),
    ...(await boardFindings(context, policy)),
    ...projects(policy, env),
  ];
  if (context.json) out.json(found);
  else
    for (const { check, result, says, fix } of found) {
      const mark = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' }[result];
      out.line(`${mark} ${check.padEnd(16)} ${oneLine(says, 300)}`);
      if (fix !== null) out.line(`     -> ${oneLine(fix, 300)}`);
    }
  return found.some(({ result }) => result === 'fail') ? EXIT.config : EXIT.ok;
}

function ok(check: string, says: string): Finding {
  return { check, result: 'ok', says, fix: null };
}

function program(
  name: string,
  argv: readonly string[],
  install: string,
  env: NodeJS.ProcessEnv,
  older: (says: string) => string | null = () => null,
): Finding {
  const file = findProgram(name, env.PATH);
  if (file === null)
    return { check: name, result: 'fail', says: 'not on PATH', fix: `install it, for example ${install}` };
  const asked = spawnSync(file, [...argv], { encoding: 'utf8', timeout: 10_000 });
  if (asked.status !== 0)
    return {
      ...{
        check: name,
        result: 'fail',
        says: `${file} ${argv.join(' ')} failed: ${asked.stderr || asked.error}`,
      },
      fix: `run it yourself to see why`,
    };
  const says = `${asked.stdout.trim()} (${file})`;
  const why = older(says);
  return why === null ? ok(name, says) : { check: name, result: 'warn', says, fix: why };
}

function tmuxIsOld(says: string): string | null {
  const version = Number(/\d+\.\d+/.exec(says)?.[0] ?? Number.NaN);
  return version >= OLDEST_TMUX ? null : `tmux ${OLDEST_TMUX} or newer is needed: update it`;
}

function stateDir(dir: string): Finding {
  const check = 'state dir';
  try {
    const open = (lstatSync(dir).mode & 0o077) !== 0;
    return open
      ? { check, result: 'fail', says: `${dir} is open to other users`, fix: `chmod 700 ${dir}` }
      : ok(check, dir);
  } catch {
    return { check, result: 'warn', says: `${dir} is not there yet`, fix: 'mc-pickup init' };
  }
}

function configuration({ broken, agents, projects }: Policy, exists: boolean, file: string): Finding[] {
  const check = 'configuration';
  if (broken.length > 0)
    return broken.map(
      (says) => ({ check, result: 'fail', says, fix: exists ? `edit ${file}` : 'mc-pickup init' }) as const,
    );
  if (agents.size === 0 || projects.size === 0)
    return [
      {
        ...{
          check,
          result: 'fail',
          says: `${file} has ${agents.size === 0 ? 'no agent profile' : 'no project'}`,
        },
        fix: 'mc-pickup init --project in a repository; profiles are described in README.md',
      },
    ];
  return [ok(check, file)];
}

async function boardFindings(context: Context, policy: Policy): Promise<Finding[]> {
  const now = Date.now();
  try {
    return await withReader(context, async (board) => {
      const accounts = new Map((await board.accounts()).map((one) => [one.name, one]));
      const clients = [...policy.agents.values()].map((one) =>
        client(one, accounts.get(one.name) ?? null, context, now),
      );
      return [
        await checked(context),
        ...(await Promise.all(clients)),
        ...switches(context, now),
        await ticks(board, policy, context, now),
      ];
    });
  } catch (error) {
    const says = error instanceof Error ? error.message : String(error);
    return [{ check: 'board', result: 'fail', says, fix: 'the line above says what to do' }];
  }
}

/** A difference of the clocks that moves back-offs and limits by more than a tick. Nothing else depends on it. */
const CLOCKS_MS = 60_000;

async function checked(context: Context): Promise<Finding> {
  const server = await serverOf(context);
  if (server === null) return checkedFile(context.places.board);
  const check = 'board';
  const { meetServer } = await import('../board/http/board.ts');
  const { contract, ahead_ms } = await meetServer(server, Date.now);
  const says = `${server.url}, contract ${contract}${server.token === null ? ', without a token' : ''}`;
  if (Math.abs(ahead_ms) < CLOCKS_MS) return ok(check, says);
  const clock = `${says}; its clock is ${age(Math.abs(ahead_ms))} ${ahead_ms > 0 ? 'ahead' : 'behind'}`;
  return {
    check,
    result: 'warn',
    says: clock,
    fix: 'set both clocks by NTP: back-offs and limits are told in time',
  };
}

/** Every page of the board is read: what a tick never touches may be damaged too. */
async function checkedFile(path: string): Promise<Finding> {
  const check = 'board';
  if (!existsSync(path))
    return { check, result: 'warn', says: `${path} is not there yet`, fix: 'mc-pickup init' };
  const { quickCheck } = await import('../board/sqlite/index.ts');
  const found = quickCheck(path);
  if (found === null) return ok(check, path);
  return {
    check,
    result: 'fail',
    says: `${path} is damaged: ${found}`,
    fix: 'mc-pickup restore FILE, a backup',
  };
}

async function client(
  profile: AgentProfile,
  account: AccountView | null,
  { places, env }: Context,
  now: number,
): Promise<Finding> {
  const check = `agent ${profile.name}`;
  const [word = profile.kind] = profile.argv;
  const file = findProgram(word, profile.env.PATH ?? env.PATH);
  if (file === null)
    return {
      ...{ check, result: 'fail', says: `the program "${word}" was not found` },
      fix: 'install it, or name its full path in argv (a scheduler has a short PATH)',
    };
  const { version, fix } = await clientVersion(profile, adapterOf(profile.kind), { places, env });
  const says = `${profile.kind}${version === null ? '' : ` ${version}`} (${file})`;
  if (fix !== null) return { check, result: 'fail', says, fix };
  if (account !== null && account.not_ready !== null)
    return {
      ...{ check, result: 'fail', says: `not ready: ${account.not_ready}` },
      fix: `then: mc-pickup agents ready ${profile.name}`,
    };
  const until = account?.not_before_at_ms ?? 0;
  if (until > now) {
    const at = new Date(until).toISOString();
    return {
      check,
      result: 'warn',
      says: `${says}, limited until ${at}`,
      fix: 'nothing to do: it is launched again then',
    };
  }
  return ok(check, says);
}

function switches({ places, env }: Context, now: number): Finding[] {
  return readSwitches(places, env, now).map(({ level, scope, reason }) => ({
    ...{
      check: 'killswitch',
      result: 'warn' as const,
      says: `on: level ${level}, scope ${scope}: ${reason}`,
    },
    fix: 'mc-pickup killswitch off',
  }));
}

async function ticks(board: Board, { limits }: Policy, { places }: Context, now: number): Promise<Finding> {
  const check = 'ticks';
  const last = await board.lastTick(hostId(places.state) ?? '');
  const fix = 'install the lines of crontab.example, and look at the log that they name';
  if (last === null) return { check, result: 'warn', says: 'no tick has ever run here', fix };
  const since = now - last.finished_at_ms;
  const says = `the last one ${age(since)} ago: ${last.outcome}`;
  return since > 3 * limits.interval_seconds * 1000 ? { check, result: 'warn', says, fix } : ok(check, says);
}

function projects(policy: Policy, env: NodeJS.ProcessEnv): Finding[] {
  return [...policy.projects.values()].flatMap(({ name, repo, base }): Finding[] => {
    const check = `project ${name}`;
    const git = spawnSync('git', ['-C', repo, 'rev-parse', '--verify', '--quiet', `${base}^{commit}`], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    if (git.status !== 0)
      return [
        {
          ...{
            check,
            result: 'fail',
            says: `${repo} is no git repository with a branch "${base}" that has a commit`,
          },
          fix: 'correct repo or base in the configuration',
        },
      ];
    const untrusted = clientsTrust(policy, repo, env).filter(({ state }) => state !== 'trusted');
    return [
      ok(check, `${repo}, from ${base}`),
      ...untrusted.map(({ kind, file }) => ({
        ...{ check, result: 'warn' as const, says: `${kind} has no trust in ${repo} on record (${file})` },
        fix: `mc-pickup init --project --trust in ${repo}, or start ${kind} there once`,
      })),
    ];
  });
}
