import type { Command } from 'commander';
import { collect, count, priority, type Run, withExamples } from './define.ts';

/** Tickets on the board. */
export function defineTicket(program: Command, run: Run): void {
  const ticket = program.command('ticket').description('tickets on the board');
  const load = async () => await import('../commands/ticket.ts');
  withExamples(
    ticket
      .command('add')
      .description('put a ticket on the board; the body from --body, --file or stdin')
      .requiredOption('--title <text>', 'one line')
      .option('--body <text>', 'what is to be done')
      .option('--file <file>', 'read the body from a file; - for stdin')
      .option('--project <name>', 'else the default project')
      .option('--agent <name>', 'the profile that works on it')
      .option('--owner <name>', 'a profile, or a person whose ticket no tick touches')
      .option('--priority <0-4>', '0 is the most urgent', priority, 2)
      .option('--label <label>', 'may be repeated', collect, [])
      .option('--depends-on <ticket>', 'may be repeated', collect, [])
      .option('--author <name>', 'in the name of somebody else, who is not trusted by that')
      .action((o) => run(async (c) => (await load()).add(c, o))),
    ['mc-pickup ticket add --title "Fix the login" --body "The form loses the cookie."', 'one ticket'],
    [
      'mc-pickup ticket add --project shop --title "Port to ESM" --file plan.md --priority 1',
      'its body from a file',
    ],
    ['mc-pickup ticket add --title "Then the docs" --depends-on MC-1', 'waits until MC-1 is done'],
  );
  withExamples(
    ticket
      .command('list')
      .description('tickets in the order in which they came')
      .option('--status <status>', 'may be repeated', collect, [])
      .option('--project <name>', 'of this project only')
      .option('--limit <n>', 'at most', count, 200)
      .action((o) => run(async (c) => (await load()).list(c, o))),
    ['mc-pickup ticket list --status needs_input --status blocked', 'what waits for a person'],
  );
  withExamples(
    ticket
      .command('show')
      .description('one ticket, whole')
      .argument('<ticket>')
      .action((id) => run(async (c) => (await load()).show(c, id))),
    ['mc-pickup ticket show MC-1', 'its text and its state'],
  );
  withExamples(
    ticket
      .command('edit')
      .description('change what is named, and nothing else')
      .argument('<ticket>')
      .option('--title <text>', 'one line')
      .option('--body <text>', 'what is to be done')
      .option('--file <file>', 'read the body from a file; - for stdin')
      .option('--project <name>', 'another project')
      .option('--agent <name>', '"" for none')
      .option('--owner <name>', '"" for none')
      .option('--priority <0-4>', '0 is the most urgent', priority)
      .option('--label <label>', 'replaces all; may be repeated; "" for none', collect)
      .option('--depends-on <ticket>', 'replaces all; may be repeated; "" for none', collect)
      .action((id, o) => run(async (c) => (await load()).edit(c, id, o))),
    ['mc-pickup ticket edit MC-1 --priority 0', 'the next in line'],
    ['mc-pickup ticket edit MC-1 --owner ann', "a person's: no tick touches it"],
  );
  withExamples(
    ticket
      .command('move')
      .description('put a ticket into another status; to todo that is trust, and clears its attempts')
      .argument('<ticket>')
      .argument('<status>', 'todo, needs_input, in_progress, in_review, done, cancelled or blocked')
      .option('--why <text>', 'recorded with the move', '')
      .action((id, status, o) => run(async (c) => (await load()).move(c, id, status, o))),
    ['mc-pickup ticket move MC-1 done', 'accepted'],
    ['mc-pickup ticket move MC-1 todo --why "the key is there now"', 'once more, with its attempts at zero'],
  );
  withExamples(
    ticket
      .command('comment')
      .description('add a comment')
      .argument('<ticket>')
      .argument('<text...>')
      .action((id, words) => run(async (c) => (await load()).comment(c, id, words))),
    ['mc-pickup ticket comment MC-1 "Mind the old clients."', 'kept with the ticket'],
  );
}
