import { type Command, Option } from 'commander';
import { collect, count, priority, type Run, withExamples } from './define.ts';

/** Tickets on the board. */
export function defineTicket(program: Command, run: Run): void {
  const ticket = program.command('ticket').description('tickets on the board');
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
      .action((o) => run(async (c) => (await import('../commands/ticket-add.ts')).add(c, o))),
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
      .option('--limit <n>', 'at most so many, the first that came', count, 200)
      .action((o) => run(async (c) => (await import('../commands/ticket-list.ts')).list(c, o))),
    ['mc-pickup ticket list --status needs_input --status blocked', 'what waits for a person'],
  );
  withExamples(
    ticket
      .command('show')
      .description('one ticket, whole')
      .argument('<ticket>')
      .action((id) => run(async (c) => (await import('../commands/ticket-show.ts')).show(c, id))),
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
      .action((id, o) => run(async (c) => (await import('../commands/ticket-edit.ts')).edit(c, id, o))),
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
      .option(
        '--dependants <what>',
        'with cancelled or blocked, what becomes of the tickets that depend on it: release (they wait no longer) or cancel',
      )
      .action((id, status, o) =>
        run(async (c) => (await import('../commands/ticket-move.ts')).move(c, id, status, o)),
      ),
    ['mc-pickup ticket move MC-1 done', 'accepted'],
    ['mc-pickup ticket move MC-1 todo --why "the key is there now"', 'once more, with its attempts at zero'],
    ['mc-pickup ticket move MC-1 cancelled --dependants release', 'what waited for it goes ahead without it'],
  );
  withExamples(
    ticket
      .command('approve')
      .description('accept what is in review; merging its pull request stays yours')
      .argument('<ticket>')
      .option('--message <text>', 'recorded with it')
      .action((id, o) => run(async (c) => (await import('../commands/review.ts')).approve(c, id, o))),
    ['mc-pickup ticket approve MC-4', 'it is done'],
  );
  withExamples(
    ticket
      .command('rework')
      .description('send what is in review back with comments: to its agent, or to the next attempt')
      .argument('<ticket>')
      .requiredOption('--message <text>', 'what is to be changed')
      .action((id, o) => run(async (c) => (await import('../commands/review.ts')).rework(c, id, o))),
    ['mc-pickup ticket rework MC-4 --message "The test misses the empty cart."', 'on the same branch'],
  );
  withExamples(
    ticket
      .command('merge')
      .description(
        'take the work of a ticket into the base of its repository, here; from review it is done then',
      )
      .argument('<ticket>')
      .option('--no-ff', 'by a merge commit, also where a fast-forward would do')
      .option('--push', 'and push the base, where the project pushes')
      .action((id, o) => run(async (c) => (await import('../commands/merge.ts')).merge(c, id, o))),
    ['mc-pickup ticket merge MC-4', 'never with conflicts, never into a checkout with changes'],
  );
  withExamples(
    ticket
      .command('publish')
      .description('push what is in review, and see to its pull request, now; a tick does it by itself')
      .argument('<ticket>')
      .action((id) => run(async (c) => (await import('../commands/publish.ts')).publish(c, id))),
    ['mc-pickup ticket publish MC-4', 'after what was in the way is mended'],
  );
  withExamples(
    ticket
      .command('comment')
      .description('add a comment')
      .argument('<ticket>')
      .argument('<text...>')
      .action((id, words) =>
        run(async (c) => (await import('../commands/ticket-comment.ts')).comment(c, id, words)),
      ),
    ['mc-pickup ticket comment MC-1 "Mind the old clients."', 'kept with the ticket'],
  );
  withExamples(
    ticket
      .command('import')
      .description('bring in tasks of other tools, each once; they wait until a person moves them to todo')
      .argument('[file]', 'Markdown, JSON Lines, CSV or a beads export; - for stdin')
      .addOption(
        new Option('--from <format>', "else told by the file's ending, or by what is in it").choices([
          'markdown',
          'jsonl',
          'csv',
          'beads',
          'github',
        ]),
      )
      .option('--project <name>', 'of tasks that name none; else the default project')
      .option('--label <label>', 'each gets it as well; may be repeated', collect, [])
      .option('--only <label>', 'only those that have it; may be repeated', collect, [])
      .option('--source <name>', "what the file is called in its tasks' sources; else its name")
      .option('--repo <owner/name>', 'of --from github; the token comes from GITHUB_TOKEN or GH_TOKEN')
      .option('--api-url <url>', 'of a GitHub Enterprise server')
      .option('--limit <n>', 'of --from github: at most so many issues (1000)', count)
      .option('--update', 'also change those that are there, if no run has touched them')
      .option('--trust', "take the file's word: a person vouches for it")
      .option('--skip-bad', 'leave out what cannot be imported, in place of nothing at all')
      .option('--dry-run', 'show what would come in, and write nothing')
      .action((file, o) =>
        run(async (c) => (await import('../commands/import.ts')).importTickets(c, file, o)),
      ),
    ['mc-pickup ticket import plan.md --dry-run', 'what would come of a task list'],
    ['mc-pickup ticket import issues.jsonl --project shop', 'a beads export, or JSON Lines of any tool'],
    ['mc-pickup ticket import --from github --repo owner/name --only agents', 'the open issues with a label'],
  );
  withExamples(
    ticket
      .command('export')
      .description('write tickets as JSON Lines or CSV, which lose nothing, or as a Markdown task list')
      .argument('[file]', 'a file; - for stdout', '-')
      .addOption(
        new Option('--format <format>', 'how').choices(['jsonl', 'csv', 'markdown']).default('jsonl'),
      )
      .option('--status <status>', 'may be repeated', collect, [])
      .option('--project <name>', 'of this project only')
      .action((file, o) =>
        run(async (c) => (await import('../commands/export.ts')).exportTickets(c, file, o)),
      ),
    ['mc-pickup ticket export tickets.jsonl', 'every ticket, for ticket import on another board'],
    ['mc-pickup ticket export todo.csv --format csv --status todo', 'for a spreadsheet'],
  );
}
