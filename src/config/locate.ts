/** Finds the line on which a key of a TOML text is set. The text is one that parsed; this walks its lines only to
 *  say where a complaint belongs, so a near miss costs a line number, nothing more. */
export function locator(text: string): (path: readonly string[]) => number {
  const lines = new Map<string, number>();
  let table: string[] = [];
  let until: string | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    const start = until;
    const quotes = line.match(/"""|'''/g) ?? [];
    for (const quote of quotes) {
      if (until === null) until = quote;
      else if (until === quote) until = null;
    }
    if (start !== null) continue;
    const header = /^\s*\[\[?\s*([^[\]=]+?)\s*\]\]?\s*(#.*)?$/.exec(line);
    const key = /^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_.\s-])+?)\s*=/.exec(line);
    if (header !== null) table = parts(header[1] ?? '');
    else if (key === null) continue;
    const path = header !== null ? table : [...table, ...parts(key?.[1] ?? '')];
    for (let n = 1; n <= path.length; n++) {
      const name = path.slice(0, n).join('\0');
      if (!lines.has(name)) lines.set(name, index + 1);
    }
  }
  return (path) => {
    for (let n = path.length; n > 0; n--) {
      const line = lines.get(path.slice(0, n).join('\0'));
      if (line !== undefined) return line;
    }
    return 1;
  };
}

function parts(dotted: string): string[] {
  return [...dotted.matchAll(/"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );
}

/** The known word that was probably meant (edit distance of at most 2), or null. */
export function didYouMean(word: string, known: readonly string[]): string | null {
  if (word.length > 64) return null;
  let best: string | null = null;
  let least = 3;
  for (const candidate of known) {
    const d = distance(word, candidate);
    if (d < least && d < candidate.length) {
      best = candidate;
      least = d;
    }
  }
  return best;
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
