import { withBoard } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import type { Context } from '../context.ts';
import type { Runtime } from '../model/runtime.ts';
import { oneLine } from '../model/text.ts';
import { compareCommons, lookAtCommons } from '../workspace/commons.ts';
import {
  forgetCommons,
  noteCompared,
  noteLeft,
  readCommons,
  writeCommons,
} from '../workspace/commons-notes.ts';
import { notedRuns } from '../workspace/noted.ts';
import type { Shared } from '../workspace/turn.ts';

const ACTOR = 'mc-pickup';
const MOST_TEXT = 1500;

/** Compares what runs have in common with how it was when they began, and says on their tickets what is other. Of a run that
 *  lives, what was said is not said again. */
export async function tellChanges(context: Context, signal: AbortSignal): Promise<void> {
  const { places } = context;
  const asked = new Map<string, Shared>();
  await withBoard(context, async (board) => {
    const live = new Map((await board.liveRuntimes()).map((row) => [row.mark, row]));
    for (const run of notedRuns(places.commons)) {
      if (signal.aborted) return;
      await tellOne(run, { live: live.get(run) ?? null, board, places, asked, signal });
    }
    noteCompared(places.commons);
  });
}

interface Telling {
  /** The row of a run that has not ended. */
  readonly live: Runtime | null;
  readonly board: Board;
  readonly places: Context['places'];
  /** What several runs ask of one repository alike. */
  readonly asked: Map<string, Shared>;
  readonly signal: AbortSignal;
}

async function tellOne(run: string, { live, board, places, asked, signal }: Telling): Promise<void> {
  const before = readCommons(places.commons, run);
  const row = live ?? (await board.runtimeByMark(run));
  if (before === null || row?.ticket_id == null) return forgetCommons(places.commons, run);
  const now = await lookAtCommons(before.common, Date.now());
  const shared = asked.get(before.common) ?? new Map();
  asked.set(before.common, shared);
  const ours = { notes: places.commons, apart: places.state, shared };
  const { says, config } = await compareCommons(before, now, ours);
  if (signal.aborted) return;
  if (config.length > 0)
    noteLeft(places.commons, {
      common: before.common,
      at_ms: now.at_ms,
      ticket: row.ticket_id,
      changes: config,
    });
  if (says.length > 0)
    await board.log({
      ...{ at_ms: now.at_ms, ticket_id: row.ticket_id, run_id: row.id, actor: ACTOR, kind: 'warning' },
      because: 'changed_during_run',
      text: oneLine(`changed during the run, by whomever: ${says.join('; ')}`, MOST_TEXT),
    });
  if (live === null) forgetCommons(places.commons, run);
  else if (says.length > 0) writeCommons(places.commons, run, now);
}
