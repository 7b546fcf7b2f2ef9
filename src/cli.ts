import { Command, CommanderError, Option } from 'commander';
import type { Context } from './commands/context.ts';
import { makeContext } from './commands/context.ts';
import { EXIT, type ExitCode, UserError } from './model/errors.ts';
import { explainError } from './report/errors.ts';
import { calmStdout, complain } from './report/out.ts';

/** Put in by the build, from package.json. */
declare const MC_PICKUP_VERSION: string;

type Run = (context: Context) => Promise<ExitCode>;

/** Parses the command line, runs one command, and turns every error into its exit code. */
export async function cli(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  calmStdout(); // help and version as well
  const program = new Command('mc-pickup');
  const run = async (work: Run): Promise<void> => {
    code = await work(makeContext(program.opts(), env));
  };
  define(program, run);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    // Commander has printed its own complaint, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return explainError(error, env);
  }
}

function define(program: Command, run: (work: Run) => Promise<void>): void {
  program
    .description('Picks tickets up from a board and gives each one to an AI coding agent in tmux.')
    .option('--config <file>', 'configuration (else MC_PICKUP_CONFIG, else XDG)')
    .option('--state-dir <dir>', 'board, runs, tmux socket (else MC_PICKUP_STATE_DIR, else XDG)')
    .option('--json', 'one JSON object or array on stdout')
    .option('--no-color', 'no colour')
    .option('--quiet', 'only errors')
    .version(MC_PICKUP_VERSION, '--version', 'print the version')
    .exitOverride()
    .configureOutput({ writeErr: complain })
    .showHelpAfterError('(see mc-pickup --help)')
    .addHelpText(
      'after',
      `
Exit codes: 0 done or nothing to do, 1 a bug, 2 usage, 3 some steps failed and the next tick retries,
69 cannot see or reach something, 75 busy now, 78 configuration or schema.

Examples:
  mc-pickup init --project            board and config for the repository you stand in
  mc-pickup ticket add --title "Fix the login"
  mc-pickup dispatch --dry-run        what a tick would do now
  mc-pickup status`,
    );
  program
    .command('init')
    .description('make the state dir, the board and a configuration')
    .option('--project', 'add the git repository you stand in')
    .option('--name <name>', "with --project: the project's name (else the directory's)")
    .option('--trust', 'with --project: say in the files of your agent clients that you trust it')
    .option('--mission-control <url>', 'the board is a Mission Control server, not a file')
    .option('--token-file <file>', 'with --mission-control: holds its token, mode 0600')
    .action((o) => run(async (c) => (await import('./commands/init.ts')).init(c, o)));
  program
    .command('dispatch')
    .description('one whole tick: gate, reconcile pass, dispatch pass')
    .option('--dry-run', 'print the plan; write nothing')
    .option('--max <n>', 'launch at most n', count)
    .option('--project <name>', 'launch for this project of the configuration only')
    .action((o) =>
      run(async (c) => (await import('./commands/dispatch.ts')).dispatch(c, { ...o, dispatch: true })),
    );
  program
    .command('reconcile')
    .description('gate and reconcile pass only')
    .option('--dry-run', 'print the plan; write nothing')
    .action((o) =>
      run(async (c) => (await import('./commands/dispatch.ts')).dispatch(c, { ...o, dispatch: false })),
    );
  defineTicket(program, run);
  definePeople(program, run);
  const killswitch = program.command('killswitch').description('stop dispatch, or everything');
  killswitch
    .command('on')
    .addOption(new Option('--level <level>', 'what stops').choices(['dispatch', 'all']).default('dispatch'))
    .option('--scope <scope>', '*, project:NAME or agent:NAME', '*')
    .option('--reason <text>', 'why', 'no reason given')
    .option('--for <duration>', 'such as 30m, 2h, 1d')
    .action((o) => run(async (c) => (await import('./commands/killswitch.ts')).killswitchOn(c, o)));
  killswitch
    .command('off')
    .option('--scope <scope>', 'only this scope')
    .action((o) => run(async (c) => (await import('./commands/killswitch.ts')).killswitchOff(c, o)));
  killswitch
    .command('status')
    .action(() => run(async (c) => (await import('./commands/killswitch.ts')).killswitchStatus(c)));
  program
    .command('report')
    .description('for the agent: how its ticket stands')
    .argument('<what>', 'review, needs-input, done or blocked')
    .option('--message <text>', 'what a person should know', '')
    .action((what, o) => run(async (c) => (await import('./commands/report.ts')).report(c, what, o)));
  program
    .command('register', { hidden: true })
    .argument('<run>')
    .argument('<pid>')
    .action((id, pid) => run(async (c) => (await import('./commands/register.ts')).register(c, id, pid)));
}

function defineTicket(program: Command, run: (work: Run) => Promise<void>): void {
  const ticket = program.command('ticket').description('tickets on the board');
  const load = async () => await import('./commands/ticket.ts');
  ticket
    .command('add')
    .description('put a ticket on the board; the body from --body, --file or stdin')
    .requiredOption('--title <text>', 'one line')
    .option('--body <text>')
    .option('--file <file>', 'read the body from a file; - for stdin')
    .option('--project <name>')
    .option('--agent <name>')
    .option('--owner <name>', 'a profile, or a person whose ticket no tick touches')
    .option('--priority <0-4>', '0 is the most urgent', priority, 2)
    .option('--label <label>', 'may be repeated', collect, [])
    .option('--depends-on <ticket>', 'may be repeated', collect, [])
    .option('--author <name>')
    .action((o) => run(async (c) => (await load()).add(c, o)));
  ticket
    .command('list')
    .option('--status <status>', 'may be repeated', collect, [])
    .option('--project <name>')
    .option('--limit <n>', 'at most', count, 200)
    .action((o) => run(async (c) => (await load()).list(c, o)));
  ticket
    .command('show')
    .argument('<ticket>')
    .action((id) => run(async (c) => (await load()).show(c, id)));
  ticket
    .command('edit')
    .argument('<ticket>')
    .option('--title <text>')
    .option('--body <text>')
    .option('--file <file>')
    .option('--project <name>')
    .option('--agent <name>', '"" for none')
    .option('--owner <name>', '"" for none')
    .option('--priority <0-4>', '', priority)
    .option('--label <label>', 'replaces all; may be repeated; "" for none', collect)
    .option('--depends-on <ticket>', 'replaces all; may be repeated; "" for none', collect)
    .action((id, o) => run(async (c) => (await load()).edit(c, id, o)));
  ticket
    .command('move')
    .argument('<ticket>')
    .argument('<status>')
    .option('--why <text>', 'recorded with the move', '')
    .action((id, status, o) => run(async (c) => (await load()).move(c, id, status, o)));
  ticket
    .command('comment')
    .argument('<ticket>')
    .argument('<text...>')
    .action((id, words) => run(async (c) => (await load()).comment(c, id, words)));
}

function definePeople(program: Command, run: (work: Run) => Promise<void>): void {
  program
    .command('status')
    .description('the board, the living agents, the killswitch, the last tick')
    .action(() => run(async (c) => (await import('./commands/status.ts')).status(c)));
  program
    .command('explain')
    .description('what happened to a ticket, and why it is not running now')
    .argument('<ticket>')
    .action((id) => run(async (c) => (await import('./commands/explain.ts')).explain(c, id)));
  program
    .command('log')
    .description('what happened on the board: the newest, in the order of time')
    .option('--ticket <ticket>')
    .option('--follow', 'go on as things happen')
    .option('--limit <n>', 'at most', count, 50)
    .action((o) => run(async (c) => (await import('./commands/log.ts')).log(c, o)));
  program
    .command('send')
    .description('text to the living agent of a ticket; exit 75 while it is busy')
    .argument('<ticket>')
    .argument('[text...]', 'else read from stdin')
    .action((id, words) => run(async (c) => (await import('./commands/send.ts')).send(c, id, words)));
  program
    .command('answer')
    .description('answer what an agent asked: a text, or its permission dialog')
    .argument('<ticket>')
    .argument('[text...]', 'else stdin')
    .option('--allow', 'allow, once, what the open permission dialog asks for')
    .option('--deny', 'deny it')
    .action((id, words, o) =>
      run(async (c) => (await import('./commands/answer.ts')).answer(c, id, words, o)),
    );
  const agents = program
    .command('agents')
    .description('the profiles: program, readiness, limits, use of today')
    .action(() => run(async (c) => (await import('./commands/agents.ts')).agents(c)));
  agents
    .command('ready')
    .description('you have set the client up: launch this profile again')
    .argument('<name>')
    .action((name) => run(async (c) => (await import('./commands/agents.ts')).agentReady(c, name)));
  program
    .command('backup')
    .description('a checked copy of the board, made while all goes on')
    .option('--to <dir>', 'where (else backups/ in the state dir)')
    .option('--keep <n>', 'how many stay there', count, 7)
    .action((o) => run(async (c) => (await import('./commands/backup.ts')).backup(c, o)));
  program
    .command('restore')
    .description("put a backup in the board's place; the board before it is kept")
    .argument('<file>')
    .action((file) => run(async (c) => (await import('./commands/backup.ts')).restore(c, file)));
  program
    .command('doctor')
    .description('what is missing or wrong on this machine, each with what to do about it')
    .action(() => run(async (c) => (await import('./commands/doctor.ts')).doctor(c)));
  program
    .command('attach')
    .description("the agent's own terminal")
    .argument('<ticket>')
    .action((id) => run(async (c) => (await import('./commands/attach.ts')).attach(c, id)));
  program
    .command('stop')
    .description('end the agent of a ticket; the ticket then waits for you')
    .argument('<ticket>')
    .option('--grace <seconds>', 'between asking and forcing', count, 5)
    .option('--release', 'signal nothing: you vouch that an agent which cannot be judged from here is gone')
    .action((id, o) => run(async (c) => (await import('./commands/stop.ts')).stop(c, id, o)));
}

function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UserError(EXIT.usage, `"${text}" is not a whole number`);
  return Number(text);
}

function priority(text: string): number {
  if (!/^[0-4]$/.test(text)) throw new UserError(EXIT.usage, `priority "${text}" is not 0, 1, 2, 3 or 4`);
  return Number(text);
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}
