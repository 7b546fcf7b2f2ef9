import { withBoard } from '../board/open.ts';
import { loadPolicy } from '../config/load.ts';
import { actorOf, type Context } from '../context.ts';
import { EXIT, type ExitCode, usageError } from '../model/errors.ts';
import { oneLine } from '../model/text.ts';
import { dependenciesOf, labelsOf, nameOf } from './names.ts';
import { pipedBody, readBody } from './texts.ts';
import { defaultProject, knownTickets, warnUnknown } from './ticket.ts';

interface AddOptions {
  readonly title: string;
  readonly body?: string;
  readonly file?: string;
  readonly project?: string;
  readonly agent?: string;
  readonly owner?: string;
  readonly priority: number;
  readonly label: readonly string[];
  readonly dependsOn: readonly string[];
  readonly author?: string;
}

/** Puts a ticket on the board. A person's ticket is trusted; one that an agent adds is not. */
export async function add(context: Context, o: AddOptions): Promise<ExitCode> {
  const title = oneLine(o.title, 300);
  if (title === '') throw usageError('--title is empty: say in one line what is to be done');
  const body = readBody(o.body, o.file) ?? pipedBody();
  const { policy } = loadPolicy(context.places.config, context.env);
  const names = {
    labels: labelsOf(o.label),
    agent: o.agent === undefined ? null : nameOf('--agent', o.agent),
    owner: o.owner === undefined ? null : nameOf('--owner', o.owner),
    project: o.project === undefined ? defaultProject(policy, context) : nameOf('--project', o.project),
    depends_on: dependenciesOf(o.dependsOn),
  };
  const author = o.author === undefined ? actorOf(context) : nameOf('--author', o.author);
  const trusted = context.caller.kind === 'person' && o.author === undefined;
  return withBoard(context, async (board) => {
    await knownTickets(board, names.depends_on);
    const ticket = await board.addTicket(
      {
        title,
        body,
        status: 'todo',
        priority: o.priority,
        ...names,
        author,
        trusted,
      },
      { now_ms: Date.now() },
    );
    warnUnknown(context, policy, ticket.id, names);
    if (context.json) context.out.json(ticket);
    else context.out.line(`${ticket.id} ${ticket.title}`);
    return EXIT.ok;
  });
}
