/*
 * Text that other people wrote. What is stripped here can move a cursor, end a bracketed paste, or show one thing
 * to a person and another to a program. One pass over the original: removing what stands between the two halves of
 * a surrogate pair must not join them.
 */
const STRIPPED =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu;

/** Text without control characters (but newline and tab), bidi controls and lone surrogates; line ends are \n. */
export function clean(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(STRIPPED, '');
}

/** Clean text on one line, at most `max` UTF-16 units long, with an ellipsis where it was cut. */
export function oneLine(text: string, max: number): string {
  const line = clean(text).replace(/\s+/g, ' ').trim();
  if (line.length <= max) return line;
  if (max < 1) return '';
  // A cut through a surrogate pair leaves its first half: that goes too.
  return `${line.slice(0, max - 1).replace(/\p{Surrogate}$/u, '')}…`;
}

/** The last `lines` lines of a screen or log, cleaned, without the blank ones around them, at most `max` long. */
export function lastLines(text: string, lines: number, max: number): string {
  const all = clean(text)
    .split('\n')
    .map((line) => line.trimEnd());
  while (all.length > 0 && all.at(-1) === '') all.pop();
  const kept = all.slice(-Math.max(1, lines)).join('\n').replace(/^\n+/, '');
  return kept.length <= max ? kept : kept.slice(kept.length - max).replace(/^\p{Surrogate}/u, '');
}

/** A title as a part of a branch name: [a-z0-9-]{0,40} without dashes at its ends; may be empty. */
export function slug(title: string): string {
  return title
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, 40)
    .replace(/-$/, '');
}

/** `1 commit`, `3 commits`. */
export function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** `3.1 MB`. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let n = bytes / 1024;
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}
