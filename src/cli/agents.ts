import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { type Caller, callerOf, forbidden, isFresh, noteAsPerson } from '../machine/caller.ts';
import type { Places } from '../machine/paths.ts';
import { makeStateDir } from '../machine/state.ts';
import { EXIT, UserError } from '../model/errors.ts';

/** `reads`: it changes nothing, and starts nothing but git. `own`: it is for the caller's own run, ticket or board, and looks
 *  at whose they are by itself. */
export type ForAgents = 'no' | 'reads' | 'own';

/** What an agent may do, command by command. One that is not here is not for agents; a test wants each to be here. */
export const FOR_AGENTS: Readonly<Record<string, ForAgents>> = {
  init: 'own',
  dispatch: 'no',
  reconcile: 'no',
  'killswitch on': 'no',
  'killswitch off': 'no',
  'killswitch status': 'reads',
  report: 'own',
  register: 'own',
  'ticket add': 'own',
  'ticket list': 'reads',
  'ticket show': 'reads',
  'ticket edit': 'no',
  'ticket move': 'no',
  'ticket approve': 'no',
  'ticket rework': 'no',
  'ticket publish': 'no',
  'ticket merge': 'no',
  'ticket comment': 'own',
  'ticket import': 'no',
  'ticket export': 'reads',
  status: 'reads',
  explain: 'reads',
  log: 'reads',
  attach: 'no', // even read-only, its keys reach tmux
  diff: 'reads',
  transcript: 'reads',
  page: 'reads',
  send: 'no',
  answer: 'no',
  stop: 'no',
  agents: 'reads',
  'agents ready': 'no',
  doctor: 'no', // starts the clients
  backup: 'no',
  restore: 'no',
  notify: 'no',
  metrics: 'reads',
  clean: 'no',
  pool: 'no',
  completion: 'reads',
  complete: 'reads',
  'config path': 'reads',
  'config check': 'reads',
  'config show': 'reads',
  'config edit': 'no',
  'schedule show': 'no', // asks the schedulers
  'schedule install': 'no',
  'schedule remove': 'no',
};

type Options = Readonly<Record<string, unknown>>;

/** What of a command that is for agents is not for them. */
const BUT: Readonly<Record<string, (o: Options, args: readonly unknown[]) => string | null>> = {
  'ticket add': ({ author, owner }) =>
    author !== undefined ? '--author' : owner !== undefined ? '--owner' : null,
  'ticket export': (_, [file]) => (file === '-' ? null : 'into a file'),
  status: ({ notify }) => (notify === true ? '--notify' : null),
  page: ({ out }) => (out === '-' ? null : '--out with a file'),
  metrics: ({ out, textfileDir }) => (out === undefined && textfileDir === undefined ? null : 'into a file'),
};

/** The full name of a command, such as `ticket add`. */
export function nameOf(command: Command): string {
  const { parent } = command;
  return parent === null || parent.parent === null ? command.name() : `${nameOf(parent)} ${command.name()}`;
}

/** Who calls, once it is certain that whoever it is may do this. */
export function admit(command: Command, places: Places, env: NodeJS.ProcessEnv): Caller {
  const name = nameOf(command);
  const may = FOR_AGENTS[name] ?? 'no';
  const caller = callerOf(places, env, may !== 'reads');
  const options = command.opts();
  if (caller.kind === 'person') {
    if (writesConfiguration(name, options) && caller.config !== undefined && caller.config !== places.config)
      throw refused(
        name,
        env.MC_RUN_ID ?? '',
        `which would change ${places.config}, another's configuration`,
      );
    return caller;
  }
  if (may === 'no') throw refused(name, caller.run, null);
  const but = BUT[name]?.(options, command.processedArgs);
  if (but != null) throw refused(`${name} (${but})`, caller.run, null);
  return name === 'init' ? admitToInit(caller.run, places, options) : caller;
}

/** A state dir that nobody has made yet is the run's own once it has made it. */
function admitToInit(run: string, places: Places, options: Options): Caller {
  if (!isFresh(places)) throw refused('init', run, `in ${places.state}, which is another's`);
  if (options.trust === true) throw refused('init (--trust)', run, null);
  if (writesConfiguration('init', options) && existsSync(places.config))
    throw refused('init', run, `which would change ${places.config}: name one of its own with --config`);
  makeStateDir(places.state);
  return noteAsPerson(places, run);
}

function writesConfiguration(name: string, { project, missionControl }: Options): boolean {
  return name === 'config edit' || (name === 'init' && (project === true || missionControl !== undefined));
}

function refused(what: string, run: string, why: string | null): UserError {
  return new UserError(EXIT.noperm, forbidden(`"mc-pickup ${what}"${why === null ? '' : `, ${why}`}`, run));
}
