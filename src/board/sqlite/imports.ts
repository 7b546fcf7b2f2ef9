import { configError, usageError } from '../../model/errors.ts';
import type { By, ForeignTicket, Imported, Imports } from '../port/index.ts';
import { HOLD_BOARD, TICKET, type TicketRow, toTicket } from './rows.ts';
import type { Store } from './store.ts';

/** Tickets that come from elsewhere, told apart by their source. */
export function imports(store: Store): Imports {
  return {
    importTickets: async (tickets, by) =>
      store.write(() => {
        // Two imports of the same source at once: the second one finds what the first has added.
        store.run(HOLD_BOARD);
        return tickets.map((ticket) => add(store, ticket, by));
      }),
    bySource: async (sources) =>
      store.read(() =>
        store
          .all<TicketRow>(
            `SELECT ${TICKET} FROM tickets WHERE source IN (SELECT value FROM json_each(@sources))
               OR (source IS NULL AND id IN (SELECT value FROM json_each(@own))) ORDER BY seq`,
            { sources: JSON.stringify(sources), own: JSON.stringify(ownIds(store, sources)) },
          )
          .map(toTicket),
      ),
    boardId: async () => store.read(() => boardId(store)),
  };
}

function add(store: Store, ticket: ForeignTicket, by: By): Imported {
  const { source, comments, ...columns } = ticket;
  const known = idOf(store, source);
  if (known !== null) return { source, id: known, added: false };
  const depends_on = ticket.depends_on.map((one) => {
    const id = idOf(store, one);
    if (id === null) throw usageError(`${source} depends on ${one}, which is not on the board`);
    return id;
  });
  store.run(
    `INSERT INTO tickets (title, body, status, priority, project, labels, agent, owner, author, trusted, depends_on,
       source, attempts, not_before_at_ms, wait_since_ms, reason, reason_text, created_at_ms, updated_at_ms)
     VALUES (@title, @body, @status, @priority, @project, @labels, @agent, @owner, @author, @trusted, @depends_on,
       @source, @attempts, @not_before_at_ms, CASE WHEN @not_before_at_ms IS NOT NULL THEN @now_ms END, @reason, @reason_text, @created_at_ms, @updated_at_ms)`,
    {
      ...columns,
      ...{ source, now_ms: by.now_ms },
      labels: JSON.stringify(ticket.labels),
      depends_on: JSON.stringify(depends_on),
      trusted: ticket.trusted ? 1 : 0,
    },
  );
  const id = idOf(store, source);
  if (id === null) throw new Error(`the ticket of ${source} vanished inside its own transaction`);
  store.note({ ticket: id, kind: 'created', because: 'imported', text: ticket.title }, by);
  for (const { actor, at_ms, text } of comments)
    store.note({ ticket: id, kind: 'comment', text }, { actor, now_ms: at_ms });
  return { source, id, added: true };
}

function idOf(store: Store, source: string): string | null {
  const [own = null] = ownIds(store, [source]);
  return (
    store.get<{ id: string }>(
      'SELECT id FROM tickets WHERE source = @source OR (source IS NULL AND id = @own)',
      { source, own },
    )?.id ?? null
  );
}

/** Tickets that were made here have no source of their own, and an export of this board calls them by its id. */
function ownIds(store: Store, sources: readonly string[]): string[] {
  const own = `mc-pickup:${boardId(store)}:`;
  return sources.flatMap((source) => (source.startsWith(own) ? source.slice(own.length) : []));
}

function boardId(store: Store): string {
  const row = store.get<{ id: string }>('SELECT id FROM board');
  if (row !== null) return row.id;
  throw configError('the board has lost its id: its table "board" is empty');
}
