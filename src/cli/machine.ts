import { Argument, type Command, Option } from 'commander';
import { GROUPS } from '../model/clean.ts';
import { SCHEDULERS } from '../schedule/scheduler.ts';
import { collect, count, type Run, withExamples } from './define.ts';

/** The machine around it: what is wrong, what is kept. */
export function defineMachine(program: Command, run: Run): void {
  withExamples(
    program
      .command('doctor')
      .description('what is missing or wrong on this machine, each with what to do about it')
      .option('--as-cron', 'in the bare environment of a scheduler: what is wrong only there is marked')
      .option(
        '--fix',
        'first take over the worktrees of a state dir that is gone, and put settings of repositories back that changed during a run',
      )
      .option('--meant', 'first take settings of repositories that changed during a run for meant')
      .action((o) => run(async (c) => (await import('../commands/doctor.ts')).doctor(c, o))),
    ['mc-pickup doctor', 'before the first tick, and whenever nothing is launched'],
    ['mc-pickup doctor --as-cron', 'what cron finds, with its short PATH and without your variables'],
  );
  withExamples(
    program
      .command('backup')
      .description('a checked copy of the board, made while all goes on')
      .option('--to <dir>', 'where (else backups/ in the state dir)')
      .option('--keep <n>', 'how many stay there', count, 7)
      .action((o) => run(async (c) => (await import('../commands/backup.ts')).backup(c, o))),
    ['mc-pickup backup', 'into backups/ of the state dir; the newest 7 stay'],
  );
  withExamples(
    program
      .command('restore')
      .description("put a backup in the board's place; the board before it is kept")
      .argument('<file>')
      .action((file) => run(async (c) => (await import('../commands/backup.ts')).restore(c, file))),
    ['mc-pickup restore ~/.local/state/mc-pickup/backups/board-1.sqlite', 'with the killswitch on'],
  );
  withExamples(
    program
      .command('notify')
      .description('send a test message through every channel of the configuration')
      .addArgument(new Argument('<what>', 'what to do').choices(['test']))
      .action(() => run(async (c) => (await import('../commands/notify.ts')).notifyTest(c))),
    ['mc-pickup notify test', 'what came of each; exit 3 if one failed'],
  );
  withExamples(
    program
      .command('metrics')
      .description('the board, its runs and ticks in the Prometheus text format')
      .option('--out <file>', 'into a file, in one step (else stdout)')
      .option('--textfile-dir <dir>', "into mc_pickup.prom in node_exporter's directory")
      .action((o) => run(async (c) => (await import('../commands/metrics.ts')).metrics(c, o))),
    ['mc-pickup metrics', 'to look at'],
    ['mc-pickup metrics --textfile-dir /var/lib/prometheus/node-exporter', 'readable by node_exporter'],
  );
  withExamples(
    program
      .command('clean')
      .description('what has piled up and may go: it is shown, and with --yes it goes')
      .option('--yes', 'do it; without this nothing is written')
      .option('--older-than <time>', 'what counts as old', '30d')
      .addOption(
        new Option('--only <what>', 'this alone; may be given again').choices(GROUPS).argParser(collect),
      )
      .action((o) => run(async (c) => (await import('../commands/clean.ts')).clean(c, o))),
    ['mc-pickup clean', 'what may go and why, how large it is, how it comes back; writes nothing'],
    ['mc-pickup clean --yes', 'each is looked at once more, and goes'],
    ['mc-pickup clean --only branches', 'branches of closed tickets, which it leaves alone otherwise'],
  );
  program
    .command('pool', { hidden: true })
    .action(() => run(async (c) => (await import('../commands/pool.ts')).pool(c)));
  defineCompletion(program, run);
  defineConfig(program, run);
  defineSchedule(program, run);
}

function defineCompletion(program: Command, run: Run): void {
  const load = async () => await import('../commands/completion.ts');
  withExamples(
    program
      .command('completion')
      .description('completion for your shell, with the tickets, projects and profiles of the moment')
      .addArgument(new Argument('<shell>', 'whose').choices(['bash', 'zsh', 'fish']))
      .action((shell) => run(async (c) => (await load()).completion(c, shell))),
    ['mc-pickup completion bash', 'the script; its first line says where to put it'],
    ['source <(mc-pickup completion zsh)', 'for this shell alone'],
  );
  program
    .command('complete', { hidden: true })
    .argument('<shell>')
    .argument('[words...]')
    .action((shell, words) => run(async (c) => (await load()).complete(c, program, shell, words)));
}

function defineConfig(program: Command, run: Run): void {
  const config = program
    .command('config')
    .description('the configuration: where it is, what is wrong, what is in force');
  const load = async () => await import('../commands/config.ts');
  withExamples(
    config
      .command('path')
      .description('which configuration and which state dir are used, and why those')
      .action(() => run(async (c) => (await load()).configPath(c, program.opts()))),
    ['mc-pickup config path', 'by option, environment or default'],
  );
  withExamples(
    config
      .command('check')
      .description('all that is wrong in it, with line and column; exit 78 if anything is')
      .argument('[file]', 'another file, or - for standard input')
      .action((file) => run(async (c) => (await load()).configCheck(c, file))),
    ['mc-pickup config check', 'after every change'],
    ['mc-pickup config check new.toml', 'before it takes the place of the old one'],
  );
  withExamples(
    config
      .command('show')
      .description('what is in force, and where each value comes from; secrets in env are hidden')
      .option('--defaults', 'with the defaults')
      .action((o) => run(async (c) => (await load()).configShow(c, o))),
    ['mc-pickup config show', 'what the file and the environment set'],
    ['mc-pickup config show --defaults', 'every value'],
  );
  withExamples(
    config
      .command('edit')
      .description('your editor ($VISUAL, $EDITOR or vi) on a copy, put in place once it is right')
      .action(() => run(async (c) => (await import('../commands/config-edit.ts')).configEdit(c))),
    ['mc-pickup config edit', 'no tick meets a file that is half edited'],
  );
}

function defineSchedule(program: Command, run: Run): void {
  const schedule = program.command('schedule').description('ticks by cron, a systemd user timer or launchd');
  const load = async () => await import('../commands/schedule.ts');
  const which = (says: string) => new Option('--with <scheduler>', says).choices(SCHEDULERS);
  const own = "else the one that has it, else the machine's own";
  withExamples(
    schedule
      .command('show')
      .description('what is installed for this state dir, and what install would write; writes nothing')
      .addOption(which(own))
      .action((o) => run(async (c) => (await import('../commands/schedule-show.ts')).show(c, o))),
    ['mc-pickup schedule show', 'is it installed, and as it would be now?'],
  );
  withExamples(
    schedule
      .command('install')
      .description('start a tick every interval_seconds; shows the change, and asks')
      .addOption(which(own))
      .option('--dry-run', 'show the change; make none')
      .option('--yes', 'do not ask')
      .action((o) => run(async (c) => (await load()).install(c, o))),
    ['mc-pickup schedule install', 'again after an update of Node or a change of the interval'],
    ['mc-pickup schedule install --with cron --yes', 'in a script'],
  );
  withExamples(
    schedule
      .command('remove')
      .description('take out what install wrote, and nothing else; shows the change, and asks')
      .addOption(which('else wherever it is installed'))
      .option('--dry-run', 'show the change; make none')
      .option('--yes', 'do not ask')
      .action((o) => run(async (c) => (await load()).remove(c, o))),
    ['mc-pickup schedule remove', 'no tick starts by itself any more; agents go on'],
  );
}
