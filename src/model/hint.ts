/** ` (did you mean "project"?)`, or nothing. */
export function hint(word: string, known: readonly string[]): string {
  const meant = didYouMean(word, known);
  return meant === null ? '' : ` (did you mean "${meant}"?)`;
}

/** The known word that was probably meant (edit distance of at most 2), or null. */
function didYouMean(word: string, known: readonly string[]): string | null {
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
