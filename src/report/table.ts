/*
 * Text in columns. What is counted is what a terminal shows: a CJK character or an emoji takes two columns, a
 * combining mark none. Colours are put around cells after they were cut, so that no cut ends inside of one.
 */
import { eastAsianWidth } from 'get-east-asian-width';
import kleur from 'kleur';
import { clean } from '../model/text.ts';

/** A meaning, never only a colour: every cell says in words or a mark what its colour says. */
export type Tone = 'good' | 'ask' | 'bad' | 'dim' | 'head';

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

export interface Column {
  /** Numbers and ages stand at the right. */
  readonly right?: boolean;
  /** The one that takes what is left, and is cut first; at most one. */
  readonly grows?: boolean;
  /** Where its text is cut: paths show their end. */
  readonly cut?: 'end' | 'start';
  /** Never wider than this. */
  readonly max?: number;
}

const GAP = '  ';
/** Made when the first text needs it: that takes longer than the rest of a command. */
let segmenter: Intl.Segmenter | null = null;

function segmentsOf(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  return segmenter.segment(text);
}

const EMOJI = /\p{Emoji_Presentation}|\p{Emoji}\ufe0f/u;
const NOTHING = /^[\p{Mark}\p{Format}\u200b]*$/u;
const PLAIN = /^[\x20-\x7e]*$/;

/** Columns that a terminal needs for a text. */
export function width(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let columns = 0;
  for (const { segment } of segmentsOf(text)) columns += widthOf(segment);
  return columns;
}

/** At most so many columns of a text, with an ellipsis where it was cut. */
export function cutTo(text: string, columns: number, cut: 'end' | 'start' = 'end'): string {
  if (width(text) <= columns) return text;
  if (columns < 1) return '';
  const all = PLAIN.test(text) ? [...text] : [...segmentsOf(text)].map(({ segment }) => segment);
  if (cut === 'start') all.reverse();
  const kept: string[] = [];
  let used = 1;
  for (const one of all) {
    used += widthOf(one);
    if (used > columns) break;
    kept.push(one);
  }
  return cut === 'start' ? `…${kept.reverse().join('')}` : `${kept.join('').trimEnd()}…`;
}

/** Rows under each other, no line longer than `columns` (infinite = nothing is cut). */
export function table(
  rows: readonly (readonly Cell[])[],
  shape: readonly Column[],
  {
    columns,
    color,
    indent = '',
  }: { readonly columns: number; readonly color: boolean; readonly indent?: string },
): string[] {
  const texts = rows.map((row) => row.map(({ text }) => line(text)));
  const widths = shape.map(({ max = Number.POSITIVE_INFINITY }, n) =>
    Math.min(
      max,
      // Not as arguments of one call: a table may have hundreds of thousands of rows.
      texts.reduce((most, row) => Math.max(most, width(row[n] ?? '')), 0),
    ),
  );
  const room = columns - indent.length;
  // The one that grows gives way first, then the last ones.
  const first = shape.findIndex((one) => one.grows === true);
  for (const n of [first, ...[...shape.keys()].reverse()]) {
    const gaps = GAP.length * Math.max(0, widths.filter((one) => one > 0).length - 1);
    const over = widths.reduce((sum, one) => sum + one, gaps) - room;
    if (over > 0 && n >= 0) widths[n] = Math.max(0, (widths[n] ?? 0) - over);
  }
  return rows.map((row, r) => {
    const cells = shape.flatMap(({ right, cut }, n) => {
      const wide = widths[n] ?? 0;
      if (wide === 0) return [];
      const text = cutTo(texts[r]?.[n] ?? '', wide, cut);
      const space = ' '.repeat(wide - width(text));
      const shown = paint(text, row[n]?.tone, color);
      return [
        {
          empty: text === '',
          shown: right === true ? space + shown : shown,
          space: right === true ? '' : space,
        },
      ];
    });
    const last = cells.findLastIndex(({ empty }) => !empty);
    return (
      indent +
      cells
        .slice(0, last + 1)
        .map(({ shown, space }, n) => (n < last ? shown + space : shown))
        .join(GAP)
    );
  });
}

/** Words one after another, on as many lines as they need; those after the first are indented. */
export function flow(words: readonly Cell[], columns: number, indent: string, color: boolean): string[] {
  const lines: string[] = [];
  let shown = '';
  let used = 0;
  for (const { text, tone } of words) {
    const word = cutTo(line(text), Math.max(1, columns - indent.length));
    if (used > 0 && indent.length + used + GAP.length + width(word) > columns) {
      lines.push(shown);
      shown = '';
      used = 0;
    }
    shown += `${used > 0 ? GAP : ''}${paint(word, tone, color)}`;
    used += (used > 0 ? GAP.length : 0) + width(word);
  }
  return [...lines, shown];
}

/** A text of any length broken at spaces, no line longer than `columns`. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const part of clean(text).replaceAll('\t', '    ').split('\n')) {
    let rest = part.trimEnd();
    while (width(rest) > columns && columns > 1) {
      let at = 0;
      let used = 0;
      let space = 0;
      for (const { segment } of segmentsOf(rest)) {
        if (used + widthOf(segment) > columns) break;
        used += widthOf(segment);
        at += segment.length;
        if (segment === ' ') space = at;
      }
      const end = space > at / 2 ? space : Math.max(1, at);
      lines.push(rest.slice(0, end).trimEnd());
      rest = rest.slice(end);
    }
    lines.push(rest);
  }
  return lines;
}

/** A tone's colour around a text that was cleaned already. */
export function paint(text: string, tone: Tone | undefined, color: boolean): string {
  if (!color || tone === undefined || text === '') return text;
  kleur.enabled = true;
  switch (tone) {
    // Cyan and yellow stay apart for nearly every eye; red and green do not. Blue cannot be read on a black terminal.
    case 'good':
      return kleur.cyan(text);
    case 'ask':
      return kleur.yellow().bold(text);
    case 'bad':
      return kleur.red().bold(text);
    case 'dim':
      return kleur.dim(text);
    case 'head':
      return kleur.bold(text);
  }
}

/** How wide what is printed may be: a terminal's own width; COLUMNS, where somebody set it; else no bound. */
export function columnsOf(env: NodeJS.ProcessEnv): number {
  if (process.stdout.isTTY) return Math.max(20, process.stdout.columns || 80);
  const set = Number(env.COLUMNS);
  return Number.isInteger(set) && set >= 20 ? set : Number.POSITIVE_INFINITY;
}

function line(text: string): string {
  return clean(text).replace(/\s+/g, ' ').trim();
}

function widthOf(segment: string): number {
  if (PLAIN.test(segment)) return segment.length;
  if (NOTHING.test(segment)) return 0;
  return EMOJI.test(segment) ? 2 : eastAsianWidth(segment.codePointAt(0) ?? 0);
}
