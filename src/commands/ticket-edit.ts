import { ticketOrFail, withBoard } from '../board/open.ts';
import type { TicketEdit } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import { byNow, type Context } from '../context.ts';
import { type ExitCode, usageError } from '../model/errors.ts';
import { oneLine } from '../model/text.ts';
import { editedNames } from './names.ts';
import { readBody } from './texts.ts';
import { knownTickets, shown, warnUnknown, won } from './ticket.ts';

interface EditOptions {
  readonly title?: string;
  readonly body?: string;
  readonly file?: string;
  readonly project?: string;
  readonly agent?: string;
  readonly owner?: string;
  readonly priority?: number;
  readonly label?: readonly string[];
  readonly dependsOn?: readonly string[];
}

/** Changes what is given, and nothing else. */
export async function edit(context: Context, id: string, o: EditOptions): Promise<ExitCode> {
  const body = readBody(o.body, o.file);
  const change: TicketEdit = {
    ...(o.title === undefined ? {} : { title: oneLine(o.title, 300) }),
    ...(body === null ? {} : { body }),
    ...(o.priority === undefined ? {} : { priority: o.priority }),
    ...editedNames(o),
  };
  if (Object.keys(change).length === 0)
    throw usageError('nothing to change: see mc-pickup ticket edit --help');
  if (change.title === '') throw usageError('--title is empty');
  return withBoard(context, async (board, opened) => {
    const ticket = await ticketOrFail(opened, id);
    await knownTickets(board, change.depends_on ?? []);
    const { id: seen, version } = ticket;
    won(await board.edit({ ticket: seen, version, change }, byNow(context)), ticket);
    if (change.project !== undefined || change.agent != null)
      warnUnknown(context, loadPolicy(context.places.config, context.env).policy, ticket.id, change);
    return shown(context, opened, ticket.id);
  });
}
