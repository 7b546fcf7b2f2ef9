import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { CLOCK_TODO, wrongClock } from '../machine/heard.ts';
import { limitsIn } from '../machine/limits.ts';
import type { Places } from '../machine/paths.ts';
import { procText } from '../machine/proc.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import { attempt } from '../model/json.ts';
import { about, type Finding, ok, warn } from './finding.ts';

const LEAST_PROCESSES = 200;
const LEAST_FILES = 256;

/** What the agents take from the machine and from the user: a home, a kernel that can be asked, room in its limits. */
export function machineFindings(places: Places, env: NodeJS.ProcessEnv): Finding[] {
  return [home(env), kernel(places.state), ...locale(env), ...limits(), ...clock(places), ...keychain()];
}

function home(env: NodeJS.ProcessEnv): Finding {
  const { ok, warn, fail } = about('home');
  const { HOME } = env;
  if (!HOME)
    return fail(
      'HOME is not set: the agents find no login and no settings',
      'set HOME where ticks are started',
    );
  const stat = statSync(HOME, { throwIfNoEntry: false });
  if (stat?.isDirectory() !== true)
    return fail(`${HOME} is no directory`, 'correct HOME where ticks are started');
  const uid = process.getuid?.();
  if (uid !== undefined && stat.uid !== uid)
    return warn(
      `${HOME} belongs to user ${stat.uid}, and this is user ${uid}`,
      'start ticks as the owner of HOME',
    );
  // In a container no file may know the user.
  const known = attempt(() => userInfo().homedir);
  if (known && known !== HOME)
    return warn(
      `${HOME}, and a scheduler starts with ${known}, where other logins and settings may be`,
      'nothing, if the lines that start ticks set HOME too; else set it there',
    );
  return ok(HOME);
}

/** What the answers to the last ticks have told. */
function clock(places: Places): Finding[] {
  const wrong = wrongClock(places, Date.now());
  return wrong === null ? [] : [warn('clock', wrong, CLOCK_TODO)];
}

/** Who lives is told by boot and start time: without them nothing is ever freed. */
function kernel(state: string): Finding {
  const { ok, fail } = about('processes');
  const { boot_id, pid_ns, self_readable } = lookAtSelf(hostId(state) ?? '');
  if (boot_id === null)
    return fail(
      "this boot's id can't be read: no agent's end can be proven",
      'make /proc/sys/kernel/random/boot_id readable',
    );
  if (!self_readable)
    return fail(
      "/proc can't be read: no agent's end can be proven",
      'mount /proc, without hidepid for this user',
    );
  return ok(`can be told apart (boot ${boot_id.slice(0, 8)}${pid_ns === null ? '' : `, ${pid_ns}`})`);
}

/** Without any locale tmux is fine; one that is not UTF-8 turns what the clients draw into question marks. */
function locale(env: NodeJS.ProcessEnv): Finding[] {
  const name = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  if (name === '' || /utf-?8/i.test(name)) return [ok('locale', name || 'none is set, which is fine')];
  if (/^(C|POSIX)$/.test(name)) return [ok('locale', `${name}, which is fine for ticks`)];
  return [warn('locale', `${name} is not UTF-8: the clients' screens are not readable`, 'set LANG=C.UTF-8')];
}

function limits(): Finding[] {
  const text = procText('self/limits');
  if (text === null) return []; // not Linux
  const { ok, warn } = about('limits');
  const [processes, files] = ['Max processes', 'Max open files'].map((name) => limitsIn(text, name)[0]);
  const says = `${processes ?? 'no limit of'} processes, ${files ?? 'no limit of'} open files`;
  const few = (processes ?? LEAST_PROCESSES) < LEAST_PROCESSES || (files ?? LEAST_FILES) < LEAST_FILES;
  return [
    few ? warn(`only ${says}`, 'raise them: ulimit -u, ulimit -n, or /etc/security/limits.conf') : ok(says),
  ];
}

function keychain(): Finding[] {
  if (process.platform !== 'darwin') return [];
  return [
    warn(
      'keychain',
      'a cron job has no unlocked keychain: clients that keep their login there do not find it',
      'start ticks by launchd (an agent of your login session), or hand a key on by pass_env',
    ),
  ];
}
