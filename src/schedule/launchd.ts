import { join } from 'node:path';
import { findProgram } from '../machine/programs.ts';
import { labelOf, plistOf } from './plist.ts';
import {
  ask,
  changed,
  type Document,
  type Look,
  NO_CHANGE,
  readFile,
  type Scheduler,
  writeFile,
} from './scheduler.ts';
import type { Wish } from './wish.ts';
import { bytesOf } from './words.ts';

/** An agent of launchd, in the domain of the user's login. */
export function launchd(wish: Wish, env: NodeJS.ProcessEnv): Scheduler {
  const file = join(wish.home, 'Library', 'LaunchAgents', `${labelOf(wish)}.plist`);
  const here = findProgram('launchctl', env.PATH) !== null;
  const text = plistOf(wish);
  return {
    with: 'launchd',
    env,
    here,
    fault: () => (here ? null : 'no launchctl program: launchd is the scheduler of macOS'),
    log: wish.log,
    look: () => look(wish, file, text, env),
    write: (document) => writeFile(document, wish.state),
    notes: () => [
      ...(wish.interval_seconds < 10 ? ['launchd starts nothing more often than every 10 s'] : []),
      `the log ${wish.log} only grows: start it anew by hand or with newsyslog`,
      'launchd starts agents while you are logged in, and not while the machine sleeps',
    ],
    texts: () => [{ name: file, text }],
  };
}

function look(wish: Wish, file: string, text: string, env: NodeJS.ProcessEnv): Look {
  const document: Document = { name: file, before: readFile(file), after: bytesOf(text) };
  const domain = `gui/${process.getuid?.() ?? 0}`;
  const job = `${domain}/${labelOf(wish)}`;
  const loaded = ask(['launchctl', 'print', job], env).code === 0;
  const there = document.before !== null;
  const same = document.before === document.after;
  const out = { argv: ['launchctl', 'bootout', job], mayFail: true };
  return {
    state: !there && !loaded ? 'none' : same && loaded ? 'installed' : 'differs',
    says:
      !there && !loaded
        ? `no agent of this state dir in launchd`
        : same
          ? `the agent ${labelOf(wish)} is ${loaded ? '' : 'not '}loaded`
          : `${file} is not as it would be written now`,
    install: () =>
      same && loaded
        ? NO_CHANGE
        : {
            first: loaded ? [out] : [],
            documents: changed([document]),
            last: [{ argv: ['launchctl', 'bootstrap', domain, file] }],
          },
    remove:
      there || loaded
        ? { first: [out], documents: there ? [{ ...document, after: null }] : [], last: [] }
        : NO_CHANGE,
  };
}
