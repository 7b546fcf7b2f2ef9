import { closeSync, openSync, readSync } from 'node:fs';
import { clientVersion } from '../act/versions.ts';
import { adapterOf } from '../agents/index.ts';
import { loginNames, loginOf } from '../agents/login.ts';
import type { Context } from '../context.ts';
import { findProgram, lookedIn } from '../machine/programs.ts';
import { run } from '../machine/spawn.ts';
import type { AgentProfile, Policy } from '../model/policy.ts';
import type { AccountView } from '../model/world.ts';
import { agentEnvironment } from '../runs/environment.ts';
import { about, type Finding, looked, ok, warn } from './finding.ts';

const TIMEOUT_MS = 5000;

/** Every profile: its program and version, whether it is ready, its login, and the variables that it is to be handed. */
export async function agentFindings(
  context: Context,
  policy: Policy,
  accounts: ReadonlyMap<string, AccountView>,
  now_ms: number,
): Promise<Finding[]> {
  const each = [...policy.agents.values()].map((profile) =>
    looked(`agent ${profile.name}`, async () => [
      await client(profile, accounts.get(profile.name) ?? null, context, now_ms),
      ...(await login(profile, context)),
      ...handedOn(profile, context.env),
    ]),
  );
  return (await Promise.all(each)).flat();
}

async function client(
  profile: AgentProfile,
  account: AccountView | null,
  { places, env }: Context,
  now_ms: number,
): Promise<Finding> {
  const { ok, warn, fail } = about(`agent ${profile.name}`);
  const [word = profile.kind] = profile.argv;
  const path = profile.env.PATH ?? env.PATH;
  const of = profile.env.PATH === undefined ? 'PATH' : `agent.${profile.name}.env.PATH`;
  const file = findProgram(word, path);
  if (file === null)
    return fail(
      `the program "${word}" was not found (${lookedIn(word, path, of)})`,
      'install it, or name its full path in argv (a scheduler has a short PATH)',
    );
  const needs = interpreter(file);
  if (needs !== null && findProgram(needs, path) === null)
    return fail(
      `${file} is run by "${needs}", which was not found (${lookedIn(needs, path, of)})`,
      `give the profile a PATH that has it: env = { PATH = "..." } in [agent.${profile.name}]`,
    );
  const adapter = adapterOf(profile.kind);
  const at = { places, env, traceless: true, timeoutMs: TIMEOUT_MS } as const;
  const { version, fix } = await clientVersion(profile, adapter, at);
  const says = `${profile.kind}${version === null ? '' : ` ${version}`} (${file})`;
  if (fix !== null) return fail(says, fix);
  if (account !== null && account.not_ready !== null)
    return fail(`not ready: ${account.not_ready}`, `then: mc-pickup agents ready ${profile.name}`);
  const until = account?.not_before_at_ms ?? 0;
  if (until > now_ms)
    return warn(
      `${says}, limited until ${new Date(until).toISOString()}`,
      'nothing to do: it is launched again then',
    );
  // Only a bare program is asked: see clientVersion.
  if (version === null && adapter.versionArgv !== undefined && profile.argv.length <= 1)
    return warn(`${says} does not tell its version`, `run ${file} ${adapter.versionArgv.join(' ')} yourself`);
  return ok(says);
}

/** The program that `#!/usr/bin/env NAME` looks for on PATH; null = none. */
function interpreter(file: string): string | null {
  let fd: number | null = null;
  try {
    fd = openSync(file, 'r');
    const start = Buffer.alloc(256);
    const [line = ''] = start.toString('latin1', 0, readSync(fd, start, 0, 256, 0)).split('\n');
    return /^#!\s*\S*\/env\s+(?:-S\s+)?(?:\w+=\S*\s+)*([\w.+-]+)/.exec(line)?.[1] ?? null;
  } catch {
    return null;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

async function login(profile: AgentProfile, { places, env }: Context): Promise<Finding[]> {
  const { ok, warn } = about(`login ${profile.name}`);
  const given = agentEnvironment(profile, places, { run: 'doctor', ticket: 'doctor' }, env);
  const found = loginOf(profile.kind, given);
  if (found === null) return [];
  if (found.found && found.open)
    return [warn(`${found.where} may be read by other users`, `chmod 600 ${found.where}`)];
  if (found.found) return [ok(`on record: ${found.where}`)];
  if (profile.kind === 'claude' && (await inKeychain()))
    return [ok("on record: the login keychain (a cron job can't unlock it, a launchd agent of yours can)")];
  const kept = loginNames(profile.kind).find((name) => Boolean(env[name]));
  const says = `none on record (looked for ${found.looked.join(', ')})`;
  if (kept === undefined) return [warn(says, found.fix)];
  return [
    warn(
      `${says}; ${kept} is set here, and is not handed on to the agent`,
      `pass_env = ["${kept}"] in [agent.${profile.name}]`,
    ),
  ];
}

/** Whether macOS keeps Claude Code's login. Asks for the item's name alone: its secret is not read. */
async function inKeychain(): Promise<boolean> {
  if (process.platform !== 'darwin') return false;
  const words = ['find-generic-password', '-s', 'Claude Code-credentials'];
  return (await run('/usr/bin/security', words, { timeoutMs: TIMEOUT_MS })).code === 0;
}

function handedOn({ name, pass_env, env: own }: AgentProfile, env: NodeJS.ProcessEnv): Finding[] {
  const missing = pass_env.filter((one) => env[one] === undefined && own[one] === undefined);
  if (missing.length === 0) return pass_env.length === 0 ? [] : [ok(`variables ${name}`, pass_env.join(' '))];
  return [
    warn(
      `variables ${name}`,
      `pass_env names ${missing.join(', ')}, which this environment does not have`,
      `give it in [agent.${name}] as env = { ${missing[0]} = "..." }`,
    ),
  ];
}
