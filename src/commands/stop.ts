import { ticketOrFail, withBoard } from '../board/open.ts';
import { actorOf, byNow, type Context } from '../context.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import { busyError, EXIT, type ExitCode, UserError, unavailableError, usageError } from '../model/errors.ts';
import { leftoverFacts, leftoverWords } from '../model/leftover.ts';
import type { RunEnd } from '../model/plan.ts';
import { identityOf } from '../model/runtime.ts';
import type { TicketStatus } from '../model/ticket.ts';
import { endedRow, leftoversOf } from '../runs/leftovers.ts';
import { removeMark } from '../runs/marks.ts';
import { judgeRow } from '../runs/sighting.ts';
import { endLeftovers, stopProcess } from '../runs/stop.ts';
import { betweenTicks } from '../tick/between.ts';
import { moveAsSeen } from './ticket.ts';

interface Options {
  /** Seconds between the signals. */
  readonly grace: number;
  /** Signals nothing: a person vouches that the agent, which cannot be judged from here, is gone. */
  readonly release?: boolean;
  /** Not the agent: what runs of the ticket that have ended left behind. */
  readonly leftovers?: boolean;
}

/** The one command that ends processes. The ticket then waits for a person (`needs_input`, reason `stopped`). */
export async function stop(context: Context, id: string, o: Options): Promise<ExitCode> {
  if (o.leftovers === true) return stopLeftovers(context, id, o);
  return withBoard(context, (board, opened) =>
    betweenTicks(context, `ending the agent of ${id.toUpperCase()}`, async () => {
      const ticket = await ticketOrFail(opened, id);
      const row = await board.liveRuntime(ticket.id);
      if (row === null)
        throw unavailableError(
          `${ticket.id} has no living agent, there is nothing to end; see mc-pickup explain ${ticket.id}, or keep ticks off it with mc-pickup ticket move ${ticket.id} blocked`,
        );
      const self = lookAtSelf(hostId(context.places.state) ?? '');
      const identity = identityOf(row);
      const verdict = judgeRow(row, self)?.verdict ?? 'launching';
      const beyond = verdict === 'unknown' || verdict === 'not_mine';
      if (o.release === true && verdict === 'alive') {
        throw usageError(
          `the agent of ${ticket.id} is alive (pid ${row.pid}): mc-pickup stop ${ticket.id} ends it`,
        );
      }
      if (o.release !== true && (beyond || identity === null)) {
        throw unavailableError(
          beyond
            ? `the agent of ${ticket.id} can't be judged from here (${verdict}): nothing was done. If you know that process ${row.pid} of host ${row.host_id} is gone, mc-pickup stop ${ticket.id} --release frees the ticket`
            : `${ticket.id} is being launched: wait for the launch deadline, or free it with mc-pickup stop ${ticket.id} --release`,
        );
      }
      // The ticket first: if this command is cut off half-way, no tick takes the death for a failure and launches
      // again. Should the agent survive, the next tick puts the ticket back to `in_progress`.
      const held = ticket.status === 'in_progress' || ticket.status === 'todo';
      const waits = { to: 'needs_input', why: 'stopped', trusted: false } as const;
      if (held && (await moveAsSeen(board, ticket, waits, byNow(context))) === 'lost') {
        throw busyError(`${ticket.id} was changed at the same moment: nothing was ended, look and try again`);
      }
      // Of a dead one the client may live on, or what it has started.
      if (!beyond && identity !== null) {
        const { ended } = await stopProcess({ identity, mark: row.mark, self, graceMs: o.grace * 1000 });
        if (judgeRow(row, self)?.verdict !== 'dead') {
          throw new UserError(
            EXIT.partial,
            `process ${identity.pid} of ${ticket.id} did not end; the next tick puts the ticket back to in_progress`,
          );
        }
        if (!ended)
          context.out.warn(
            `the agent of ${ticket.id} has ended, but something that it started has not: look for MC_RUN_ID=${row.mark}`,
          );
      }
      const end_reason = o.release === true ? 'released' : 'stopped';
      const end: RunEnd = { end_reason, exit_code: null, exit_signal: null };
      const runtime = { run: row.id, version: row.version };
      if ((await board.end({ runtime, end }, byNow(context))) === 'lost') {
        throw new UserError(
          EXIT.partial,
          `the run of ${ticket.id} was changed at the same moment; the next tick tidies up`,
        );
      }
      removeMark(context.places.marks, ticket.id, row.mark);
      if (context.json) context.out.json({ ticket: ticket.id, run: row.id, stopped: true });
      else
        context.out.line(
          `${ticket.id}: ${o.release === true ? 'released, nothing was signalled' : 'agent ended'}; ${thenOf(held ? 'needs_input' : ticket.status, ticket.id)}`,
        );
      return EXIT.ok;
    }),
  );
}

/** What a person can do next; what is in review or done is not told to be done once more. */
function thenOf(status: TicketStatus, id: string): string {
  switch (status) {
    case 'in_review':
      return `the ticket stays in_review (mc-pickup diff ${id}, then mc-pickup ticket approve ${id} or ticket rework)`;
    case 'needs_input':
    case 'todo':
    case 'in_progress':
      return `the ticket waits for you (mc-pickup ticket move ${id} todo)`;
    default:
      return `the ticket stays ${status}`;
  }
}

/** Ends what is left of the runs of a ticket that have ended. Its agent, if one lives, is another run's. */
async function stopLeftovers(context: Context, id: string, o: Options): Promise<ExitCode> {
  if (o.release === true) throw usageError('give --leftovers or --release, not both');
  const { out, json, places } = context;
  return withBoard(context, (board, opened) =>
    betweenTicks(context, `ending what ${id.toUpperCase()} has left`, async () => {
      const ticket = await ticketOrFail(opened, id);
      const ended = await leftoversOf(places.state, endedRow(board, ticket.id));
      const left = await endLeftovers(ended, places.state, o.grace * 1000);
      const gone = ended.filter((one) => !left.includes(one));
      const actor = actorOf(context);
      for (const one of gone)
        await board.log({
          ...{ at_ms: Date.now(), ticket_id: ticket.id, run_id: one.run, actor },
          ...{ kind: 'cleaned', because: 'leftover', text: leftoverWords(leftoverFacts(one)) },
        });
      if (json)
        out.json({ ticket: ticket.id, ended: gone.map(leftoverFacts), left: left.map(leftoverFacts) });
      else {
        if (ended.length === 0) out.line(`${ticket.id}: its runs have left no process`);
        for (const one of gone) out.line(`${ticket.id}: ended ${leftoverWords(leftoverFacts(one))}`);
        for (const one of left) out.warn(`${ticket.id}: did not end: ${leftoverWords(leftoverFacts(one))}`);
      }
      return left.length === 0 ? EXIT.ok : EXIT.partial;
    }),
  );
}
