import type { ReviewRow } from '../board/port/index.ts';
import { endWords } from '../model/ends.ts';
import type { Runtime } from '../model/runtime.ts';
import { clean, oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { reviewWords } from './review.ts';

/** A ticket in one line. */
export function ticketLine(ticket: Ticket): string {
  const why = ticket.reason === null ? '' : `  (${oneLine(ticket.reason, 60)})`;
  return `${oneLine(ticket.id, 20).padEnd(8)} ${ticket.status.padEnd(11)} P${ticket.priority}  ${oneLine(ticket.title, 60)}${why}`;
}

/** A ticket whole, with its runs and how far its work has come on its way out. */
export function ticketLines(
  ticket: Ticket,
  runs: readonly Runtime[],
  reviews: readonly ReviewRow[],
  now_ms: number,
): string[] {
  const lines: string[] = [];
  // One line each, whoever wrote them: a second line would pass for a field of its own.
  const word = (text: string | null): string => oneLine(text ?? '-', 100);
  lines.push(`${word(ticket.id)}  ${oneLine(ticket.title, 300)}`);
  lines.push(`status    ${ticket.status}${ticket.reason ? ` (${word(ticket.reason)})` : ''}`);
  lines.push(
    `project   ${word(ticket.project)}    priority ${ticket.priority}    attempts ${ticket.attempts}`,
  );
  lines.push(
    `agent     ${word(ticket.agent)}    owner ${word(ticket.owner)}    author ${word(ticket.author)}${ticket.trusted ? '' : ' (untrusted)'}`,
  );
  if (ticket.labels.length > 0) lines.push(`labels    ${ticket.labels.map(word).join('  ')}`);
  if (ticket.depends_on.length > 0) lines.push(`needs     ${ticket.depends_on.map(word).join(' ')}`);
  if (ticket.source !== null) lines.push(`source    ${oneLine(ticket.source, 200)}`);
  if (ticket.reason_text) lines.push(`\n${clean(ticket.reason_text)}`);
  for (const run of runs) {
    lines.push(
      `run       ${word(run.id)}  ${run.phase}${run.end_reason ? ` (${word(endWords(run.end_reason))})` : ''}  ${oneLine(run.branch ?? '', 200)}`,
    );
  }
  const review = reviews.at(-1);
  if (review !== undefined) lines.push(`review    ${oneLine(reviewWords(review, now_ms), 1000)}`);
  if (ticket.body !== '') lines.push(`\n${clean(ticket.body)}`);
  return lines;
}
