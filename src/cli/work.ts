import { type Command, Option } from 'commander';
import { count, type Run, withExamples } from './define.ts';

/** Setting up, the tick, the killswitch, and what agents and launchers call. */
export function defineWork(program: Command, run: Run): void {
  withExamples(
    program
      .command('init')
      .description('make the state dir, the board and a configuration')
      .option('--project', 'add the git repository you stand in')
      .option('--name <name>', "with --project: the project's name (else the directory's)")
      .option(
        '--path <folder>',
        'with --project: agents start in this folder of the repository, for example in a monorepo (. = where you stand)',
      )
      .option('--trust', 'with --project: say in the files of your agent clients that you trust it')
      .option('--mission-control <url>', 'the board is a Mission Control server, not a file')
      .option('--token-file <file>', 'with --mission-control: holds its token, mode 0600')
      .action((o) => run(async (c) => (await import('../commands/init.ts')).init(c, o))),
    ['mc-pickup init', 'state dir, board and a commented configuration'],
    ['mc-pickup init --project --trust', 'and the repository you stand in, trusted by your clients'],
    ['mc-pickup init --project --path .', 'and the folder you stand in, as a project of its own'],
  );
  withExamples(
    program
      .command('dispatch')
      .description('one whole tick: gate, reconcile pass, dispatch pass')
      .option('--dry-run', 'print the plan; write nothing')
      .option('--max <n>', 'launch at most n', count)
      .option('--project <name>', 'launch for this project of the configuration only')
      .action((o) =>
        run(async (c) => (await (await import('../tick/index.ts')).tick(c, { ...o, dispatch: true })).code),
      ),
    ['mc-pickup dispatch --dry-run', 'what a tick would do now, and why it passes tickets over'],
    ['mc-pickup dispatch --max 1', 'a tick that launches one agent at most'],
  );
  withExamples(
    program
      .command('reconcile')
      .description('gate and reconcile pass only')
      .option('--dry-run', 'print the plan; write nothing')
      .action((o) =>
        run(async (c) => (await (await import('../tick/index.ts')).tick(c, { ...o, dispatch: false })).code),
      ),
    ['mc-pickup reconcile', 'bring the board in line with what lives; launch nothing'],
  );
  defineKillswitch(program, run);
  withExamples(
    program
      .command('report')
      .description('for the agent: how its ticket stands')
      .argument('<what>', 'review, needs-input, done or blocked')
      .option('--message <text>', 'what a person should know', '')
      .action((what, o) => run(async (c) => (await import('../commands/report.ts')).report(c, what, o))),
    ['mc-pickup report review --message "Done, with a test."', 'in an agent: ready for a person to look at'],
    ['mc-pickup report needs-input --message "Which API?"', 'in an agent: a person is asked'],
  );
  program
    .command('register', { hidden: true })
    .argument('<run>')
    .argument('<pid>')
    .action((id, pid) => run(async (c) => (await import('../commands/register.ts')).register(c, id, pid)));
}

function defineKillswitch(program: Command, run: Run): void {
  const load = async () => await import('../commands/killswitch.ts');
  const killswitch = program.command('killswitch').description('stop dispatch, or everything');
  withExamples(
    killswitch
      .command('on')
      .description('no launches (level dispatch), or no ticks at all (level all)')
      .addOption(new Option('--level <level>', 'what stops').choices(['dispatch', 'all']).default('dispatch'))
      .option('--scope <scope>', '*, project:NAME or agent:NAME', '*')
      .option('--reason <text>', 'why', 'no reason given')
      .option('--for <duration>', 'such as 30m, 2h, 1d')
      .action((o) => run(async (c) => (await load()).killswitchOn(c, o))),
    [
      'mc-pickup killswitch on --reason "release day" --for 2h',
      'no launches for two hours; reconcile goes on',
    ],
    ['mc-pickup killswitch on --level all', 'every tick ends at the gate'],
    ['mc-pickup killswitch on --scope project:shop', 'one project only'],
  );
  withExamples(
    killswitch
      .command('off')
      .description('launch again')
      .option('--scope <scope>', 'only this scope')
      .action((o) => run(async (c) => (await load()).killswitchOff(c, o))),
    ['mc-pickup killswitch off', 'every switch'],
    ['mc-pickup killswitch off --scope project:shop', 'that one alone'],
  );
  withExamples(
    killswitch
      .command('status')
      .description('which switches are on, since when, by whom and why')
      .action(() => run(async (c) => (await load()).killswitchStatus(c))),
    ['mc-pickup killswitch status --json', 'for a script'],
  );
}
