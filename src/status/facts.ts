import { join } from 'node:path';
import { withMade } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { mayLive, takesSlot } from '../decide/dispatch.ts';
import { numberOf, textOf } from '../machine/files.ts';
import { wrongClock } from '../machine/heard.ts';
import { readHolds } from '../machine/holds.ts';
import { readSwitches, releasesIn } from '../machine/killswitch.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import type { Evidence } from '../model/evidence.ts';
import { holdFacts, stillNamed } from '../model/hold.ts';
import { asObject } from '../model/json.ts';
import { leftoverFacts } from '../model/leftover.ts';
import type { SkipBecause } from '../model/plan.ts';
import { maxLiving, type Policy } from '../model/policy.ts';
import type { Runtime } from '../model/runtime.ts';
import { reasonWords, sentence } from '../model/sentences.ts';
import type { LiveFacts, StatusFacts, Used } from '../model/status.ts';
import type { Ticket } from '../model/ticket.ts';
import { endedRow, leftoversOf } from '../runs/leftovers.ts';
import { judgeRow } from '../runs/sighting.ts';
import { ticksNow } from './coming.ts';
import { waitingInVain } from './in-vain.ts';

const MOST_ASKING = 50;
const MOST_RETRIES = 20;
const MOST_REVIEWS = 50;

/** One look at the board, the processes that it names, and the files around it. */
export async function statusFacts(context: Context, now_ms: number): Promise<StatusFacts> {
  const { policy } = loadPolicy(context.places.config, context.env);
  return withMade(context, async (board) => {
    const facts = await statusFactsOf(context, board, policy, now_ms);
    const left = await leftoversOf(context.places.state, endedRow(board));
    const last = await board.lastTick(hostId(context.places.state) ?? '');
    const in_vain = await waitingInVain(board, last?.report ?? '{}');
    return { ...facts, in_vain, leftovers: left.map(leftoverFacts) };
  });
}

/** The same where the board is open and the configuration read already, but for what runs have left, and for what waits in vain: nobody looks
 *  at every process of the machine, or through many tickets, for what a tick may ask for. */
export async function statusFactsOf(
  { places, env }: Context,
  board: Board,
  policy: Policy,
  now_ms: number,
): Promise<Omit<StatusFacts, 'leftovers' | 'in_vain'>> {
  const host = hostId(places.state) ?? '';
  const [counts, last, asking, retries, accounts, seen, reviews] = await Promise.all([
    board.counts(),
    board.lastTick(host),
    board.tickets({ status: ['needs_input'], limit: MOST_ASKING }),
    board.retries({ now_ms, limit: MOST_RETRIES }),
    board.accounts(),
    liveNow(board, host),
    reviewsOf(board),
  ]);
  return {
    counts,
    live: seen.map((one) => liveFacts(one, places.runs)),
    waiting: asking.map(({ id, title, reason_text }) => ({ id, title, question: reason_text ?? '' })),
    retries: retries.map(({ id, title, attempts, not_before_at_ms, reason, reason_text }) => ({
      ...{ id, title, attempts, not_before_at_ms: not_before_at_ms ?? now_ms },
      why: reason === null ? null : whyWords(reason, reason_text),
    })),
    reviews,
    slots: slotsOf(seen, host, policy),
    accounts: accounts.flatMap(({ name, not_before_at_ms: until, reason, not_ready }) => {
      const limited_until_ms = until !== null && until > now_ms ? until : null;
      const limited_by = limited_until_ms === null ? null : (reason ?? null);
      return limited_until_ms === null && not_ready === null
        ? []
        : [{ name, limited_until_ms, limited_by, not_ready }];
    }),
    holds: stillNamed(readHolds(places).holds, policy).map(holdFacts),
    switches: readSwitches(places, env, now_ms),
    launches: {
      released_at_ms: lastOf(releasesIn(places, now_ms)),
      held: heldIn(last?.report ?? '{}', now_ms),
      lacks: lacksIn(last?.report ?? '{}'),
    },
    last_tick: last === null ? null : { id: last.id, at_ms: last.finished_at_ms, outcome: last.outcome },
    ticks: ticksNow(places, policy, last?.finished_at_ms ?? null, now_ms),
    config_errors: policy.broken,
    clock: wrongClock(places, now_ms),
  };
}

/** What the last tick says that this machine has too little of. */
function lacksIn(report: string): string | null {
  const one = skipsIn(report).find((each) => ROOM.has(textOf(each, 'because') ?? '')) ?? null;
  const [because, evidence] = [textOf(one, 'because'), asObject(one?.evidence)];
  return because === null ? null : sentence({ because, evidence: (evidence ?? {}) as Evidence });
}

const ROOM: ReadonlySet<string> = new Set<SkipBecause>(['low_memory', 'under_pressure']);

function skipsIn(report: string): (Readonly<Record<string, unknown>> | null)[] {
  return ((asObject(JSON.parse(report))?.skipped ?? []) as readonly unknown[]).map(asObject);
}

/** What the last tick says of losses of the tmux server, as long as it holds. */
function heldIn(report: string, now_ms: number): StatusFacts['launches']['held'] {
  const one = skipsIn(report).find((each) => textOf(each, 'because') === 'servers_lost') ?? null;
  const evidence = asObject(one?.evidence);
  const [losses, until_ms] = [numberOf(evidence, 'losses'), numberOf(evidence, 'until_ms')];
  if (losses === null || until_ms === null || until_ms <= now_ms) return null;
  return { losses, until_ms, tickets: (textOf(evidence, 'tickets') ?? '').split(' ').filter(Boolean) };
}

/** Of those in review, what went out; where no project publishes, that is nothing. */
async function reviewsOf(board: Board): Promise<StatusFacts['reviews']> {
  const tickets = await board.tickets({ status: ['in_review'], limit: MOST_REVIEWS });
  if (tickets.length === 0) return [];
  const rows = (await board.reviews(tickets.map(({ id }) => id))) ?? [];
  return tickets.flatMap(({ id, title, claim_epoch }) =>
    rows
      .filter((row) => row.ticket_id === id && row.claim_epoch === claim_epoch)
      .map(({ stage, url, error, next_at_ms }) => ({ id, title, stage, url, error, next_at_ms })),
  );
}

interface Seen {
  readonly row: Runtime;
  readonly verdict: LiveFacts['verdict'] | null;
  readonly ticket: Ticket | undefined;
}

/** Which slots of this host are taken now, as `status`, the metrics and the page say it. */
export async function slotsNow(board: Board, host: string, policy: Policy): Promise<StatusFacts['slots']> {
  return slotsOf(await liveNow(board, host), host, policy);
}

/** The rows that have not ended, and what the kernel says of their processes. */
async function liveNow(board: Board, host: string): Promise<readonly Seen[]> {
  const rows = await board.liveRuntimes();
  const tickets = await ticketsOf(board, rows);
  const me = lookAtSelf(host);
  return rows.map((row) => ({
    row,
    verdict: judgeRow(row, me)?.verdict ?? null,
    ticket: row.ticket_id === null ? undefined : tickets.get(row.ticket_id),
  }));
}

/** By ones: there are no more of them than agents that live. */
async function ticketsOf(board: Board, rows: readonly Runtime[]): Promise<ReadonlyMap<string, Ticket>> {
  const found = await Promise.all(rows.map(({ ticket_id: id }) => (id === null ? null : board.ticket(id))));
  return new Map(found.flatMap((one) => (one === null ? [] : [[one.id, one] as const])));
}

function liveFacts({ row, verdict, ticket }: Seen, runs: string): LiveFacts {
  const asked = ticket?.status === 'needs_input' ? (ticket.reason_text ?? '') : null;
  const question = row.activity === 'waiting' ? (row.question ?? asked) : asked;
  return {
    ticket: row.ticket_id,
    run: row.id,
    title: ticket?.title ?? '',
    status: ticket?.status ?? null,
    phase: row.phase,
    verdict: verdict ?? row.phase,
    activity: row.activity,
    question: question === '' ? null : question,
    ...{ pid: row.pid, agent: row.agent, attempt: row.attempt, branch: row.branch, worktree: row.worktree },
    since_ms: row.registered_at_ms ?? row.claimed_at_ms,
    run_dir: join(runs, row.mark),
  };
}

/** As a tick counts them, but for agents that the board has lost: those are seen by tmux, which is not asked here. */
function slotsOf(
  seen: readonly Seen[],
  host: string,
  { limits, projects, agents }: Policy,
): StatusFacts['slots'] {
  const mine = seen.flatMap(({ row, verdict, ticket }) => {
    if (row.host_id !== host || row.ticket_id === null) return [];
    const judged =
      verdict === 'alive' || verdict === 'unknown' || verdict === 'dead' || verdict === 'not_mine';
    return [{ row, verdict: judged ? verdict : null, status: ticket?.status }];
  });
  const taken = mine.filter(({ row, verdict, status }) => takesSlot(row, verdict, status));
  const each = (
    names: Iterable<{ readonly name: string; readonly max_agents: number | null }>,
    of: (row: Runtime) => string,
  ): Record<string, Used> =>
    Object.fromEntries(
      [...names].map(({ name, max_agents: max }) => [
        name,
        { used: taken.filter(({ row }) => of(row) === name).length, max },
      ]),
    );
  return {
    used: taken.length,
    max: limits.max_agents,
    living: { used: mine.filter(({ row, verdict }) => mayLive(row, verdict)).length, max: maxLiving(limits) },
    projects: each(projects.values(), ({ project }) => project),
    agents: each(agents.values(), ({ agent }) => agent),
  };
}

function lastOf(times: Readonly<Record<string, number>>): number | null {
  const all = Object.values(times);
  return all.length === 0 ? null : Math.max(...all);
}

/** The words of a reason, and what was said beside them. */
function whyWords(reason: string, text: string | null): string {
  const words = reasonWords(reason) ?? reason;
  if (text === null || text === '') return words;
  return text.startsWith(words) ? text : `${words}: ${text}`;
}
