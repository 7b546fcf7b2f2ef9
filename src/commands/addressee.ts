/*
 * The living agent of a ticket, as commands that talk to it know it: its client, whether it lives, and how a text gets to it.
 */
import { deliver } from '../act/deliver/index.ts';
import type { Delivered, Delivery } from '../act/deliver/ledger.ts';
import { type Adapter, adapterOf } from '../agents/index.ts';
import type { OpenedBoard } from '../board/open.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import { busyError, EXIT, type ExitCode, UserError, unavailableError } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import type { Ticket } from '../model/ticket.ts';
import { type Client, clientOf } from '../runs/program.ts';
import { kindOf } from '../runs/run-file.ts';
import { judgeRow } from '../runs/sighting.ts';

/** Busy means alive: the runtime is named, and nothing was sent. Exit 75. */
export class RuntimeBusyError extends UserError {
  override readonly name = 'RuntimeBusyError';
  constructor(ticket: string, row: Runtime, why: string) {
    super(
      EXIT.busy,
      `RuntimeBusyError: the agent of ${ticket} is ${why} (run ${row.id}, pid ${row.pid}); nothing was sent, try again later or attach`,
    );
  }
}

/** The adapter of the client that the run was launched with. */
export function adapterFor(row: Runtime, { places, env }: Context): Adapter {
  const { policy } = loadPolicy(places.config, env);
  return adapterOf(kindOf(row, places, policy));
}

/** What is known of the client of this run. */
export function clientFor(row: Runtime, { places, env }: Context): Client {
  return clientOf(row, loadPolicy(places.config, env).policy.agents.get(row.agent), env);
}

export function verdictOf(row: Runtime, { places }: Context): string {
  return judgeRow(row, lookAtSelf(hostId(places.state) ?? ''))?.verdict ?? 'launching';
}

/** By the pane, or by the server that has started this runtime. */
export function handOver(
  context: Context,
  { board, starter }: OpenedBoard,
  one: Omit<Delivery, 'adapter' | 'client'>,
): Promise<Delivered> {
  const { tmux, places } = context;
  const [adapter, client] = [adapterFor(one.row, context), clientFor(one.row, context)];
  return deliver({ board, tmux, places, starter }, { ...one, adapter, client });
}

/** What became of it, for people and in JSON; what did not reach the pane is an error with its exit code. */
export function said(context: Context, ticket: Ticket, row: Runtime, sent: Delivered): ExitCode {
  const { out, json } = context;
  switch (sent.outcome) {
    case 'busy':
      throw new RuntimeBusyError(ticket.id, row, sent.why);
    case 'open':
      throw busyError(
        `${sent.why}; nothing was sent: look with mc-pickup attach ${ticket.id}, or send it in other words`,
      );
    case 'refused':
      throw unavailableError(`nothing was sent to ${ticket.id}: ${sent.why}`);
  }
  if (json) {
    const { outcome, delivery } = sent;
    out.json({ ticket: ticket.id, run: row.id, delivery, outcome });
  } else if (sent.outcome === 'delivered')
    out.line(
      `${ticket.id}: delivered${sent.earlier ? ' before: it was not sent again' : ''}${leftWords(ticket, sent)}`,
    );
  else if (sent.held)
    out.line(
      `${ticket.id}: indeterminate: pasted, but a dialog opened before Enter, which was not pressed; answer it with mc-pickup attach ${ticket.id}`,
    );
  else
    out.line(
      `${ticket.id}: indeterminate: pasted, but the agent has not acknowledged it; look with mc-pickup attach ${ticket.id} before you send it again${leftWords(ticket, sent)}`,
    );
  return sent.outcome === 'delivered' ? EXIT.ok : EXIT.indeterminate;
}

function leftWords({ id }: Ticket, { left }: { readonly left?: boolean }): string {
  return left === true
    ? `; a text stands where it takes one, and had no Enter: the next is refused until it is gone (mc-pickup attach ${id})`
    : '';
}
