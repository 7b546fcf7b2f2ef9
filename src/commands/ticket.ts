import { readFileSync } from 'node:fs';
import type { Board, TicketEdit } from '../board/port.ts';
import { loadPolicy } from '../config/load.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { TICKET_STATUSES, type Ticket, type TicketStatus } from '../model/ticket.ts';
import { clean, oneLine } from '../text.ts';
import { type Context, ticketOrFail, whoAmI, withBoard, withReader } from './context.ts';

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
  const project = o.project ?? policy.default_project;
  if (project === null)
    throw new UserError(EXIT.usage, 'name a project with --project: the configuration has no default');
  const me = whoAmI(context.env);
  return withBoard(context, async (board) => {
    await knownTickets(board, o.dependsOn);
    const ticket = await board.addTicket(
      {
        title,
        body,
        status: 'todo',
        priority: o.priority,
        project,
        labels: o.label,
        agent: o.agent ?? null,
        owner: o.owner ?? null,
        author: o.author ?? me.actor,
        trusted: me.person && o.author === undefined,
        depends_on: o.dependsOn.map((id) => id.toUpperCase()),
      },
      Date.now(),
    );
    if (policy.broken.length === 0) {
      if (!policy.projects.has(project))
        context.out.warn(`no project "${project}" in ${context.places.config}: ${ticket.id} will be skipped`);
      if (o.agent !== undefined && !policy.agents.has(o.agent)) {
        context.out.warn(
          `no agent profile "${o.agent}" in ${context.places.config}: ${ticket.id} will be skipped`,
        );
      }
    }
    if (context.json) context.out.json(ticket);
    else context.out.line(`${ticket.id} ${ticket.title}`);
    return EXIT.ok;
  });
}

/** Lists tickets, the most urgent first. */
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

export function ticketLine(ticket: Ticket): string {
  const why = ticket.reason === null ? '' : `  (${ticket.reason})`;
  return `${ticket.id.padEnd(8)} ${ticket.status.padEnd(11)} P${ticket.priority}  ${oneLine(ticket.title, 60)}${why}`;
}

/** One ticket whole, with its runs. */
export async function show(context: Context, id: string): Promise<ExitCode> {
  return withReader(context, async (board) => {
    const ticket = await ticketOrFail(board, id, context);
    const runs = await board.runtimesOf(ticket.id, 20);
    const history = await board.activity({ ticket: ticket.id, limit: 50 });
    if (context.json) {
      context.out.json({ ...ticket, runs, activity: history });
      return EXIT.ok;
    }
    const { out } = context;
    out.line(`${ticket.id}  ${ticket.title}`);
    out.line(`status    ${ticket.status}${ticket.reason ? ` (${ticket.reason})` : ''}`);
    out.line(`project   ${ticket.project}    priority ${ticket.priority}    attempts ${ticket.attempts}`);
    out.line(
      `agent     ${ticket.agent ?? '-'}    owner ${ticket.owner ?? '-'}    author ${ticket.author}${ticket.trusted ? '' : ' (untrusted)'}`,
    );
    if (ticket.depends_on.length > 0) out.line(`needs     ${ticket.depends_on.join(' ')}`);
    if (ticket.reason_text) out.line(`\n${clean(ticket.reason_text)}`);
    for (const run of runs) {
      out.line(
        `run       ${run.id}  ${run.phase}${run.end_reason ? ` (${run.end_reason})` : ''}  ${run.branch ?? ''}`,
      );
    }
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
    ...(o.project === undefined ? {} : { project: o.project }),
    ...(o.agent === undefined ? {} : { agent: o.agent === '' ? null : o.agent }),
    ...(o.owner === undefined ? {} : { owner: o.owner === '' ? null : o.owner }),
    ...(o.priority === undefined ? {} : { priority: o.priority }),
    ...(o.label === undefined ? {} : { labels: o.label }),
    ...(o.dependsOn === undefined ? {} : { depends_on: o.dependsOn.map((one) => one.toUpperCase()) }),
  };
  if (Object.keys(change).length === 0)
    throw new UserError(EXIT.usage, 'nothing to change: see mc-pickup ticket edit --help');
  if (change.title === '') throw new UserError(EXIT.usage, '--title is empty');
  return withBoard(context, async (board) => {
    const ticket = await ticketOrFail(board, id, context);
    await knownTickets(board, o.dependsOn ?? []);
    if (change.depends_on?.includes(ticket.id))
      throw new UserError(EXIT.usage, `${ticket.id} can't depend on itself`);
    won(await board.edit(ticket.id, ticket.version, change, whoAmI(context.env).actor, Date.now()), ticket);
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
  const me = whoAmI(context.env);
  return withBoard(context, async (board) => {
    const ticket = await ticketOrFail(board, id, context);
    won(await board.move(ticket.id, ticket.version, to, o.why, me.person, me.actor, Date.now()), ticket);
    const live = await board.liveRuntime(ticket.id);
    if (live !== null && (to === 'todo' || to === 'needs_input')) {
      context.out.warn(
        `the agent of ${ticket.id} is still there (run ${live.id}): the next tick puts the ticket back to in_progress while it lives; "mc-pickup stop ${ticket.id}" ends it`,
      );
    }
    return shown(context, board, ticket.id);
  });
}

export async function comment(context: Context, id: string, words: readonly string[]): Promise<ExitCode> {
  const text = clean(words.join(' ')).trim();
  if (text === '') throw new UserError(EXIT.usage, 'the comment is empty');
  return withBoard(context, async (board) => {
    const ticket = await ticketOrFail(board, id, context);
    await board.log({
      at_ms: Date.now(),
      ticket_id: ticket.id,
      run_id: context.env.MC_RUN_ID ?? null,
      actor: whoAmI(context.env).actor,
      kind: 'comment',
      because: null,
      text,
    });
    return shown(context, board, ticket.id);
  });
}

async function shown(context: Context, board: Board, id: string): Promise<ExitCode> {
  const ticket = await ticketOrFail(board, id, context);
  if (context.json) context.out.json(ticket);
  else context.out.line(ticketLine(ticket));
  return EXIT.ok;
}

function won(result: 'won' | 'lost', ticket: Ticket): void {
  if (result === 'won') return;
  throw new UserError(
    EXIT.busy,
    `${ticket.id} was changed by somebody else at the same moment: look, then try again`,
  );
}

async function knownTickets(board: Board, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    if ((await board.ticket(id.toUpperCase())) === null)
      throw new UserError(EXIT.usage, `--depends-on: no ticket "${id}"`);
  }
}

function statusOf(word: string): TicketStatus {
  const status = TICKET_STATUSES.find((one) => one === word.replace('-', '_'));
  if (status !== undefined) return status;
  throw new UserError(EXIT.usage, `"${word}" is no status: use one of ${TICKET_STATUSES.join(', ')}`);
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
