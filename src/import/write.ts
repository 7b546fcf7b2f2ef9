import { stringify } from 'csv-stringify/sync';
import { clean, oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { FIELDS, SCHEMA } from './row.ts';

export const WRITTEN = ['jsonl', 'csv', 'markdown'] as const;
export type Written = (typeof WRITTEN)[number];

const MARKDOWN_MARK = '<!-- tickets of mc-pickup -->';
/** By what the first bytes of an export are known. */
export const MARKS: readonly string[] = [`"schema":"${SCHEMA}"`, 'schema,id,source,', MARKDOWN_MARK];

export interface Comment {
  readonly author: string;
  readonly at: string | null;
  readonly text: string;
}

/** A ticket as an export has it: all of it that means something on another board. */
export interface Portable
  extends Pick<
    Ticket,
    | 'id'
    | 'title'
    | 'body'
    | 'status'
    | 'priority'
    | 'project'
    | 'labels'
    | 'agent'
    | 'owner'
    | 'author'
    | 'trusted'
    | 'depends_on'
    | 'attempts'
  > {
  readonly schema: typeof SCHEMA;
  readonly source: string;
  readonly not_before_at: string | null;
  readonly reason: string | null;
  readonly reason_text: string | null;
  readonly created_at: string | null;
  readonly updated_at: string | null;
  readonly comments: readonly Comment[];
}

/** What `written` needs of a ticket beside itself. */
export interface Exported {
  readonly ticket: Ticket;
  readonly comments: readonly {
    readonly actor: string;
    readonly at_ms: number;
    readonly text: string | null;
  }[];
  /** As the file is to name them: ids of the file, or sources. */
  readonly depends_on: readonly string[];
}

/** The ticket of an export. Texts are cleaned as they are where they come in, so that what is read back is the same. */
export function portable({ ticket, comments, depends_on }: Exported, board: string): Portable {
  const { id, title, body, status, priority, project, labels, agent, owner, author, trusted, attempts } =
    ticket;
  return {
    schema: SCHEMA,
    id,
    source: sourceOf(ticket, board),
    title: oneLine(title, 300),
    body: clean(body),
    ...{ status, priority, project, labels, agent, owner },
    author: said(author),
    ...{ trusted, depends_on, attempts },
    not_before_at: iso(ticket.not_before_at_ms),
    reason: clean(ticket.reason ?? '') || null,
    reason_text: clean(ticket.reason_text ?? '') || null,
    created_at: iso(ticket.created_at_ms),
    updated_at: iso(ticket.updated_at_ms),
    comments: comments.map(({ actor, at_ms, text }) => ({
      author: said(actor),
      at: iso(at_ms),
      text: clean(text ?? ''),
    })),
  };
}

/** Where a ticket comes from; one that was made here comes from this board. */
export function sourceOf({ id, source }: Pick<Ticket, 'id' | 'source'>, board: string): string {
  return source ?? `mc-pickup:${board}:${id}`;
}

/** The whole file. JSON Lines and CSV lose nothing; Markdown keeps what a person reads. */
export function written(format: Written, all: readonly Portable[]): string {
  if (format === 'csv') return csv(all);
  if (format === 'markdown') return `${MARKDOWN_MARK}\n\n${all.map(task).join('')}`;
  return all.map((one) => `${JSON.stringify(one)}\n`).join('');
}

function csv(all: readonly Portable[]): string {
  const columns = ['schema', 'id', 'source', ...FIELDS] as const;
  const rows = all.map((one) => columns.map((name) => guarded(cell(one[name]))));
  return stringify([[...columns], ...rows], { record_delimiter: '\n' });
}

function cell(value: Portable[keyof Portable]): string {
  if (value === null) return '';
  if (typeof value !== 'object') return String(value);
  if (value.length === 0) return '';
  const words = value.filter((one) => typeof one === 'string');
  const simple = words.length === value.length && words.every((one) => /^[^,;[\s][^,;]*(?<!\s)$/.test(one));
  return simple ? words.join(', ') : JSON.stringify(value);
}

/** A spreadsheet runs a cell that begins like a formula, whoever wrote the ticket: an apostrophe keeps it a text. */
function guarded(text: string): string {
  return /^'*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

function task({ id, title, body, status }: Portable): string {
  const box = status === 'done' || status === 'cancelled' ? 'x' : ' ';
  const lines =
    body === '' ? [] : ['', ...body.split('\n').map((line) => (line === '' ? '' : `  ${line}`)), ''];
  return [`- [${box}] ${title.replaceAll('<!--', '<! --')} <!-- id: ${id} -->`, ...lines]
    .map((line) => `${line}\n`)
    .join('');
}

/** Without what an import has put before it. */
function said(name: string): string {
  return name.replace(/^file:/, '');
}

function iso(ms: number | null): string | null {
  return ms === null || Math.abs(ms) > 8.64e15 ? null : new Date(ms).toISOString();
}
