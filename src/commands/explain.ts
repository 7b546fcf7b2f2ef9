import { ticketOrFail, withMade } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import type { Context } from '../context.ts';
import { readSwitches } from '../machine/killswitch.ts';
import { EXPLAINED_TICKS } from '../model/activity.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { leftoverFacts } from '../model/leftover.ts';
import type { Runtime } from '../model/runtime.ts';
import type { Ticket } from '../model/ticket.ts';
import { blocks, type Switch } from '../model/world.ts';
import { explainedLines } from '../report/explain.ts';
import { historyOf } from '../report/history.ts';
import { runJson } from '../report/run.ts';
import { runDir } from '../runs/dirs.ts';
import { endedRow, leftoversOf } from '../runs/leftovers.ts';
import { outputOf } from '../runs/output.ts';
import { notComing } from '../status/in-vain.ts';
import { nextOf } from '../tick/next.ts';

/** The newest lines of a ticket's log that are shown. */
const MOST_LINES = 200;
const MOST_RUNS = 50;

/** What happened to a ticket in order, and what a tick would do with it now: the very plan, made without hands. */
export async function explain(context: Context, id: string): Promise<ExitCode> {
  return withMade(context, async (board, opened) => {
    const ticket = await ticketOrFail(opened, id);
    const past = await pastOf(board, ticket);
    const { steps, skips, live } = await nextOf(context, board, ticket.id);
    const [newest] = past.runs;
    const sent =
      newest === undefined
        ? null
        : await board.lastDelivery({
            run: newest.id,
            kinds: ['prompt', 'send', 'answer', 'nudge', 'permission'],
          });
    const leftovers = (await leftoversOf(context.places.state, endedRow(board, ticket.id))).map(
      leftoverFacts,
    );
    const in_vain = ticket.status === 'todo' ? await notComing(board, ticket.depends_on) : [];
    const switches = ticket.status === 'todo' ? switchesOn(context, ticket, newest) : [];
    if (context.json) {
      const { history, runs, told, reviews, words } = past;
      const next = { steps, skipped: skips };
      context.out.json({
        ticket,
        history,
        runs: runs.map(runJson),
        told,
        reviews,
        words,
        next,
        leftovers,
        in_vain,
      });
      return EXIT.ok;
    }
    const printed = newest === undefined ? null : outputOf(runDir(context.places.runs, newest.mark));
    const all = { ticket, ...past, sent, steps, skips, live, leftovers, in_vain, switches, printed };
    for (const line of explainedLines(all, context, Date.now())) context.out.painted(line);
    return EXIT.ok;
  });
}

/** Those that cover its project, or the profile that it goes to as far as that is known: its own, or that of its newest run. */
function switchesOn({ places, env }: Context, ticket: Ticket, newest: Runtime | undefined): Switch[] {
  const agent = ticket.owner ?? ticket.agent ?? newest?.agent;
  return readSwitches(places, env, Date.now()).filter((one) => blocks([one], ticket.project, agent) !== null);
}

async function pastOf(board: Board, ticket: Ticket) {
  const [history, runs, ticks, reviews, words] = await Promise.all([
    board.activity({ ticket: ticket.id, limit: MOST_LINES }),
    board.runtimesOf({ ticket: ticket.id, limit: MOST_RUNS }),
    board.ticksAbout({ ticket: ticket.id, limit: EXPLAINED_TICKS }),
    board.reviews([ticket.id]),
    board.words(ticket.id),
  ]);
  const since = history.length < MOST_LINES ? Number.NEGATIVE_INFINITY : (history[0]?.at_ms ?? 0);
  // What ticks said before the first line that is shown belongs to nothing that is.
  const told = historyOf(
    history,
    runs,
    ticks.filter(({ at_ms }) => at_ms >= since),
  );
  return { history, runs, told, reviews: reviews ?? [], words };
}
