import { fnv1a } from '../model/hash.ts';
import { asSeen, wrongName } from '../model/name.ts';
import { clean, oneLine } from '../model/text.ts';
import { TICKET_STATUSES, type TicketStatus } from '../model/ticket.ts';
import { asWord, type Bad, type Fields, type Raw, type Row, type Skipped } from './row.ts';

const MAX_BODY_BYTES = 256 * 1024;
const MAX_LABELS = 50;
const MAX_SOURCE = 400;
const MAX_COMMENTS = 10_000;

/** What the place of the tasks adds to each. */
export interface Place {
  /** What stands before an id to make it a source, such as `csv:plan.csv`; null = the place has no name. */
  readonly space: string | null;
  /** What stands before an author: a file can say anything, so its authors are never those of another place. */
  readonly authors: string;
}

/** Other tools' words for a status. `done` = there is nothing to do. */
const WORDS: Readonly<Record<string, TicketStatus>> = Object.fromEntries(
  (
    [
      ['todo', 'open opened new backlog ready triage unstarted started doing active hooked in_progress wip'],
      ['blocked', 'deferred on_hold waiting paused'],
      ['in_review', 'review'],
      ['done', 'closed complete completed resolved merged fixed finished'],
      ['cancelled', 'canceled wontfix wont_do duplicate not_planned'],
    ] as const
  ).flatMap(([status, words]) => words.split(' ').map((word) => [word, status])),
);

class Wrong extends Error {}

/** Looks every task over. Titles and texts are cleaned; a name that is not one makes the task bad. */
export function checked(
  raws: readonly (Raw | Bad | Skipped)[],
  place: Place,
): { readonly rows: readonly Row[]; readonly bad: readonly Bad[]; readonly skipped: readonly Skipped[] } {
  const rows: Row[] = [];
  const bad: Bad[] = [];
  const skipped: Skipped[] = [];
  const titles = new Map<string, number>();
  const sources = new Map<string, string>();
  let number = 0;
  for (const raw of raws) {
    if ('why' in raw) {
      bad.push(raw);
      continue;
    }
    number += 1;
    if ('because' in raw) {
      skipped.push({ ...raw, number });
      continue;
    }
    try {
      const title = titleOf(raw.fields.title);
      const nth = (titles.get(asSeen(title)) ?? 0) + 1;
      titles.set(asSeen(title), nth);
      const source = sourceOf(raw, title, nth, place);
      const status = statusOf(raw.fields.status, raw.own);
      if (!raw.own && (status === 'done' || status === 'cancelled')) {
        skipped.push({ where: raw.where, id: raw.id, number, title, because: 'done' });
        continue;
      }
      const before = sources.get(asSeen(source));
      if (before !== undefined) throw new Wrong(`has the id of ${before}`);
      sources.set(asSeen(source), raw.where);
      rows.push(rowOf(raw, { title, source, status, number }, place));
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      bad.push({ where: raw.where, why: error.message });
    }
  }
  return { rows, bad, skipped };
}

function rowOf(
  { where, id, fields }: Raw,
  { title, source, status, number }: { title: string; source: string; status: TicketStatus; number: number },
  { authors }: Place,
): Row {
  const author = nameIn(fields, 'author');
  return {
    ...{ where, id, number, needs: words(fields.depends_on, 'depends_on') },
    project: nameIn(fields, 'project'),
    author: author === null ? null : `${authors}${author}`,
    trusted: fields.trusted == null ? null : yesOrNo(fields.trusted),
    created_at_ms: timeOf(fields, 'created_at'),
    updated_at_ms: timeOf(fields, 'updated_at'),
    ticket: {
      ...{ source, title, body: textOf(fields.body, 'body') ?? '' },
      status: status === 'in_progress' ? 'todo' : status,
      priority: fields.priority == null ? 2 : whole(fields.priority, 'priority', 4),
      labels: labelsOf(fields.labels),
      agent: nameIn(fields, 'agent'),
      owner: nameIn(fields, 'owner'),
      attempts: fields.attempts == null ? 0 : whole(fields.attempts, 'attempts', 1_000_000),
      not_before_at_ms: timeOf(fields, 'not_before_at'),
      // Why it was being worked on says nothing once nobody works on it.
      reason: status === 'in_progress' ? null : textOf(fields.reason, 'reason') || null,
      reason_text: status === 'in_progress' ? null : textOf(fields.reason_text, 'reason_text') || null,
      comments: commentsOf(fields.comments, authors),
    },
  };
}

function titleOf(value: unknown): string {
  if (value == null) throw new Wrong('has no title');
  if (typeof value !== 'string' && typeof value !== 'number') throw new Wrong('title is no text');
  const title = oneLine(String(value), 300);
  if (title === '') throw new Wrong('has no title');
  return title;
}

/** Told by its id; a task without one is told by its title, and by which of that title it is. */
function sourceOf(raw: Raw, title: string, nth: number, { space }: Place): string {
  if (raw.source === null && space === null)
    throw new Wrong('would not be known again, since stdin has no name: give one with --source NAME');
  const hash = `~${fnv1a(asSeen(title))}${nth === 1 ? '' : `-${nth}`}`;
  const source = raw.source ?? `${space}:${raw.id ?? hash}`;
  if (source.length > MAX_SOURCE) throw new Wrong(`its id is longer than ${MAX_SOURCE} characters`);
  if (source === '' || /[\p{C}\p{Zl}\p{Zp}]/u.test(source))
    throw new Wrong('its id is empty, or has characters that cannot be seen');
  return source;
}

function statusOf(value: unknown, own: boolean): TicketStatus {
  if (value == null) return 'todo';
  const word = typeof value === 'string' ? asWord(value) : '';
  const status = TICKET_STATUSES.find((one) => one === word);
  if (status !== undefined) return status;
  const meant = own || !Object.hasOwn(WORDS, word) ? undefined : WORDS[word];
  if (meant !== undefined) return meant;
  throw new Wrong(`status ${shown(value)} is not known: use one of ${TICKET_STATUSES.join(', ')}`);
}

function nameIn(fields: Fields, field: 'project' | 'agent' | 'owner' | 'author'): string | null {
  const value = fields[field];
  return value == null || value === '' ? null : name(value, field);
}

function name(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Wrong(`${what} ${shown(value)} is no name`);
  const wrong = wrongName(value);
  if (wrong !== null) throw new Wrong(`${what} ${shown(value)} ${wrong}`);
  return value;
}

function labelsOf(value: unknown): string[] {
  const named = words(value, 'labels').map((one) => name(one, 'label'));
  const all = [...new Map(named.map((one) => [asSeen(one), one])).values()];
  if (all.length > MAX_LABELS) throw new Wrong(`has more than ${MAX_LABELS} labels`);
  return all;
}

function words(value: unknown, what: string): string[] {
  if (value == null) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((one) => {
    if (typeof one !== 'string' && typeof one !== 'number') throw new Wrong(`${what} is no list of words`);
    return String(one);
  });
}

function textOf(value: unknown, what: string): string | null {
  if (value == null) return null;
  if (typeof value !== 'string') throw new Wrong(`${what} is no text`);
  if (Buffer.byteLength(value) > MAX_BODY_BYTES)
    throw new Wrong(`${what} is larger than ${MAX_BODY_BYTES} bytes`);
  return clean(value);
}

function whole(value: unknown, what: string, max: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max) return value;
  throw new Wrong(`${what} ${shown(value)} is no whole number from 0 to ${max}`);
}

function yesOrNo(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new Wrong(`trusted ${shown(value)} is neither true nor false`);
}

function timeOf(fields: Fields, field: 'not_before_at' | 'created_at' | 'updated_at'): number | null {
  return fields[field] == null ? null : time(fields[field], field);
}

function time(value: unknown, what: string): number {
  const ms = typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isSafeInteger(ms) && Math.abs(ms) <= 8.64e15) return ms;
  throw new Wrong(`${what} ${shown(value)} is no time: write it as 2026-11-26T08:00:00Z`);
}

function commentsOf(value: unknown, authors: string): Row['ticket']['comments'] {
  if (value == null) return [];
  if (!Array.isArray(value) || value.length > MAX_COMMENTS)
    throw new Wrong(`comments are no list of at most ${MAX_COMMENTS}`);
  return value.map((one: unknown) => {
    if (typeof one !== 'object' || one === null) throw new Wrong('a comment is no object');
    const { author, at, text } = one as { author?: unknown; at?: unknown; text?: unknown };
    return {
      actor: `${authors}${author == null ? 'unknown' : name(author, 'author of a comment')}`,
      at_ms: at == null ? 0 : time(at, 'time of a comment'),
      text: textOf(text, 'comment') ?? '',
    };
  });
}

/** A value that was not understood, for a message. */
function shown(value: unknown): string {
  return oneLine(JSON.stringify(value) ?? String(value), 60);
}
