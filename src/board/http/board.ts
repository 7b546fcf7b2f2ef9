import type * as v from 'valibot';
import type { RecentRun } from '../../model/breaker.ts';
import type { EndReason } from '../../model/ends.ts';
import { configError, unavailableError, usageError } from '../../model/errors.ts';
import type { TicketGuard } from '../../model/plan.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { TicketView } from '../../model/world.ts';
import type {
  Board,
  Cas,
  DeliveryRow,
  ForeignTicket,
  Observed,
  RegisterRequest,
  Snapshot,
  SnapshotRequest,
} from '../port/index.ts';
import { ask, type Call, refused, type Server } from './api.ts';
import * as c from './contract.ts';
import { toRuntime } from './runtime.ts';

const PAGE = 200;
/** Tickets that one request names. */
const MOST_NAMED = 100;
const NO_IMPORT =
  "can't import tickets (that came with contract 1.3.0): without their sources a second import would add each of them again";

/** Who the server is, and how far its clock is from ours (positive = ahead). The contract's first number must be ours. */
export async function meetServer(
  server: Server,
  now: () => number,
): Promise<{ readonly contract: string; readonly ahead_ms: number }> {
  const asked = now();
  const call = { method: 'GET', path: ['meta'] } as const;
  const answer = await ask(server, call, c.Meta);
  if (!answer.ok) throw refused(server, call, answer.refusal);
  const { contract, now_ms } = answer.value;
  if (contract.split('.')[0] !== c.CONTRACT.split('.')[0])
    throw configError(
      `${server.url} speaks contract ${contract}, and this mc-pickup ${c.CONTRACT}: update the older of the two`,
    );
  return { contract, ahead_ms: Math.round(now_ms - (asked + now()) / 2) };
}

/** The port over a Mission Control server: the same rules, kept by the server. */
export function httpBoard(server: Server): Board {
  const find = async <T>(
    path: readonly string[],
    schema: v.GenericSchema<unknown, T>,
    query: Call['query'] = {},
  ): Promise<T | null> => {
    const call = { method: 'GET', path, query } as const;
    const answer = await ask(server, call, schema);
    if (answer.ok) return answer.value;
    if (answer.refusal.status === 404) return null;
    throw refused(server, call, answer.refusal);
  };
  const get = async <T>(...asked: Parameters<typeof find<T>>): Promise<T> => {
    const found = await find(...asked);
    if (found !== null) return found;
    throw refused(server, { method: 'GET', path: asked[0] }, { status: 404, detail: 'there is none' });
  };
  /** A guarded write. Someone else was first: a conflict, another version, or nothing there any more. `mine` tells whether
   *  that someone was this very call, whose first answer was lost by a server that has forgotten its key. */
  const swap = async (
    path: readonly string[],
    body: unknown,
    {
      version,
      method = 'POST',
      mine,
    }: {
      readonly version?: number;
      readonly method?: Call['method'];
      readonly mine?: () => Promise<boolean>;
    } = {},
  ): Promise<Cas> => {
    const call = { method, path, body, ...(version === undefined ? {} : { version }) };
    const answer = await ask(server, call, c.Won);
    if (answer.ok) return 'won';
    if (answer.refusal.status === 422) throw usageError(answer.refusal.detail);
    return answer.refusal.again && mine !== undefined && (await mine()) ? 'won' : 'lost';
  };
  const write = async <T>(
    call: Omit<Call, 'method'> & { readonly method?: Call['method'] },
    schema: v.GenericSchema<unknown, T> | null,
    /** What is said of a server of an earlier contract, which does not have it, where nothing can take its place. */
    lacks?: string,
  ): Promise<T> => {
    const whole = { method: 'POST', ...call } as const;
    const answer = await ask(server, whole, schema);
    if (answer.ok) return answer.value;
    const { status, detail } = answer.refusal;
    if (status === 422) throw usageError(detail);
    if (status === 404 && lacks !== undefined) throw configError(`${server.url} ${lacks}; update the server`);
    throw refused(server, whole, answer.refusal);
  };
  /** Every page, or so many items. A server that leads in a circle is not followed. */
  const pages = async <T>(
    page: (
      cursor: string | undefined,
    ) => Promise<{ readonly items: readonly T[]; readonly next: string | null }>,
    most = Number.POSITIVE_INFINITY,
  ): Promise<T[]> => {
    const found: T[] = [];
    const seen = new Set<string>();
    for (let cursor: string | null = ''; cursor !== null && found.length < most; ) {
      if (seen.has(cursor)) throw unavailableError(`${server.url} gives the same page twice`);
      seen.add(cursor);
      const { items, next } = await page(cursor || undefined);
      found.push(...items);
      cursor = next;
    }
    return found.slice(0, most);
  };
  const runtimes = async (query: NonNullable<Call['query']>, most: number): Promise<Runtime[]> => {
    const rows = await pages(
      (cursor) => get(['runtimes'], c.RuntimePage, { ...query, limit: Math.min(PAGE, most), cursor }),
      most,
    );
    return rows.map(toRuntime);
  };
  const bySeq = async (query: NonNullable<Call['query']>): Promise<Runtime[]> =>
    (await runtimes(query, Number.POSITIVE_INFINITY)).reverse();
  const transition = (
    { ticket, guard }: Pick<Observed, 'ticket' | 'guard'>,
    body: Readonly<Record<string, unknown>>,
  ): Promise<Cas> =>
    swap(['tickets', ticket, 'transition'], { ...body, guard: guardOf(guard) }, { version: guard.version });

  /** What came with contract 1.4, and is told to no server of before: that would not understand the whole request. */
  const since14 = async <T extends object>(part: T): Promise<T | Record<string, never>> => {
    known ??= get(['meta'], c.Meta).then(({ contract }) => Number(contract.split('.')[1]) >= 4);
    return (await known) ? part : {};
  };
  let known: Promise<boolean> | undefined;

  return {
    snapshot: (options) => snapshot(options),
    claim: ({ ticket, guard, ...rest }, { actor, now_ms }) =>
      swap(
        ['tickets', ticket, 'claim'],
        { ...rest, guard: guardOf(guard), actor, now_ms },
        // A run's name is used once: where it stands on the board, it was this claim that put it there.
        {
          version: guard.version,
          mine: async () => (await find(['runtimes', rest.run], c.Runtime)) !== null,
        },
      ),
    staged: async ({ run, worktree, branch, client_session, resumed, prompt }) => {
      const where = { worktree, branch, client_session, resumed };
      const won = await swap(['runtimes', run, 'staged'], where);
      if (won === 'won' && prompt !== undefined) await saveDelivery(prompt);
      return won;
    },
    // A server refuses a second registration, and by which process the first was it tells when asked.
    register: async ({ run, time_ns = null, ...rest }, { now_ms }) => {
      const body = { ...rest, ...(time_ns === null ? {} : await since14({ time_ns })), now_ms };
      const won = (await swap(['runtimes', run, 'register'], body)) === 'won';
      return won || (await registered(run, rest)) ? 'won' : 'lost';
    },
    adopt: async (request, { actor, now_ms }) => {
      const { instead_of, mark, agent, project, host_id, boot_id, pid_ns, pid, pid_start } = request;
      const { time_ns = null } = request;
      const { tmux_session, tmux_pane, worktree, branch, kind, headless, client_session } = request;
      const who = { instead_of, mark, agent, project, host_id, boot_id, pid_ns, pid, pid_start };
      const where = { tmux_session, tmux_pane, worktree, branch, kind, headless, client_session };
      const { ticket, guard } = request;
      return swap(
        ['tickets', ticket, 'adopt'],
        {
          ...{ ...who, ...where, guard: guardOf(guard), actor, now_ms },
          ...(time_ns === null ? {} : await since14({ time_ns })),
        },
        { version: guard.version },
      );
    },
    normalize: ({ runtime, pid, because, ...of }, { actor, now_ms }) =>
      transition(of, { kind: 'normalize', runtime, pid, because, actor, now_ms }),
    ask: ({ runtime, reason, text, turn, park, ...of }, { actor, now_ms }) =>
      transition(of, { kind: 'ask', runtime, what: { reason, text, turn, park }, actor, now_ms }),
    nudge: async ({ runtime, turn, free, ...of }, { actor, now_ms }) => {
      const counted = free === true ? await since14({ free }) : {};
      return transition(of, { kind: 'nudge', runtime, turn, ...counted, actor, now_ms });
    },
    submit: ({ runtime, because, ...of }, { actor, now_ms }) =>
      transition(of, { kind: 'submit', runtime, because, actor, now_ms }),
    retry: ({ runtime, end, to, why, ...of }, { actor, now_ms }) => {
      const { status, attempts, not_before_at_ms } = to;
      const goes = { status, attempts, not_before_at_ms };
      return transition(of, { kind: 'retry', runtime, end, to: goes, why, actor, now_ms });
    },
    // A server before 1.4 has no such thing: the row stays as it is, and so does the ticket.
    follow: (
      { runtime, process: { host_id, boot_id, pid_ns, time_ns, pid, pid_start } },
      { actor, now_ms },
    ) =>
      swap(['runtimes', runtime.run, 'follow'], {
        ...{ guard: runtime, host_id, boot_id, pid_ns, time_ns, pid, pid_start, actor, now_ms },
      }),
    end: ({ runtime: guard, end }, { actor, now_ms }) =>
      swap(['runtimes', guard.run, 'end'], { guard, end, actor, now_ms }),
    report: async ({ run, to, message, turn, nothing_to_do = false, owner = null }, { now_ms }) => {
      // A server before 1.4 knows no such report: there it is one as any other.
      const nothing = nothing_to_do && to === 'in_review' && owner === null;
      if (nothing && (await swap(['runtimes', run, 'nothing-to-do'], { message, turn, now_ms })) === 'won')
        return 'won';
      return swap(['runtimes', run, 'report'], {
        ...{ to, message, turn, now_ms },
        ...(owner === null ? {} : { owner }),
      });
    },
    // A server before 1.4 has no such thing: the wait stays as it is.
    shortenWait: ({ ticket, agent, from_ms, to_ms }, { actor, now_ms }) =>
      swap(['waits', 'shorten'], { ticket, agent, from_ms, to_ms, actor, now_ms }),

    addTicket: (ticket, { now_ms }) => write({ path: ['tickets'], body: { ...ticket, now_ms } }, c.Ticket),
    importTickets: async (tickets, { actor, now_ms }) => {
      if (tickets.length === 0) return [];
      const body = { tickets: tickets.map(foreign), actor, now_ms };
      return (await write({ path: ['tickets', 'import'], body }, c.ImportedList, NO_IMPORT)).items;
    },
    bySource: async (sources) => {
      const found: v.InferOutput<typeof c.Ticket>[] = [];
      for (let at = 0; at < sources.length; at += PAGE) {
        const body = { sources: sources.slice(at, at + PAGE) };
        found.push(...(await write({ path: ['tickets', 'by-source'], body }, c.TicketList, NO_IMPORT)).items);
      }
      return found;
    },
    boardId: async () => (await get(['meta'], c.Meta)).server_id,
    ticket: (id) => find(['tickets', id], c.Ticket),
    tickets: async ({ status, project, limit }) => {
      const query = { status, project, limit: Math.max(1, Math.min(PAGE, limit)) };
      return pages((cursor) => get(['tickets'], c.TicketPage, { ...query, cursor }), Math.max(0, limit));
    },
    counts: () => get(['tickets', 'counts'], c.Counts),
    move: ({ ticket: id, version, to, why, trusted, takes = false }, { actor, now_ms }) =>
      swap(['tickets', id, 'move'], { to, why, trusted, takes, actor, now_ms }, { version }),
    edit: ({ ticket: id, version, change }, { actor, now_ms }) =>
      swap(['tickets', id], { change, actor, now_ms }, { version, method: 'PATCH' }),
    log: (row) => write({ path: ['activity'], body: row }, null),
    activity: async ({ ticket, after, limit }) =>
      limit < 1
        ? []
        : (await get(['activity'], c.ActivityList, { ticket, after, limit: Math.min(1000, limit) })).items,

    history: ({ since_ms, limit }) =>
      get(['history'], c.History, {
        since_ms: Math.max(0, Math.floor(since_ms)),
        limit: Math.max(1, Math.min(10_000, limit)),
      }),

    runtime: async (run) => {
      const row = await find(['runtimes', run], c.Runtime);
      return row === null ? null : toRuntime(row);
    },
    runtimeByMark: async (mark) => {
      const [live] = await runtimes({ mark, live: true }, 1);
      return live ?? (await runtimes({ mark }, 1))[0] ?? null;
    },
    liveRuntime: async (ticket) => (await runtimes({ ticket, live: true }, 1))[0] ?? null,
    liveRuntimes: () => bySeq({ live: true }),
    runtimesOf: ({ ticket, limit }) => runtimes({ ticket }, Math.max(0, limit)),

    saveTick: async ({ tick, refresh: rows }) => {
      const fills =
        rows.some(({ time_ns }) => time_ns !== undefined) && 'time_ns' in (await since14({ time_ns: '' }));
      const refresh = rows.map(({ quiet: _, time_ns, ...row }) => (fills ? { ...row, time_ns } : row));
      const path = ['hosts', tick.host_id, 'ticks'];
      return (await write({ path, body: { tick, refresh } }, c.Refreshed)).refreshed;
    },
    lastTick: (host_id) => find(['hosts', host_id, 'ticks', 'last'], c.Tick),

    limitAccount: ({ name, until_ms, reason }, { actor, now_ms }) =>
      swap(['accounts', name, 'limit'], { until_ms, reason, actor, now_ms }),
    setReady: ({ name, fix, stamp }, { actor, now_ms }) =>
      swap(['accounts', name, 'ready'], { fix, stamp, actor, now_ms }),
    accounts: async () => (await get(['accounts'], c.AccountList)).items,

    keepAnswer: async ({ ticket, text, author }, { now_ms }) =>
      (await write({ path: ['tickets', ticket, 'answers'], body: { text, author, now_ms } }, c.AnswerId)).id,
    // A server before 1.4 keeps an answer until one run has it for certain, and tells of no run that had it.
    words: async (ticket) => {
      const now = await find(['tickets', ticket, 'words'], c.WordsList);
      if (now !== null) return now.items;
      const open = (await find(['tickets', ticket, 'answers'], c.AnswerList))?.items ?? [];
      return open.map(({ taken_by: _, ...one }) => ({
        ...one,
        ...{ honoured_by: null, honoured_at_ms: null, had: [] },
      }));
    },
    handWords: async ({ ids, run, outcome, turn }, { now_ms }) => {
      if (ids.length === 0) return;
      const body = { ids: [...ids], run, outcome, turn, now_ms };
      const call = { method: 'POST', path: ['answers', 'handed'], body } as const;
      const answer = await ask(server, call, null);
      if (answer.ok) return;
      if (answer.refusal.status !== 404) throw refused(server, call, answer.refusal);
      if (outcome === 'delivered') await take({ ids, run });
    },
    takeAnswers: take,

    recordUsage: (record) => write({ path: ['usage'], body: record }, null),
    usage: async (filter) => (await get(['usage'], c.UsageList, { ...filter })).items,

    saveDelivery,
    setDelivery: ({ id, outcome, ack_source }) =>
      write({ method: 'PATCH', path: ['deliveries', id], body: { outcome, ack_source } }, null),
    openDelivery: ({ run, sha256 }) => find(['runtimes', run, 'deliveries', 'open'], c.Delivery, { sha256 }),
    lastDelivery: ({ run, kinds: kind }) =>
      find(['runtimes', run, 'deliveries', 'last'], c.Delivery, { kind }),
    close: async () => {},
    // A server of an earlier contract has neither of these: then there is less to show, and nothing is wrong.
    ticksAbout: async ({ ticket, limit }) =>
      limit < 1
        ? []
        : ((await find(['ticks', 'about'], c.TickMentionList, { ticket, limit: Math.min(10_000, limit) }))
            ?.items ?? []),
    retries: async ({ now_ms, limit }) =>
      limit < 1
        ? []
        : ((await find(['tickets', 'retries'], c.TicketList, { now_ms, limit: Math.min(1000, limit) }))
            ?.items ?? []),
    // Nor does one before 1.3 have these.
    reviews: async (tickets) => {
      const found: v.InferOutput<typeof c.Review>[] = [];
      for (let at = 0; at < tickets.length; at += MOST_NAMED) {
        const ticket = tickets.slice(at, at + MOST_NAMED);
        const part = await find(['reviews'], c.ReviewList, { ticket });
        if (part === null) return null;
        found.push(...part.items);
      }
      return found;
    },
    saveReview: ({ review, reader }) =>
      swap(['tickets', review.ticket_id, 'review'], { review, reader }, { method: 'PUT' }),
  };

  async function take({ ids, run }: Parameters<Board['takeAnswers']>[0]): Promise<void> {
    if (ids.length > 0) await write({ path: ['answers', 'taken'], body: { ids, run } }, null);
  }

  function saveDelivery(row: DeliveryRow): Promise<void> {
    return write({ method: 'PUT', path: ['deliveries', row.id], body: row }, null);
  }

  async function registered(run: string, by: Omit<RegisterRequest, 'run' | 'time_ns'>): Promise<boolean> {
    const row = await find(['runtimes', run], c.Runtime);
    if (row === null || row.ended_at_ms !== null) return false;
    const { host_id, boot_id, pid_ns, pid, pid_start } = row;
    const same = host_id === by.host_id && boot_id === by.boot_id && pid_ns === by.pid_ns;
    if (!same || pid !== by.pid || pid_start !== by.pid_start || row.ticket_id === null) return false;
    const ticket = await find(['tickets', row.ticket_id], c.Ticket);
    const { status, claim_epoch, owner } = ticket ?? {};
    return status === 'in_progress' && claim_epoch === row.claim_epoch && owner === row.owner;
  }

  /** The tickets first, the runtimes after them: a row that is newer than its ticket only makes a guard lose. */
  async function snapshot(options: SnapshotRequest): Promise<Snapshot> {
    // A query that a server does not know does no harm; in the body it might be refused.
    const { recent_since_ms: since, heals_since_ms: _, ...body } = options;
    const recent_since_ms = Math.max(0, Math.floor(since));
    const all: v.InferOutput<typeof c.Candidates>[] = [];
    const tickets = await pages(async (cursor) => {
      const query = { cursor, recent_since_ms };
      const page = await write({ path: ['candidates'], query, body }, c.Candidates);
      all.push(page);
      return { items: page.tickets.map(toView), next: page.next };
    });
    const [first] = all;
    if (first === undefined) throw new Error('no first page');
    const live = await bySeq({ live: true });
    const { accounts, beyond, last_tick, unreadable, spent } = first;
    const recent = first.recent ?? first.early_deaths.map((ticket) => before14(ticket, options.now_ms));
    return { tickets, runtimes: live, accounts, beyond, last_tick, recent, unreadable, spent };
  }
}

/** An early death as a server before 1.4 tells it: neither whose it was nor when. It is taken for as old as it may be, so that it never
 *  outlives a release. */
function before14(ticket: string, now_ms: number): RecentRun {
  const at_ms = now_ms - 10 * 60_000;
  return {
    ...{ ticket, agent: '', project: '', host_id: '', registered_at_ms: at_ms, ended_at_ms: at_ms + 1 },
    ...{
      end_reason: 'agent_dead' satisfies EndReason,
      tmux_server_pid: null,
      tmux_server_start: null,
      heartbeat_at_ms: null,
    },
  };
}

function toView({ ended, ...rest }: v.InferOutput<typeof c.TicketView>): TicketView {
  return { ...rest, ended: ended === null ? null : toRuntime(ended) };
}

/** The fields of the contract, whatever else the caller's object has. */
function foreign(ticket: ForeignTicket): ForeignTicket {
  const { source, title, body, status, priority, project, agent, owner, author, trusted } = ticket;
  const { attempts, not_before_at_ms, reason, reason_text, created_at_ms, updated_at_ms } = ticket;
  return {
    ...{ source, title, body, status, priority, project, agent, owner, author, trusted },
    ...{ attempts, not_before_at_ms, reason, reason_text, created_at_ms, updated_at_ms },
    labels: [...ticket.labels],
    depends_on: [...ticket.depends_on],
    comments: ticket.comments.map(({ actor, at_ms, text }) => ({ actor, at_ms, text })),
  };
}

function guardOf({ status, owner, claim_epoch, version }: TicketGuard): TicketGuard {
  return { status, owner, claim_epoch, version };
}
