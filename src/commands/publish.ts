import { ticketOrFail, withBoard } from '../board/open.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { noteHolder } from '../machine/holder.ts';
import { ensureHost } from '../machine/host.ts';
import { readSwitches } from '../machine/killswitch.ts';
import { lookAtSelf } from '../machine/process.ts';
import { COMMAND_BOUND_MS } from '../model/bounds.ts';
import {
  busyError,
  configError,
  EXIT,
  type ExitCode,
  unavailableError,
  usageError,
} from '../model/errors.ts';
import { brokenLine } from '../model/policy.ts';
import { handsOf, planPublish, publishOne } from '../publish/index.ts';
import { showing } from '../report/showing.ts';
import { locked } from '../tick/between.ts';

/** `ticket publish`: now, whatever failed before and however often. */
export async function publish(context: Context, id: string): Promise<ExitCode> {
  const { policy } = loadPolicy(context.places.config, context.env);
  if (policy.broken.length > 0) throw configError(`the configuration can't be used: ${brokenLine(policy)}`);
  return withBoard(context, async (board, opened) => {
    const ticket = await ticketOrFail(opened, id);
    if (ticket.status !== 'in_review')
      throw usageError(`${ticket.id} is ${ticket.status}: only what is in review is published`);
    if (policy.projects.get(ticket.project)?.review == null)
      throw usageError(
        `${ticket.id}: ${context.places.config} has no [project.${ticket.project}.review] that says what to do`,
      );
    const host_id = ensureHost(context);
    const work = async () => {
      noteHolder(context.places.publishing, lookAtSelf(host_id), 'ticket publish', COMMAND_BOUND_MS);
      const rows = await board.reviews([ticket.id]);
      if (rows === null)
        throw unavailableError('the server of this board keeps no reviews: it speaks an older contract');
      const now_ms = Date.now();
      // As if it were due: everything that is still to do is done now.
      const due = rows.map((row) => ({ ...row, ticket_version: -1, attempts: 0 }));
      const switches = readSwitches(context.places, context.env, now_ms);
      const world = { tickets: [ticket], rows: due, policy, switches, project: null };
      const [step] = planPublish({ ...world, now_ms, before_ms: Number.POSITIVE_INFINITY });
      if (step === undefined)
        throw usageError(
          `${ticket.id}: there is nothing to do (a killswitch is on, or its pull request has come to its end)`,
        );
      const { env, places } = context;
      const hands = handsOf({ board, host_id, clock: Date.now, policy, env, placed: places.placed });
      const told = await publishOne(step, hands);
      if (told === null)
        throw busyError(
          `${ticket.id} was changed at the same moment, or its work is on another host: nothing was done`,
        );
      const { text, failed } = told;
      if (context.json) context.out.json({ ticket: ticket.id, published: !failed, text });
      else context.out.line(`${ticket.id}: ${text}`);
      return failed ? EXIT.unavailable : EXIT.ok;
    };
    return showing(context, 'publishing', () =>
      locked(context.places.publishing, 'a tick is publishing', work),
    );
  });
}
