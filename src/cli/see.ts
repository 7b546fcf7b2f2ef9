import type { Command } from 'commander';
import { collect, count, type Run, withExamples } from './define.ts';

/** What is read by people: the board, what happened, an agent's own terminal. */
export function defineSee(program: Command, run: Run): void {
  withExamples(
    program
      .command('status')
      .description('the board, the living agents, the killswitch, the last tick')
      .option('--watch', 'again and again, in place on a terminal; C-c ends it')
      .option('--interval <seconds>', 'with --watch: between two looks (else 2)', count)
      .option('--check', 'for monitors: one line; exit 69 when ticks have stopped for three intervals')
      .option('--notify', 'with --check: tell the channels of the configuration, once each time')
      .action((o) => run(async (c) => (await import('../commands/status.ts')).status(c, o))),
    ['mc-pickup status', 'now'],
    ['mc-pickup status --watch', 'as it changes'],
    ['mc-pickup status --check', 'do ticks still come? 0 or 69'],
    ['mc-pickup status --json', 'for a script'],
  );
  withExamples(
    program
      .command('explain')
      .description('what happened to a ticket, and why it is not running now')
      .argument('<ticket>')
      .action((id) => run(async (c) => (await import('../commands/explain.ts')).explain(c, id))),
    ['mc-pickup explain MC-1', 'its history, and what the next tick would do with it'],
  );
  withExamples(
    program
      .command('log')
      .description('what happened on the board: the newest, in the order of time')
      .option('--ticket <ticket>', 'of this ticket only')
      .option('--kind <kind>', 'such as retry, heal, report; may be repeated', collect)
      .option('--because <reason>', 'such as agent_dead')
      .option('--actor <who>', 'a person, tick or run (of any name), or one of them by its whole name')
      .option('--run <run>', 'of this run only')
      .option('--since <time>', '2h, 7d, or 2026-11-25T10:00Z')
      .option('--until <time>', 'the same')
      .option('--follow', 'go on as things happen')
      .option(
        '--limit <n>',
        'at most so many that fit (else 50; 10000 where more is asked for than the newest)',
        count,
      )
      .action((o) => run(async (c) => (await import('../commands/log.ts')).log(c, o))),
    ['mc-pickup log --follow', 'as it happens'],
    ['mc-pickup log --ticket MC-1 --limit 200', 'of one ticket'],
    ['mc-pickup log --kind retry --kind heal --since 24h', 'what went wrong today'],
    ['mc-pickup log --actor tick --because agent_dead --follow', 'each death that a tick finds'],
  );
  withExamples(
    program
      .command('attach')
      .description("the agent's own terminal")
      .argument('<ticket>')
      .option('--read-only', 'look on: no key reaches the agent')
      .option('--window', 'inside tmux: in a new window of it')
      .action((id, o) => run(async (c) => (await import('../commands/attach.ts')).attach(c, id, o))),
    ['mc-pickup attach MC-1', 'leave it again with C-b d (in tmux C-b C-b d): the agent works on'],
    ['mc-pickup attach MC-1 --window', 'in tmux: beside what you do'],
  );
  withExamples(
    program
      .command('diff')
      .description("what the agent's branch has changed against its base, and what is not committed yet")
      .argument('<ticket>')
      .option('--stat', 'commits and files only')
      .action((id, o) => run(async (c) => (await import('../commands/diff.ts')).diff(c, id, o))),
    ['mc-pickup diff MC-1', "in git's own pager on a terminal"],
    ['mc-pickup diff MC-1 --stat', 'which commits, which files'],
  );
  withExamples(
    program
      .command('transcript')
      .description('the conversation of a run, as far as its client records it')
      .argument('<ticket>')
      .option('--run <run>', 'of this run (else the newest)')
      .option('--follow', 'go on until the run ends')
      .action((id, o) => run(async (c) => (await import('../commands/transcript.ts')).transcript(c, id, o))),
    ['mc-pickup transcript MC-1', 'who said and did what, and when'],
    ['mc-pickup transcript MC-1 --follow', 'read along, with or without a terminal of its own'],
  );
  withExamples(
    program
      .command('page')
      .description(
        'the board, its runs, what they used and how ticks went, as one HTML file without a script',
      )
      .requiredOption('--out <file>', 'where; - for stdout')
      .option('--days <n>', 'how many days back', count, 14)
      .action((o) => run(async (c) => (await import('../commands/page.ts')).page(c, o))),
    ['mc-pickup page --out ~/board.html', 'then open it in a browser'],
    ['mc-pickup page --out board.html --days 2', 'with throughput by the hour'],
  );
}
