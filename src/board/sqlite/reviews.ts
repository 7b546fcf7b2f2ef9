import type { ReviewRow, Reviews } from '../port/index.ts';
import { add } from './people.ts';
import type { Store } from './store.ts';

const COLUMNS = `ticket_id, claim_epoch, run_id, branch, head, stage, number, url, reader, error, attempts, next_at_ms,
  ticket_version, updated_at_ms, version`;

/** What went out of the work of tickets. */
export function reviews(store: Store): Reviews {
  return {
    reviews: async (tickets) =>
      store.read(() =>
        store.all<ReviewRow>(
          `SELECT ${COLUMNS} FROM reviews WHERE ticket_id IN (SELECT value FROM json_each(@tickets))
           ORDER BY ticket_id, claim_epoch`,
          { tickets: JSON.stringify(tickets) },
        ),
      ),

    saveReview: async ({ review: row, reader }) =>
      store.swap(() => {
        const made = reader === null ? row.reader : add(store, reader, row.updated_at_ms).id;
        if (row.version === 0) {
          store.run(
            `INSERT INTO reviews (${COLUMNS})
             VALUES (@ticket_id, @claim_epoch, @run_id, @branch, @head, @stage, @number, @url, @reader, @error, @attempts,
               @next_at_ms, @ticket_version, @updated_at_ms, 1)`,
            { ...values(row), reader: made },
          );
          return;
        }
        store.must(
          `UPDATE reviews SET run_id = @run_id, branch = @branch, head = @head, stage = @stage, number = @number,
             url = @url, reader = @reader, error = @error, attempts = @attempts, next_at_ms = @next_at_ms,
             ticket_version = @ticket_version, updated_at_ms = @updated_at_ms, version = version + 1
           WHERE ticket_id = @ticket_id AND claim_epoch = @claim_epoch AND version = @version`,
          { ...values(row), reader: made, version: row.version },
        );
      }),
  };
}

function values({ version: _, ...row }: ReviewRow): Omit<ReviewRow, 'version'> {
  return row;
}
