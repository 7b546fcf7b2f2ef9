import { readFileSync } from 'node:fs';
import type { Board, TicketEdit } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import { actorOf, brokenLine, type Context, ticketOrFail, withBoard, withReader } from '../context.ts';
import { forbidden } from '../machine/caller.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import { endWords } from '../model/ends.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { hint } from '../model/hint.ts';
import type { Policy } from '../model/policy.ts';
import { readsFor } from '../model/reader.ts';
import type { Runtime } from '../model/runtime.ts';
import { clean, oneLine } from '../model/text.ts';
import { TICKET_STATUSES, type Ticket, type TicketStatus } from '../model/ticket.ts';
import { reviewWords } from '../report/review.ts';
import { runJson } from '../report/run.ts';
import { ticketLine } from '../report/ticket.ts';
import { judgeRow } from '../runs/sighting.ts';
import { dependenciesOf, editedNames, labelsOf, nameOf } from './names.ts';

const MAX_BODY_BYTES = 256 * 1024;

interface AddOptions {
  readonly title: string;
  readonly body?: string;
  readonly file?: string;
  readonly project?: string;
  readonly agent?: string;
  readonly owner?: string;
  readonly priority: number;
  readonly label: readonly string[];
  readonly dependsOn: readonly string[];
  readonly author?: string;
}

/** Puts a ticket on the board. A person's ticket is trusted; one that an agent adds is not. */
export async function add(context: Context, o: AddOptions): Promise<ExitCode> {
  const title = oneLine(o.title, 300);
  if (title === '') throw new UserError(EXIT.usage, '--title is empty: say in one line what is to be done');
  const body = readBody(o.body, o.file) ?? pipedBody();
  const { policy } = loadPolicy(context.places.config, context.env);
  const names = {
    labels: labelsOf(o.label),
    agent: o.agent === undefined ? null : nameOf('--agent', o.agent),
    owner: o.owner === undefined ? null : nameOf('--owner', o.owner),
    project: o.project === undefined ? defaultProject(policy, context) : nameOf('--project', o.project),
    depends_on: dependenciesOf(o.dependsOn),
  };
  const author = o.author === undefined ? actorOf(context) : nameOf('--author', o.author);
  const trusted = context.caller.kind === 'person' && o.author === undefined;
  return withBoard(context, async (board) => {
    await knownTickets(board, names.depends_on);
    const ticket = await board.addTicket(
      {
        title,
        body,
        status: 'todo',
        priority: o.priority,
        ...names,
        author,
        trusted,
      },
      { now_ms: Date.now() },
    );
    warnUnknown(context, policy, ticket.id, names);
    if (context.json) context.out.json(ticket);
    else context.out.line(`${ticket.id} ${ticket.title}`);
    return EXIT.ok;
  });
}

/** The project of a ticket that names none. */
export function defaultProject(policy: Policy, { places }: Context): string {
  if (policy.broken.length > 0)
    throw new UserError(
      EXIT.config,
      `no --project is given, and the configuration that may have a default can't be used: ${brokenLine(policy)}`,
    );
  if (policy.default_project !== null) return policy.default_project;
  const known = [...policy.projects.keys()];
  throw new UserError(
    EXIT.usage,
    known.length === 0
      ? `name a project with --project: ${places.config} has none yet (mc-pickup init --project adds the repository you stand in)`
      : `name a project with --project (${known.join(', ')}): ${places.config} has no default_project`,
  );
}

/** A ticket that no tick will launch as things stand is added all the same, and its author is told. */
function warnUnknown(
  { out, places }: Context,
  policy: Policy,
  id: string,
  o: { readonly project?: string; readonly agent?: string | null },
): void {
  if (policy.broken.length > 0) {
    out.warn(`the configuration can't be used, and ${id} waits until it is mended: ${brokenLine(policy)}`);
    return;
  }
  const missing = (kind: string, name: string, known: readonly string[]): void => {
    out.warn(`no ${kind} "${name}" in ${places.config}${hint(name, known)}: ${id} will be skipped`);
  };
  if (o.project !== undefined && !policy.projects.has(o.project))
    missing('project', o.project, [...policy.projects.keys()]);
  if (o.agent != null && !policy.agents.has(o.agent))
    missing('agent profile', o.agent, [...policy.agents.keys()]);
}

/** Lists tickets in the order in which they came. */
export async function list(
  context: Context,
  o: { readonly status: readonly string[]; readonly project?: string; readonly limit: number },
): Promise<ExitCode> {
  const status = o.status.map(statusOf);
  return withReader(context, async (board) => {
    const tickets = await board.tickets({
      limit: o.limit,
      ...(status.length > 0 ? { status } : {}),
      ...(o.project === undefined ? {} : { project: o.project }),
    });
    if (context.json) context.out.json(tickets);
    else for (const ticket of tickets) context.out.line(ticketLine(ticket));
    return EXIT.ok;
  });
}

/** One ticket whole, with its runs. */
export async function show(context: Context, id: string): Promise<ExitCode> {
  return withReader(context, async (board) => {
    const ticket = await ticketOrFail(board, id, context);
    const runs = await board.runtimesOf({ ticket: ticket.id, limit: 20 });
    const history = await board.activity({ ticket: ticket.id, limit: 50 });
    const reviews = (await board.reviews([ticket.id])) ?? [];
    if (context.json) {
      context.out.json({ ...ticket, runs: runs.map(runJson), activity: history, reviews });
      return EXIT.ok;
    }
    const { out } = context;
    // One line each, whoever wrote them: a second line would pass for a field of its own.
    const word = (text: string | null): string => oneLine(text ?? '-', 100);
    out.line(`${word(ticket.id)}  ${oneLine(ticket.title, 300)}`);
    out.line(`status    ${ticket.status}${ticket.reason ? ` (${word(ticket.reason)})` : ''}`);
    out.line(
      `project   ${word(ticket.project)}    priority ${ticket.priority}    attempts ${ticket.attempts}`,
    );
    out.line(
      `agent     ${word(ticket.agent)}    owner ${word(ticket.owner)}    author ${word(ticket.author)}${ticket.trusted ? '' : ' (untrusted)'}`,
    );
    if (ticket.labels.length > 0) out.line(`labels    ${ticket.labels.map(word).join('  ')}`);
    if (ticket.depends_on.length > 0) out.line(`needs     ${ticket.depends_on.map(word).join(' ')}`);
    if (ticket.source !== null) out.line(`source    ${oneLine(ticket.source, 200)}`);
    if (ticket.reason_text) out.line(`\n${clean(ticket.reason_text)}`);
    for (const run of runs) {
      out.line(
        `run       ${word(run.id)}  ${run.phase}${run.end_reason ? ` (${word(endWords(run.end_reason))})` : ''}  ${oneLine(run.branch ?? '', 200)}`,
      );
    }
    const review = reviews.at(-1);
    if (review !== undefined) out.line(`review    ${oneLine(reviewWords(review, Date.now()), 1000)}`);
    if (ticket.body !== '') out.line(`\n${clean(ticket.body)}`);
    return EXIT.ok;
  });
}

interface EditOptions {
  readonly title?: string;
  readonly body?: string;
  readonly file?: string;
  readonly project?: string;
  readonly agent?: string;
  readonly owner?: string;
  readonly priority?: number;
  readonly label?: readonly string[];
  readonly dependsOn?: readonly string[];
}

export async function edit(context: Context, id: string, o: EditOptions): Promise<ExitCode> {
  const body = readBody(o.body, o.file);
  const change: TicketEdit = {
    ...(o.title === undefined ? {} : { title: oneLine(o.title, 300) }),
    ...(body === null ? {} : { body }),
    ...(o.priority === undefined ? {} : { priority: o.priority }),
    ...editedNames(o),
  };
  if (Object.keys(change).length === 0)
    throw new UserError(EXIT.usage, 'nothing to change: see mc-pickup ticket edit --help');
  if (change.title === '') throw new UserError(EXIT.usage, '--title is empty');
  return withBoard(context, async (board) => {
    const ticket = await ticketOrFail(board, id, context);
    await knownTickets(board, change.depends_on ?? []);
    won(
      await board.edit(
        { ticket: ticket.id, version: ticket.version, change },
        { actor: actorOf(context), now_ms: Date.now() },
      ),
      ticket,
    );
    if (change.project !== undefined || change.agent != null)
      warnUnknown(context, loadPolicy(context.places.config, context.env).policy, ticket.id, change);
    return shown(context, board, ticket.id);
  });
}

/** A person's move. To `todo` it also trusts the ticket and clears its attempts. */
export async function move(
  context: Context,
  id: string,
  word: string,
  o: { readonly why: string },
): Promise<ExitCode> {
  const to = statusOf(word);
  return withBoard(context, async (board) => {
    const ticket = await ticketOrFail(board, id, context);
    const live = await board.liveRuntime(ticket.id);
    // The run of an agent that has died already is not to be retried beside the person who takes its ticket.
    const takes = to === 'in_progress' && live !== null && verdictHere(live, context) === 'dead';
    const moved = { to, why: o.why, trusted: true, takes };
    won(
      await board.move(
        { ticket: ticket.id, version: ticket.version, ...moved },
        { actor: actorOf(context), now_ms: Date.now() },
      ),
      ticket,
    );
    if (live !== null && (to === 'todo' || to === 'needs_input'))
      context.out.warn(stillThere(ticket.id, live, context));
    return shown(context, board, ticket.id);
  });
}

/** What the live row of a ticket that is moved back means, by what its process is. */
function stillThere(id: string, row: Runtime, context: Context): string {
  const since = new Date(row.claimed_at_ms).toISOString();
  if (row.phase === 'launching')
    return `${id} is being launched since ${since} (run ${row.id}); given up after the launch deadline if no agent registers`;
  const verdict = verdictHere(row, context);
  if (verdict === 'dead')
    return `the agent of ${id} has died (run ${row.id}): the next tick ends its run, then the ticket is free`;
  if (verdict === 'alive')
    return `the agent of ${id} is still there (run ${row.id}): the next tick puts the ticket back to in_progress while it lives; "mc-pickup stop ${id}" ends it`;
  return `whether the agent of ${id} lives can't be told from here (run ${row.id}, ${verdict}): the ticket is not claimed until it can`;
}

function verdictHere(row: Runtime, { places }: Context): string {
  return judgeRow(row, lookAtSelf(hostId(places.state) ?? ''))?.verdict ?? 'unknown';
}

export async function comment(context: Context, id: string, words: readonly string[]): Promise<ExitCode> {
  const text = clean(words.join(' ')).trim();
  if (text === '') throw new UserError(EXIT.usage, 'the comment is empty');
  return withBoard(context, async (board) => {
    const ticket = await ticketOrFail(board, id, context);
    await mayComment(context, board, ticket);
    await board.log({
      at_ms: Date.now(),
      ticket_id: ticket.id,
      run_id: context.caller.kind === 'agent' ? context.caller.run : null,
      actor: actorOf(context),
      kind: 'comment',
      because: null,
      text,
    });
    return shown(context, board, ticket.id);
  });
}

/** An agent comments on the ticket of its own living run, and as a reader on the one whose work it reads. */
async function mayComment({ caller }: Context, board: Board, ticket: Ticket): Promise<void> {
  if (caller.kind === 'person') return;
  const row = await board.runtimeByMark(caller.run);
  const own = row?.ticket_id == null || row.ended_at_ms !== null ? null : await board.ticket(row.ticket_id);
  if (own !== null && (own.id === ticket.id || readsFor(own) === ticket.id)) return;
  const mine = own === null ? 'its run is over, or is none of this board' : `its own is ${own.id}`;
  throw new UserError(
    EXIT.noperm,
    forbidden(`"mc-pickup ticket comment ${ticket.id}" (${mine})`, caller.run),
  );
}

async function shown(context: Context, board: Board, id: string): Promise<ExitCode> {
  const ticket = await ticketOrFail(board, id, context);
  if (context.json) context.out.json(ticket);
  else context.out.line(ticketLine(ticket));
  return EXIT.ok;
}

/** A lost write is told as what it is. */
export function won(result: 'won' | 'lost', ticket: Ticket): void {
  if (result === 'won') return;
  throw new UserError(
    EXIT.busy,
    `${ticket.id} was changed by somebody else at the same moment: look, then try again`,
  );
}

async function knownTickets(board: Board, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    if ((await board.ticket(id.toUpperCase())) === null)
      throw new UserError(EXIT.usage, `--depends-on: no ticket "${id}"; see mc-pickup ticket list`);
  }
}

/** A status as somebody types it. */
export function statusOf(word: string): TicketStatus {
  const plain = word.trim().toLowerCase().replaceAll('-', '_');
  const status = TICKET_STATUSES.find((one) => one === plain);
  if (status !== undefined) return status;
  throw new UserError(
    EXIT.usage,
    `"${word}" is no status${hint(plain, TICKET_STATUSES)}: use one of ${TICKET_STATUSES.join(', ')}`,
  );
}

function readBody(body: string | undefined, file: string | undefined): string | null {
  if (body !== undefined && file !== undefined)
    throw new UserError(EXIT.usage, 'give --body or --file, not both');
  if (body !== undefined) return bounded(body);
  if (file === undefined) return null;
  try {
    return bounded(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      EXIT.usage,
      `can't read the body from ${file}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** A body on a pipe; a terminal, a closed stdin or the null device has none. */
function pipedBody(): string {
  if (process.stdin.isTTY) return '';
  try {
    return bounded(readFileSync(0, 'utf8'));
  } catch (error) {
    if (error instanceof UserError) throw error;
    return '';
  }
}

function bounded(text: string): string {
  if (Buffer.byteLength(text) <= MAX_BODY_BYTES) return clean(text);
  throw new UserError(
    EXIT.usage,
    `the body is larger than ${MAX_BODY_BYTES} bytes: put it into the repository and name the file`,
  );
}
