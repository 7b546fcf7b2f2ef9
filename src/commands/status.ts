import { join } from 'node:path';
import type { Board } from '../board/port.ts';
import { loadPolicy } from '../config/load.ts';
import { readSwitches } from '../killswitch.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import { judgeRow } from '../observe.ts';
import { hostId, lookAtSelf } from '../runtime/identity.ts';
import { oneLine } from '../text.ts';
import { brokenLine, type Context, withReader } from './context.ts';
import { switchLine } from './killswitch.ts';

/** The board by status, what lives and what it does, the killswitch, the last tick. Reads only. */
export async function status(context: Context): Promise<ExitCode> {
  return withReader(context, async (board) => {
    const now = Date.now();
    const { policy } = loadPolicy(context.places.config, context.env);
    const facts = { ...(await gather(context, board, now)), config_errors: policy.broken };
    if (context.json) {
      context.out.json(facts);
      return EXIT.ok;
    }
    const { out } = context;
    const counts = Object.entries(facts.counts).filter(([, n]) => n > 0);
    out.line(
      `tickets   ${counts.map(([name, n]) => `${name} ${n}`).join('  ') || 'none: mc-pickup ticket add --title "..."'}`,
    );
    for (const one of facts.live) {
      const title = oneLine(one.title, 34);
      out.line(
        `  ${(one.ticket ?? 'chat').padEnd(8)} ${one.verdict.padEnd(8)} ${one.activity.padEnd(8)} ${age(now - one.since_ms).padStart(5)}  ${title}`,
      );
    }
    for (const one of facts.waiting) out.line(`  ${one.id.padEnd(8)} asks: ${oneLine(one.question, 60)}`);
    for (const one of facts.switches) out.line(switchLine(one));
    if (facts.config_errors.length > 0)
      out.line(`config    broken, nothing is launched: ${brokenLine(policy)}`);
    const tick = facts.last_tick;
    out.line(tick === null ? 'last tick never' : `last tick ${age(now - tick.at_ms)} ago, ${tick.outcome}`);
    return EXIT.ok;
  });
}

async function gather(context: Context, board: Board, now: number) {
  const host = hostId(context.places.state) ?? '';
  const me = lookAtSelf(host);
  const last = await board.lastTick(host);
  const live = await Promise.all(
    (await board.liveRuntimes()).map(async (row: Runtime) => ({
      ticket: row.ticket_id,
      run: row.id,
      title: row.ticket_id === null ? '' : ((await board.ticket(row.ticket_id))?.title ?? ''),
      phase: row.phase,
      verdict: judgeRow(row, me)?.verdict ?? row.phase,
      activity: row.activity,
      pid: row.pid,
      agent: row.agent,
      branch: row.branch,
      worktree: row.worktree,
      since_ms: row.registered_at_ms ?? row.claimed_at_ms,
      run_dir: join(context.places.runs, row.mark),
    })),
  );
  const waiting = (await board.tickets({ status: ['needs_input'], limit: 50 })).map(
    ({ id, reason_text }) => ({
      id,
      question: reason_text ?? '',
    }),
  );
  return {
    counts: await board.counts(),
    live,
    waiting,
    switches: readSwitches(context.places, context.env, now),
    last_tick: last === null ? null : { id: last.id, at_ms: last.finished_at_ms, outcome: last.outcome },
  };
}

/** `5s`, `12m`, `3h`, `2d`. */
export function age(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m`;
  return s < 86_400 ? `${Math.floor(s / 3600)}h` : `${Math.floor(s / 86_400)}d`;
}
