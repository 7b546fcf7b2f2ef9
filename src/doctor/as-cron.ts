import { join } from 'node:path';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { findProgram } from '../machine/programs.ts';
import { run } from '../machine/spawn.ts';
import { userName } from '../machine/user.ts';
import { ofThisShell } from '../model/environment.ts';
import { installedPath, steering } from '../schedule/index.ts';
import { type Finding, fail, ok, type Topic, type TopicFinding, warn } from './finding.ts';
import { examine } from './index.ts';
import { trialMs } from './trial.ts';

/** What cron gives where its table says nothing else. */
const CRON_PATH = '/usr/bin:/bin';
/** What a start takes, beside the longest look. */
const START_MS = 30_000;
const CRONTAB_MS = 3000;

/** The same examination by the same program, started as a scheduler starts it: hardly any environment, no terminal, a
 *  session of its own. What is wrong only there comes first in its topic, and says so. */
export async function asCron(context: Context, begins: (what: string) => void): Promise<TopicFinding[]> {
  const installed = await installedPath(context);
  const path = installed ?? (await pathOfCrontab(context)) ?? CRON_PATH;
  const env = bareEnvironment(context, path);
  begins('here, and as cron would');
  const [here, there] = await Promise.all([examine(context), examineBare(context, installed !== null, env)]);
  if (!Array.isArray(there)) return [environment(env), { ...there, topic: 'ticks' as const }];
  const usual = new Set(here.map(keyOf));
  const marked = there
    .filter(({ check }) => check !== SCHEDULE)
    .map(
      (one): TopicFinding =>
        one.result === 'ok' || usual.has(keyOf(one)) ? one : { ...one, only_as_cron: true },
    );
  const first = marked.filter((one) => one.only_as_cron === true);
  return [
    environment(env),
    ...variables(context),
    ...first,
    ...marked.filter((one) => !first.includes(one)),
    ...here.filter(({ check }) => check === SCHEDULE),
  ];
}

/** What has the entries cannot be asked from in there: no session bus. */
const SCHEDULE = 'schedule';

/** What is said holds times and counts that differ between two looks; what is to be done does not. */
function keyOf({ check, result, fix }: Finding): string {
  return [check, result, fix].join('\0');
}

/** As cron starts a command of this user, with the two paths that every installed line names. */
function bareEnvironment({ places, env }: Pick<Context, 'places' | 'env'>, path: string): NodeJS.ProcessEnv {
  const user = userName() ?? env.LOGNAME ?? env.USER ?? '';
  return {
    HOME: env.HOME ?? '/',
    LOGNAME: user,
    USER: user,
    SHELL: '/bin/sh',
    PATH: path,
    MC_PICKUP_STATE_DIR: places.state,
    MC_PICKUP_CONFIG: places.config,
  };
}

/** The PATH of lines in the user's crontab that are not as they would be written now; null = none of ours is there. */
async function pathOfCrontab({ places, env }: Context): Promise<string | null> {
  const crontab = findProgram('crontab', env.PATH);
  if (crontab === null) return null;
  const { code, stdout } = await run(crontab, ['-l'], { timeoutMs: CRONTAB_MS, env });
  return code === 0 ? pathIn(stdout, places.state) : null;
}

/** The PATH that the block of this state dir sets in a crontab, in the words after /usr/bin/env; null = there is none. */
export function pathIn(crontab: string, state: string): string | null {
  const blocks =
    crontab.replaceAll('\\%', '%').match(/^# >>> mc-pickup[^\n]*\n[\s\S]*?^# <<< mc-pickup/gm) ?? [];
  const ours = blocks.find((block) => new RegExp(`[\\s'"=]${literally(state)}(['"\\s]|$)`).test(block));
  const [, whole, single, double, bare] =
    /(?:'PATH=([^']*)'|\sPATH=(?:'([^']*)'|"([^"]*)"|([^\s'"]+)))/.exec(ours ?? '') ?? [];
  return whole ?? single ?? double ?? bare ?? null;
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** The findings of the program in that environment; one finding where it could not be had. */
async function examineBare(
  { node, bin, places }: Context,
  installed: boolean,
  env: NodeJS.ProcessEnv,
): Promise<TopicFinding[] | Finding> {
  // What is installed starts the launcher, wherever that leads.
  const [file, ...words] = installed ? ['/bin/sh', join(places.bin, 'mc-pickup')] : ([node, bin] as const);
  // Every program that is run so leads a session of its own: it has no terminal.
  const done = await run(file, [...words, 'doctor', '--json'], {
    timeoutMs: trialMs(loadPolicy(places.config, env).policy.projects.values()) + START_MS,
    env,
    cwd: env.HOME ?? '/',
  });
  try {
    return JSON.parse(done.stdout) as TopicFinding[];
  } catch {
    const why = done.error ?? (done.stderr.trim() || `exit ${done.code ?? done.signal}`);
    return fail(
      'as cron',
      `${[file, ...words].join(' ')} does not work there: ${why}`,
      'run it by hand, under env -i',
    );
  }
}

function environment(env: NodeJS.ProcessEnv): TopicFinding {
  const { PATH, HOME } = env;
  const names = Object.keys(env).filter((name) => name !== 'PATH');
  return {
    topic: 'programs',
    ...ok('environment', `PATH=${PATH}, ${names.join(', ')}; in ${HOME}, no terminal`),
  };
}

function variables({ places, env }: Context): TopicFinding[] {
  const { network } = loadPolicy(places.config, env).policy;
  const names = [
    ...steering(env),
    ...ofThisShell(env).filter((name) => !network.includes(name.toUpperCase())),
  ];
  if (names.length === 0) return [];
  const says = `${names.join(', ')}: set here, and no tick of a scheduler sees it`;
  const topic: Topic = 'ticks';
  const fix =
    'say it in the configuration ([network] has proxies and certificates); what is added to the entries of schedule install is taken out by the next one';
  return [{ topic, ...warn('variables', says, fix), only_as_cron: true }];
}
