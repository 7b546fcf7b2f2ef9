/* What the commands about one ticket have in common. */

import { type OpenedBoard, ticketOrFail } from '../board/open.ts';
import type { Board, By, Cas, MoveRequest } from '../board/port/index.ts';
import type { Context } from '../context.ts';
import { busyError, configError, EXIT, type ExitCode, usageError } from '../model/errors.ts';
import { hint } from '../model/hint.ts';
import { brokenLine, type Policy } from '../model/policy.ts';
import type { Ticket } from '../model/ticket.ts';
import { ticketLine } from '../report/ticket.ts';

/** The project of a ticket that names none. */
export function defaultProject(policy: Policy, { places }: Context): string {
  if (policy.broken.length > 0)
    throw configError(
      `no --project is given, and the configuration that may have a default can't be used: ${brokenLine(policy)}`,
    );
  if (policy.default_project !== null) return policy.default_project;
  const known = [...policy.projects.keys()];
  throw usageError(
    known.length === 0
      ? `name a project with --project: ${places.config} has none yet (mc-pickup init --project adds the repository you stand in)`
      : `name a project with --project (${known.join(', ')}): ${places.config} has no default_project`,
  );
}

/** A ticket that no tick will launch as things stand is added all the same, and its author is told. */
export function warnUnknown(
  { out, places }: Context,
  policy: Policy,
  id: string,
  o: { readonly project?: string; readonly agent?: string | null },
): void {
  if (policy.broken.length > 0) {
    out.warn(`the configuration can't be used, and ${id} waits until it is mended: ${brokenLine(policy)}`);
    return;
  }
  const missing = (kind: string, name: string, known: readonly string[]): void => {
    out.warn(`no ${kind} "${name}" in ${places.config}${hint(name, known)}: ${id} will be skipped`);
  };
  if (o.project !== undefined && !policy.projects.has(o.project))
    missing('project', o.project, [...policy.projects.keys()]);
  if (o.agent != null && !policy.agents.has(o.agent))
    missing('agent profile', o.agent, [...policy.agents.keys()]);
}

/** Prints the ticket as it is now. */
export async function shown(context: Context, opened: OpenedBoard, id: string): Promise<ExitCode> {
  const ticket = await ticketOrFail(opened, id);
  if (context.json) context.out.json(ticket);
  else context.out.line(ticketLine(ticket));
  return EXIT.ok;
}

/** Moves a ticket as it was seen. */
export function moveAsSeen(
  board: Board,
  { id: ticket, version }: Ticket,
  to: Omit<MoveRequest, 'ticket' | 'version'>,
  by: By,
): Promise<Cas> {
  return board.move({ ticket, version, ...to }, by);
}

/** Keeps what a person says of a ticket. Its number. */
export function keepWords(board: Board, ticket: Ticket, text: string, by: By): Promise<number> {
  return board.keepAnswer({ ticket: ticket.id, text, author: by.actor }, by);
}

/** A lost write is told as what it is. */
export function won(result: Cas, ticket: Ticket): void {
  if (result === 'won') return;
  throw busyError(`${ticket.id} was changed by somebody else at the same moment: look, then try again`);
}

/** Refuses what a ticket is to depend on, where the board does not have it. */
export async function knownTickets(board: Board, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    if ((await board.ticket(id.toUpperCase())) === null)
      throw usageError(`--depends-on: no ticket "${id}"; see mc-pickup ticket list`);
  }
}
