import type { Board } from '../board/port.ts';
import type { Policy } from '../model/policy.ts';
import type { PublishOptions } from '../publish/index.ts';
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
