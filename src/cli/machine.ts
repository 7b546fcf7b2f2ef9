import type { Command } from 'commander';
import { count, type Run, withExamples } from './define.ts';

/** The machine around it: what is wrong, what is kept. */
export function defineMachine(program: Command, run: Run): void {
  withExamples(
    program
      .command('doctor')
      .description('what is missing or wrong on this machine, each with what to do about it')
      .action(() => run(async (c) => (await import('../commands/doctor.ts')).doctor(c))),
    ['mc-pickup doctor', 'before the first tick, and whenever nothing is launched'],
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
}
