/*
 * What comes in and what goes out, as text. A bundle of its own (scripts/build.ts), since Octokit and the parsers are larger
 * than the rest of the program: nothing here throws an error class of ours or knows the board.
 */
import { basename, extname } from 'node:path';
import { asSeen } from '../model/name.ts';
import { checked, type Place } from './check.ts';
import { beadsLike, formatOf } from './detect.ts';
import { Fault, type Format, type Found, type Reading, type Row } from './row.ts';

export { asked, type Placed, placed } from './order.ts';
export type { Bad, Format, Reading, Row, Skipped } from './row.ts';
export { FORMATS } from './row.ts';
export {
  type Comment,
  type Exported,
  MARKS,
  type Portable,
  portable,
  sourceOf,
  WRITTEN,
  type Written,
  written,
} from './write.ts';

const MAX_ROWS = 10_000;
/** A board that was exported must come in again. */
const MAX_OWN_ROWS = 200_000;

export interface Wish {
  readonly format: Format | null;
  /** Its path, or `-`. */
  readonly file: string;
  readonly text: string;
  /** What the place is called in sources, in place of the file's name. */
  readonly name: string | null;
}

export type Tried<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly exit: 2 | 69 | 75 | 78; readonly why: string };

/** Reads the tasks of a file. `format` null = told by the file's ending, else by what is in it. */
export async function readFile({ format, file, text, name }: Wish, filter: Filter): Promise<Tried<Reading>> {
  return attempt(async () => {
    const shown = file === '-' ? 'stdin' : basename(file);
    const told = format ?? formatOf(extname(file), text);
    if (told === null)
      throw new Fault(2, `can't tell what ${shown} is: say it with --from markdown, jsonl, csv or beads`);
    const kind = told === 'jsonl' && format === null && beadsLike(text) ? 'beads' : told;
    const own = name ?? (file === '-' ? null : basename(file));
    const tag = kind === 'markdown' ? 'md' : kind;
    const space = kind === 'beads' ? 'beads' : own === null ? null : `${tag}:${own}`;
    return reading(kind, await found(kind, text, shown), { space, authors: 'file:' }, filter);
  });
}

/** Reads the open issues of a repository. */
export async function readForge(forge: import('./github.ts').Forge, filter: Filter): Promise<Tried<Reading>> {
  return attempt(async () => {
    const { forgeSpace, readGithub } = await import('./github.ts');
    const authors = forgeSpace(forge.api);
    const issues = await readGithub(forge);
    return reading('github', issues, { space: null, authors }, filter);
  });
}

export interface Filter {
  /** Only tasks that have all of these labels. */
  readonly only: readonly string[];
  /** Labels that each task gets as well. */
  readonly labels: readonly string[];
}

async function found(kind: Format, text: string, shown: string): Promise<Found> {
  switch (kind) {
    case 'markdown':
      return (await import('./markdown.ts')).readMarkdown(text, shown);
    case 'csv':
      return (await import('./csv.ts')).readCsv(text, shown);
    case 'beads':
      return (await import('./beads.ts')).readBeads(text, shown);
    case 'jsonl':
      return (await import('./jsonl.ts')).readJsonl(text, shown);
    case 'github':
      throw new Fault(2, '--from github reads a repository, no file: name it with --repo OWNER/NAME');
  }
}

function reading(format: Format, { raws, warnings }: Found, place: Place, { only, labels }: Filter): Reading {
  const own = raws.some((one) => 'own' in one && one.own);
  if (raws.length > (own ? MAX_OWN_ROWS : MAX_ROWS))
    throw new Fault(
      2,
      own
        ? `more than ${MAX_OWN_ROWS} tickets: export them in parts`
        : `more than ${MAX_ROWS} tasks: import them in parts, each with a --source of its own`,
    );
  const { rows, bad, skipped } = checked(raws, place);
  const wanted = ({ ticket }: Row): boolean =>
    only.every((one) => ticket.labels.map(asSeen).includes(asSeen(one)));
  const kept = rows.filter(wanted).map((row) => ({
    ...row,
    ticket: { ...row.ticket, labels: [...new Set([...row.ticket.labels, ...labels])] },
  }));
  const others = rows
    .filter((row) => !wanted(row))
    .map(({ where, id, number, ticket: { title } }) => ({
      ...{ where, id, number, title, because: 'other_label' as const },
    }));
  return { format, rows: kept, bad, skipped: [...skipped, ...others], warnings, space: place.space };
}

async function attempt<T>(work: () => Promise<T>): Promise<Tried<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    if (error instanceof Fault) return { ok: false, exit: error.exit, why: error.message };
    throw error;
  }
}
