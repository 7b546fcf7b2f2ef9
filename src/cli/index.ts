import { Command, CommanderError } from 'commander';
import { type Context, makeContext } from '../context.ts';
import { PERSON } from '../machine/caller.ts';
import { placesOf } from '../machine/paths.ts';
import { configError, EXIT, type ExitCode } from '../model/errors.ts';
import { hint } from '../model/hint.ts';
import { explainError } from '../report/errors.ts';
import { calmStdout, complain, isUnwritten } from '../report/out.ts';
import { admit, nameOf } from './agents.ts';
import type { Run, Work } from './define.ts';
import { defineMachine } from './machine.ts';
import { defineSee } from './see.ts';
import { defineTalk } from './talk.ts';
import { defineTicket } from './ticket.ts';
import { defineWork } from './work.ts';

/** Put in by the build, from package.json. */
declare const MC_PICKUP_VERSION: string;

/** They do nothing but show something: where that was lost, they have failed. All else has its exit code from what it did. */
const SHOWS: ReadonlySet<string> = new Set([
  ...['status', 'explain', 'log', 'agents', 'doctor', 'diff', 'transcript', 'metrics', 'completion'],
  ...['ticket list', 'ticket show', 'ticket export', 'config show', 'killswitch status', 'schedule show'],
]);

/** They neither make a state dir nor have anything to do where none was made: a name that was mistyped would switch, clean or show
 *  another place, with exit 0. What `withMade` opens says so itself. */
const OF_WHAT_IS_MADE: ReadonlySet<string> = new Set([
  ...['killswitch on', 'killswitch off', 'killswitch status', 'clean', 'page', 'metrics', 'agents', 'pool'],
  ...['agents ready', 'backup', 'send', 'answer', 'attach', 'stop', 'diff', 'transcript'],
  ...['ticket edit', 'ticket move', 'ticket approve', 'ticket rework', 'ticket publish', 'ticket comment'],
  'ticket merge',
  'ticket export',
]);

/** Parses the command line, runs one command, and turns every error into its exit code. */
export async function cli(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  calmStdout(); // help and version as well
  const program = new Command('mc-pickup');
  let caller = PERSON;
  let named = '';
  const run = async (work: Work): Promise<void> => {
    const context = makeContext(program.opts(), env, caller);
    if (OF_WHAT_IS_MADE.has(named)) await mustBeMade(context, named);
    code = await work(context);
  };
  define(program, run);
  program.hook('preAction', (_, command) => {
    named = nameOf(command);
    caller = admit(command, placesOf(program.opts(), env), env);
  });
  program.version(MC_PICKUP_VERSION, '--version', 'print the version');
  try {
    const [first, ...words] = argv;
    if (first === 'help' && words.length > 0) commandOf(program, words).help();
    await program.parseAsync([...argv], { from: 'user' });
    return code === EXIT.ok && SHOWS.has(named) && (await isUnwritten()) ? EXIT.unavailable : code;
  } catch (error) {
    // Commander has printed its own complaint, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return explainError(error, env);
  }
}

/** A switch that the environment names is where it says, whatever the state dir is. */
async function mustBeMade(context: Context, name: string): Promise<void> {
  if (name.startsWith('killswitch ') && context.env.MC_PICKUP_KILLSWITCH) return;
  const fault = await (await import('../board/open.ts')).unmade(context);
  if (fault !== null) throw configError(fault);
}

/** What `help ticket add` asks for: commander's own `help` takes the first word alone. */
function commandOf(program: Command, words: readonly string[]): Command {
  return words
    .filter((word) => !word.startsWith('-'))
    .reduce(
      (at, word) =>
        at.commands.find((one) => one.name() === word) ??
        at.error(`error: unknown command '${word}'${hint(word, namesOf(at))}`),
      program,
    );
}

function namesOf(command: Command): string[] {
  return command.commands.map((one) => one.name());
}

/** The whole command line; `run` is called with what was chosen. The manual page, the completions and the tests walk it too. */
export function define(program: Command, run: Run): void {
  program
    .description('Picks tickets up from a board and gives each one to an AI coding agent in tmux.')
    .option('--config <file>', 'configuration (else MC_PICKUP_CONFIG, else XDG)')
    .option('--state-dir <dir>', 'board, runs, tmux socket (else MC_PICKUP_STATE_DIR, else XDG)')
    .option('--json', 'one JSON object or array on stdout')
    .option('--no-color', 'no colour')
    .option('--quiet', 'only errors')
    .exitOverride()
    .configureOutput({ writeErr: complain })
    .addHelpText(
      'after',
      `
Exit codes: 0 done or nothing to do, 1 a bug, 2 usage, 3 some steps failed and the next tick retries,
69 cannot see or reach something, 75 busy now, 77 an agent may not do that, 78 configuration or schema.

First steps:
  mc-pickup init --project --trust    board and configuration, for the repository you stand in
  mc-pickup ticket add --title "Fix the login"
  mc-pickup dispatch --dry-run        what a tick would do now
  mc-pickup dispatch                  the tick
  mc-pickup status
mc-pickup help COMMAND has the options of each command, with examples.`,
    );
  const group = (heading: string, add: (to: Command, work: Run) => void): void => {
    program.commandsGroup(heading);
    add(program, run);
  };
  group('The tick:', defineWork);
  group('Tickets:', defineTicket);
  group('Seeing:', defineSee);
  group('Agents:', defineTalk);
  group('The machine:', defineMachine);
  finish(program, 'mc-pickup');
}

/** A complaint leads to the help of the very command; a default of nothing is called so. */
function finish(command: Command, name: string): void {
  command.showHelpAfterError(`(see ${name} --help)`);
  for (const option of command.options) {
    const { defaultValue } = option;
    if (defaultValue === '' || (Array.isArray(defaultValue) && defaultValue.length === 0))
      option.default(defaultValue, 'none');
  }
  for (const one of command.commands) finish(one, `${name} ${one.name()}`);
}
