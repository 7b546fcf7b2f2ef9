import type { Board } from '../../src/board/port/index.ts';
import { DEFAULT_LIMITS } from '../../src/model/policy.ts';
import { type Facts, gather, type PageData, pageOf } from '../../src/page/index.ts';
import { memoryBoard } from '../explorer/board.ts';
import { fillBusyBoard } from './busy-board.ts';

/** Facts of a page as of a Thursday afternoon. */
export function someFacts(over: Partial<Facts> = {}): Facts {
  const now_ms = over.now_ms ?? Date.UTC(2026, 10, 26, 15, 42, 10);
  const limits = over.limits ?? DEFAULT_LIMITS;
  return {
    now_ms,
    zone: 'Europe/Berlin',
    days: 14,
    board: '/home/ann/.local/state/mc-pickup/board.sqlite',
    host: { id: 'h-1', name: 'workshop' },
    every_minutes: 5,
    limits,
    slots_used: 3,
    ticksOf: (at_ms) => {
      const coming = at_ms !== null && now_ms - at_ms <= 3 * limits.interval_seconds * 1000;
      const because = at_ms === null ? 'never' : coming ? 'ticks_come' : 'stopped';
      return { coming, because, last_at_ms: at_ms };
    },
    holds: [],
    switches: [],
    broken: [],
    ...over,
  };
}

/** Data of a board that is filled first. */
export async function dataOf(
  fill: (board: Board, facts: Facts) => Promise<unknown>,
  over: Partial<Facts> = {},
): Promise<PageData> {
  const { board } = memoryBoard();
  const facts = someFacts(over);
  try {
    await fill(board, facts);
    return await gather(board, facts);
  } finally {
    await board.close();
  }
}

export async function busyPage(over: Partial<Facts> = {}): Promise<string> {
  return pageOf(
    await dataOf((board, { now_ms, host }) => fillBusyBoard(board, { now_ms, host_id: host.id }), over),
  );
}

/** Words that would do harm if they were markup, a style, a template of the charts or an address. */
export const HOSTILE = [
  '<script>window.hit = 1</script>',
  '"><img src=x onerror="window.hit=2">',
  "' onload='window.hit=3' x='",
  '</style><style>*{display:none}</style>',
  '</title></svg><svg onload=window.hit=4>',
  'javascript:window.hit=5',
  ']]><script>window.hit=6</script>',
  '{b|x}{a}{@[0]}',
  '\u202egnp.exe\u2066 NUL\0 ESC\u001b[2J',
  '&lt;script&gt; &amp;',
] as const;

/** A board whose every text is one of those. */
export async function fillHostile(board: Board, { now_ms, host }: Facts): Promise<void> {
  const at = now_ms - 3_600_000;
  const limits = { reason: HOSTILE[0], text: HOSTILE[1] };
  for (const [n, text] of HOSTILE.entries()) {
    const ticket = await board.addTicket(
      {
        ...{
          title: text,
          body: text,
          status: 'todo',
          priority: 2,
          project: text,
          labels: [text],
          agent: text,
        },
        ...{ owner: n === 0 ? text : null, author: text, trusted: true, depends_on: [] },
      },
      { now_ms: at },
    );
    const guard = ({ status, owner, claim_epoch, version }: typeof ticket) => ({
      ...{ status, owner, claim_epoch, version },
    });
    if (n === 0) continue;
    const run = `run-${n}`;
    const who = { host_id: host.id, boot_id: 'b', agent: text, project: text, kind: 'command' as const };
    await board.claim(
      { ...who, ticket: ticket.id, guard: guard(ticket), run, attempt: 1, headless: false },
      { actor: text, now_ms: at },
    );
    await board.staged({ run, worktree: text, branch: text, client_session: null, resumed: null });
    const now = await board.ticket(ticket.id);
    const row = await board.runtime(run);
    if (now === null || row === null) throw new Error('it was just claimed');
    const end = { end_reason: text, exit_code: null, exit_signal: null };
    const to = {
      status: n % 2 === 0 ? 'todo' : 'blocked',
      attempts: 1,
      not_before_at_ms: now_ms + 1,
    } as const;
    if (n % 3 !== 0)
      await board.retry(
        {
          ...{ ticket: ticket.id, guard: guard(now), runtime: { run, version: row.version } },
          ...{ end, to, why: { ...limits, reason: text } },
        },
        { actor: text, now_ms: at + n * 60_000 },
      );
    await board.recordUsage({
      ...{ session: run, run_id: run, ticket_id: ticket.id, agent: text, day: '2026-11-26' },
      totals: {
        ...{ input_tokens: 10, output_tokens: 9, cache_read_tokens: 8, cache_write_tokens: 7, turns: 1 },
        cost_usd: 1,
      },
    });
    await board.setReady({ name: text, fix: text, stamp: null }, { actor: text, now_ms: at });
    await board.log({
      ...{ at_ms: at, ticket_id: ticket.id, run_id: run, actor: text, kind: 'heal', because: text, text },
    });
  }
  await board.saveTick({
    tick: {
      ...{ id: 't', host_id: host.id, boot_id: null, mono_ms: 1, ramp: null, report: '{}' },
      ...{ started_at_ms: at, finished_at_ms: at + 5, outcome: HOSTILE[1] },
    },
    refresh: [],
  });
}
