import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../machine/programs.ts';
import { filesNote } from './cron.ts';
import {
  ask,
  type Change,
  changed,
  type Document,
  failed,
  type Look,
  NO_CHANGE,
  readFile,
  type Scheduler,
  writeFile,
} from './scheduler.ts';
import { type Units, unitsOf } from './units.ts';
import type { Wish } from './wish.ts';
import { bytesOf } from './words.ts';

/** A timer and a service of the user's own systemd manager. */
export function systemd(wish: Wish, env: NodeJS.ProcessEnv): Scheduler {
  const units = unitsOf(wish);
  const dir = join(env.XDG_CONFIG_HOME || join(wish.home, '.config'), 'systemd', 'user');
  const here = findProgram('systemctl', env.PATH) !== null;
  const manager = { ...env, XDG_RUNTIME_DIR: env.XDG_RUNTIME_DIR || `/run/user/${process.getuid?.() ?? 0}` };
  const fault = (): string | null => {
    if (!here) return 'no systemctl program: this machine does not run systemd';
    const argv = ['systemctl', '--user', 'show', '--property=Version'];
    const ran = ask(argv, manager);
    return ran.code === 0
      ? null
      : `no systemd user manager answers (${ran.err || `exit ${ran.code}`}): log in as this user (not by su), or use --with cron`;
  };
  return {
    with: 'systemd',
    env: manager,
    here,
    fault,
    log: `journalctl --user -u ${units.service.name}`,
    look: () => look(units, dir, manager, fault),
    write: (document) => writeFile(document, wish.state),
    notes: () => [
      ...[lingerNote(manager)].filter((one) => one !== null),
      ...filesNote('systemd', filesLimit(manager)),
    ],
    texts: () => [units.service, units.timer].map(({ name, text }) => ({ name: join(dir, name), text })),
  };
}

function look(
  { service, timer }: Units,
  dir: string,
  env: NodeJS.ProcessEnv,
  fault: () => string | null,
): Look {
  const documents = [service, timer].map(({ name, text }): Document => {
    const path = join(dir, name);
    return { name: path, before: readFile(path), after: bytesOf(text) };
  });
  const why = fault();
  const there = documents.some(({ before }) => before !== null);
  if (why !== null)
    return {
      state: there ? 'unknown' : 'none',
      says: there ? `its units are in ${dir}, but ${why}` : 'no user manager answers here',
      install: () => NO_CHANGE,
      remove: NO_CHANGE,
    };
  const same = changed(documents).length === 0;
  const idle = same ? idleBecause(service.name, timer.name, env) : null;
  const install: Change = {
    first: [],
    documents: changed(documents),
    last: [
      { argv: ['systemctl', '--user', 'daemon-reload'] },
      { argv: ['systemctl', '--user', 'enable', timer.name] },
      // Starts one that does not run, and gives one that does the interval of now.
      { argv: ['systemctl', '--user', 'restart', timer.name] },
    ],
  };
  const remove: Change = {
    first: [
      { argv: ['systemctl', '--user', 'disable', '--now', timer.name], mayFail: true },
      // A tick that is at work when its unit's file goes would be ended by systemd's defaults, which have no
      // KillMode=process: every agent in its control group with it.
      {
        argv: ['systemctl', '--user', 'show', '--property=ActiveState', service.name],
        until: /^ActiveState=(inactive|failed)$/m,
      },
    ],
    documents: documents.flatMap((one) => (one.before === null ? [] : [{ ...one, after: null }])),
    last: [{ argv: ['systemctl', '--user', 'daemon-reload'] }],
  };
  return {
    state: !there ? 'none' : same && idle === null ? 'installed' : 'differs',
    says: !there
      ? `no unit of this state dir in ${dir}`
      : (idle ??
        (same
          ? `the timer ${timer.name} is active`
          : `its units in ${dir} are not as they would be written now`)),
    install: () => (same && idle === null ? NO_CHANGE : install),
    remove: there ? remove : NO_CHANGE,
  };
}

/** Why units that are as they should be start nothing, or null. */
function idleBecause(service: string, timer: string, env: NodeJS.ProcessEnv): string | null {
  const wanted = ['UnitFileState', 'ActiveState', 'NeedDaemonReload'].map((name) => `--property=${name}`);
  const argv = ['systemctl', '--user', 'show', ...wanted, timer, service];
  const ran = ask(argv, env);
  if (ran.code !== 0) return failed(argv, ran);
  const [of_timer = '', of_service = ''] = ran.out.split('\n\n');
  if (!/^UnitFileState=enabled$/m.test(of_timer)) return `the timer ${timer} is not enabled`;
  if (!/^ActiveState=active$/m.test(of_timer)) return `the timer ${timer} is not active`;
  return /^NeedDaemonReload=yes$/m.test(of_timer + of_service)
    ? 'systemd has not read the units of now'
    : null;
}

/** Without lingering the user's manager ends with the last session, and the ticks and agents with it. */
function lingerNote(env: NodeJS.ProcessEnv): string | null {
  const user = userInfo().username;
  const ran = ask(['loginctl', 'show-user', '--property=Linger', '--value', user], env);
  const lingers = ran.code === 0 ? ran.out.trim() === 'yes' : existsSync(`/var/lib/systemd/linger/${user}`);
  return lingers
    ? null
    : `ticks stop when ${user} logs out, and begin at the next login: loginctl enable-linger ${user}`;
}

/** How many files a unit of this manager may have open; undefined = it does not tell. */
function filesLimit(env: NodeJS.ProcessEnv): number | undefined {
  const ran = ask(['systemctl', '--user', 'show', '--property=DefaultLimitNOFILE', '--value'], env);
  return ran.code === 0 && /^\d+$/.test(ran.out.trim()) ? Number(ran.out.trim()) : undefined;
}
