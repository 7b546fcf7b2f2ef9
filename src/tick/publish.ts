import { withBoard } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import type { Context } from '../context.ts';
import { readSwitches } from '../machine/killswitch.ts';
import { lookAtSelf } from '../machine/process.ts';
import { takeTurn } from '../machine/take.ts';
import type { Policy } from '../model/policy.ts';
import type { PublishOptions } from '../publish/index.ts';
import { isTerminal } from '../report/terminal.ts';

import type { PublishReport } from '../report/tick.ts';
import type { TickResult } from './save.ts';
import type { Wish } from './words.ts';

/** What a pass over the tickets in review goes by; null = no project wants one. */
export function reviewOptions(
  policy: Policy,
  { dispatch, project }: Wish,
  { world: { now_ms, switches } }: Pick<TickResult, 'world'>,
): PublishOptions | null {
  if (!dispatch || [...policy.projects.values()].every(({ review }) => review === null)) return null;
  return { policy, switches, project: project ?? null, now_ms, before_ms: now_ms };
}

/** What that pass would bring on its way out. Reads the board alone; null = no project wants any. */
export async function dueReviews(
  board: Board,
  options: PublishOptions | null,
): Promise<PublishReport[] | null> {
  if (options === null) return null;
  const { plannedPublish } = await import('../publish/index.ts');
  return (await plannedPublish(board, options)).map(({ ticket, because, does }) => ({
    ...{ ticket: ticket.id, because, does },
  }));
}

const PUBLISHING = {
  name: 'the lock of those that publish',
  goesOn: 'this one',
  stands: 'nothing in review is published',
};

/** The pass of a tick over what is in review, which takes `bound_ms` at most. Beside another one it does nothing: that one does the same. */
export async function publishInTurn(
  context: Context,
  host_id: string,
  options: PublishOptions,
  bound_ms: number,
): Promise<void> {
  const { publishPass } = await import('../publish/index.ts');
  const lock = await takeTurn({
    ...{ file: context.places.publishing, words: PUBLISHING, me: lookAtSelf(host_id) },
    ...{ what: 'dispatch', bound_ms, warn: (text) => context.out.warn(text) },
  });
  if (lock === null) return;
  try {
    await withBoard(context, async (board) => {
      const { env, out } = context;
      const switchesNow = () => readSwitches(context.places, env, Date.now());
      const told = await publishPass({
        ...{ ...options, switchesNow, board, host_id, clock: Date.now, env },
        placed: context.places.placed,
      });
      for (const { ticket, text, failed } of told.filter(({ news }) => news)) {
        if (failed) out.warn(`${ticket}: not published: ${text}`);
        else if (isTerminal(1) && !context.json) out.line(`${ticket}: ${text}`);
      }
    });
  } finally {
    lock.release();
  }
}
