import { parse } from 'csv-parse/sync';
import { delimiterOf } from './delimiter.ts';
import { asWord, Fault, FIELDS, type Fields, type Found, type Raw, SCHEMA } from './row.ts';

const COLUMNS: readonly string[] = [...FIELDS, 'id', 'source', 'schema', 'description'];

/** A table with a header. Columns that nobody knows are said, and passed over. */
export function readCsv(text: string, file: string): Found {
  const table = recordsOf(text, file);
  const [header, ...records] = table;
  if (header === undefined) return { raws: [], warnings: [] };
  const names = header.cells.map(asWord);
  if (!names.includes('title'))
    throw new Fault(
      2,
      `${file} has no column "title": its header is the first line, with commas, semicolons or tabs`,
    );
  const twice = names.find((name, n) => COLUMNS.includes(name) && names.indexOf(name) !== n);
  if (twice !== undefined) throw new Fault(2, `${file} has two columns "${twice}"`);
  const unknown = header.cells.filter((_, n) => !COLUMNS.includes(names[n] ?? ''));
  return {
    raws: records.map(({ cells, line }) => {
      const where = `${file}:${line}`;
      if (cells.length > names.length)
        return { where, why: `has ${cells.length} cells, and the header ${names.length}` };
      return rawOf(where, new Map(names.map((name, n) => [name, plain(cells[n] ?? '')])));
    }),
    warnings: unknown.length === 0 ? [] : [`${file}: unknown columns, passed over: ${unknown.join(', ')}`],
  };
}

function recordsOf(text: string, file: string): { readonly cells: string[]; readonly line: number }[] {
  const delimiter = delimiterOf(text);
  try {
    const records = parse(text.replaceAll(/\r\n?/g, '\n'), {
      ...{ delimiter, bom: true, skip_empty_lines: true, relax_column_count: true, info: true },
    }) as unknown as { record: string[]; info: { lines: number } }[];
    // `lines` counts to the end of a record: what it began with is what a person looks for.
    return records.map(({ record, info }) => {
      const inside = record.reduce((sum, cell) => sum + (cell.match(/\n/g)?.length ?? 0), 0);
      return { cells: record, line: Math.max(1, info.lines - inside) };
    });
  } catch (error) {
    throw new Fault(2, `${file} is no CSV: ${error instanceof Error ? error.message : error}`);
  }
}

function rawOf(where: string, cells: ReadonlyMap<string, string>): Raw {
  const own = cells.get('schema') === SCHEMA;
  const cell = (name: string): string | undefined => cells.get(name) || undefined;
  const fields: Fields = {
    ...Object.fromEntries(FIELDS.map((name) => [name, cell(name)])),
    body: cell('body') ?? cell('description'),
    labels: listOf(cell('labels')),
    depends_on: listOf(cell('depends_on')),
    priority: numberOf(cell('priority')?.replace(/^p(?=\d$)/i, '')),
    attempts: numberOf(cell('attempts')),
    trusted: { true: true, false: false }[cell('trusted')?.toLowerCase() ?? ''] ?? cell('trusted'),
    comments: jsonOf(cell('comments')) ?? cell('comments'),
  };
  // The source of a place is what an export of ours or the place itself says, and no other file.
  const source = cell('source') ?? null;
  return { where, own, id: cell('id') ?? (own ? null : source), source: own ? source : null, fields };
}

/** Takes off the apostrophe that keeps a spreadsheet from running a cell: see `guarded` in write.ts. */
function plain(cell: string): string {
  return /^'+[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell;
}

/** `a, b; c`, or, for words with commas in them, a JSON array. */
function listOf(cell: string | undefined): unknown {
  if (cell === undefined) return undefined;
  const json = cell.startsWith('[') ? jsonOf(cell) : undefined;
  if (Array.isArray(json)) return json;
  return cell
    .split(/[,;]/)
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

function numberOf(cell: string | undefined): unknown {
  return cell !== undefined && /^\d{1,9}$/.test(cell) ? Number(cell) : cell;
}

function jsonOf(cell: string | undefined): unknown {
  if (cell === undefined) return undefined;
  try {
    return JSON.parse(cell);
  } catch {
    return undefined;
  }
}
