import { monotonicMs } from '../clock.ts';
import { loadPolicy } from '../config/load.ts';
import { decide } from '../decide/index.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { observe } from '../observe.ts';
import { sentence } from '../report/sentences.ts';
import { oneLine } from '../text.ts';
import { type Context, ticketOrFail, withReader } from './context.ts';
import { activityLine } from './log.ts';
import { ticketLine } from './ticket.ts';

/** What happened to a ticket in order, and what a tick would do with it now: the very plan, made without hands. */
export async function explain(context: Context, id: string): Promise<ExitCode> {
  return withReader(context, async (board) => {
    const ticket = await ticketOrFail(board, id, context);
    const { policy } = loadPolicy(context.places.config, context.env);
    const world = await observe({
      places: context.places,
      board,
      tmux: context.tmux,
      policy,
      project: null,
      env: context.env,
      now_ms: Date.now(),
      mono_ms: monotonicMs(),
      also: [ticket.id],
      repair: false,
    });
    const plan = decide(world, policy, { dispatch: true, max: null, project: null });
    const steps = [...plan.reconcile, ...plan.dispatch].filter((step) => step.ticket === ticket.id);
    const claimed = (await board.liveRuntime(ticket.id))?.claimed_at_ms;
    const since = claimed === undefined ? {} : { since: new Date(claimed).toISOString() };
    const skips = plan.skipped
      .filter((skip) => skip.ticket === ticket.id)
      .map((skip) =>
        skip.because === 'launching' ? { ...skip, evidence: { ...skip.evidence, ...since } } : skip,
      );
    const history = await board.activity({ ticket: ticket.id, limit: 200 });
    if (context.json) {
      context.out.json({ ticket, history, next: { steps, skipped: skips } });
      return EXIT.ok;
    }
    const { out } = context;
    out.line(ticketLine(ticket));
    for (const row of history) out.line(`  ${activityLine(row)}`);
    for (const step of steps)
      out.line(
        `next tick: ${step.kind}, because ${oneLine(sentence(step.because, step.evidence), 200)} [${step.because}]`,
      );
    for (const skip of skips)
      out.line(
        `now: nothing, because ${oneLine(sentence(skip.because, skip.evidence), 200)} [${skip.because}]`,
      );
    if (steps.length + skips.length === 0) out.line(`now: nothing to do while it is ${ticket.status}`);
    return EXIT.ok;
  });
}
