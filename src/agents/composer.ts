import type { Composer, Screen } from '../model/screen.ts';

/** How many rows above the cursor a text may begin. */
const MOST_ROWS = 40;

/**
 * Whether a text stands in the composer of a client, by the row of the cursor: `mark` is what the composer begins with, and a text stands
 * between that and the cursor. What is behind a cursor at the very beginning is a text as well, to whose beginning somebody has gone back; the
 * client's own hint is none: it is faint, or begins with a blank. null = the cursor is somewhere else, and nothing can be told.
 */
export function composerAt(mark: RegExp, { rows, x, y }: Screen): Composer | null {
  const row = (rows[y] ?? '').padEnd(x + 1);
  const begin = mark.exec(plain(row))?.[0].length;
  if (begin === undefined) return goesOn(mark, rows, y) ? 'filled' : null;
  if (x !== begin) return x > begin ? 'filled' : null;
  const [text, all] = [plain(row, 'solid').trimEnd(), plain(row).trimEnd()];
  if (text.length <= begin || /\s/.test(text.charAt(begin))) return 'empty';
  // The cursor draws the first letter of a hint solid.
  return text.length === begin + 1 && all.length > text.length ? 'empty' : 'filled';
}

/** A text of several rows, in one of whose later ones the cursor is: they are indented as far as the first. */
function goesOn(mark: RegExp, rows: readonly string[], y: number): boolean {
  for (let n = y; n >= 0 && n > y - MOST_ROWS; n--) {
    const text = plain(rows[n] ?? '').trimEnd();
    const begin = mark.exec(`${text}  `)?.[0].length;
    if (begin !== undefined) return text.length > begin;
    if (text !== '' && !text.startsWith('  ')) return false;
  }
  return false;
}

/** A row without its styles; `solid`: with blanks for what is drawn faint. */
export function plain(row: string, how: 'all' | 'solid' = 'all'): string {
  let faint = false;
  const parts = row.replace(/\u001b\][^\u0007\u001b]*(\u0007|\u001b\\)/g, '').split(/\u001b\[([\d;]*)m/);
  return parts
    .map((part, n) => {
      if (n % 2 === 0) return faint && how === 'solid' ? part.replace(/\S/g, ' ') : part;
      if (!/^[345]8;/.test(part))
        for (const code of part.split(';'))
          faint = code === '2' || (faint && !['', '0', '22'].includes(code));
      return '';
    })
    .join('');
}
