/*
 * One word in the language of each scheduler's file. Line breaks and other control characters have been refused before.
 */

/** Text as the bytes of its UTF-8, one character each: files that hold lines of others are handled in this form, so that
 *  bytes that are no text come back as they were. */
export function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** What `bytesOf` made, as text to show. */
export function shown(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** A word of a crontab's command. cron takes `%` for the end of the command unless a backslash precedes it, and its kinds
 *  do not agree on what two backslashes are: so there is none but before a `%`, not even around a quote. */
export function cronWord(word: string): string {
  const quoted = /^[A-Za-z0-9_@+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
  return quoted.replaceAll('%', '\\%');
}

/** A quoted word of a unit's `Environment=`, where `$` is a plain character. */
export function unitWord(word: string): string {
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}

/** A quoted word of a unit's `ExecStart=`, where `$` would be replaced. */
export function execWord(word: string): string {
  return unitWord(word).replaceAll('$', '$$$$');
}

/** Text between two XML tags. */
export function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
