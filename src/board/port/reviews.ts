import type { ReviewStage } from '../../model/review.ts';
import type { Cas } from './by.ts';
import type { NewTicket } from './tickets.ts';

/** What went out of the work of one claim. */
export interface ReviewRow {
  readonly ticket_id: string;
  readonly claim_epoch: number;
  readonly run_id: string;
  readonly branch: string;
  /** The commit that the remote has; null = none yet. */
  readonly head: string | null;
  readonly stage: ReviewStage;
  readonly number: number | null;
  readonly url: string | null;
  /** The ticket by which another agent reads the work before a person does. */
  readonly reader: string | null;
  /** What went wrong last; null = nothing. */
  readonly error: string | null;
  readonly attempts: number;
  /** null = nothing more by itself, until the ticket changes. */
  readonly next_at_ms: number | null;
  /** Of the ticket, when this was written. */
  readonly ticket_version: number;
  readonly updated_at_ms: number;
  /** What was observed; 0 = there is no such row yet. */
  readonly version: number;
}

/** What went out of the work of tickets. */
export interface Reviews {
  /** Of these tickets, every claim, in the order of claims. null = this board keeps no such thing. */
  reviews(tickets: readonly string[]): Promise<ReviewRow[] | null>;
  /** Writes one, guarded by the version that was observed. `reader`: that ticket is added in the same transaction, and
   *  its id becomes the row's, so that it is added once. */
  saveReview(request: { readonly review: ReviewRow; readonly reader: NewTicket | null }): Promise<Cas>;
}
