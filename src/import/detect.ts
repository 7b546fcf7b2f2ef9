import { delimiterOf } from './delimiter.ts';
import type { Format } from './row.ts';

const ENDINGS: Readonly<Record<string, Format>> = {
  ...{ '.md': 'markdown', '.markdown': 'markdown', '.csv': 'csv', '.tsv': 'csv' },
  ...{ '.jsonl': 'jsonl', '.ndjson': 'jsonl' },
};

/** What a file is, by its ending, else by what it begins with; null = it can't be told. */
export function formatOf(ending: string, text: string): Format | null {
  const known = ENDINGS[ending.toLowerCase()];
  if (known !== undefined) return known;
  const begins = text.replace(/^\ufeff/, '').trimStart();
  if (begins.startsWith('{')) return 'jsonl';
  const [header = ''] = begins.split(/\r?\n/, 1);
  const cells = header
    .split(delimiterOf(header))
    .map((cell) => cell.trim().replaceAll('"', '').toLowerCase());
  if (cells.includes('title')) return 'csv';
  return /^[ \t]*(?:[-*+]|\d+[.)])[ \t]+\[[ xX]\][ \t]/m.test(begins) ? 'markdown' : null;
}

/** Whether lines of JSON are the export of a beads database. */
export function beadsLike(text: string): boolean {
  return /^\s*\{[^\n]*"(?:issue_type"\s*:\s*"|_type"\s*:\s*"issue")/.test(text.replace(/^\ufeff/, ''));
}
