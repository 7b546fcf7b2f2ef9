/** A place in a text; both numbers begin at 1, a column counts UTF-16 units, as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

const DEEPEST = 100;

/** Finds where a key of a TOML text is set, or the nearest of its parents that is written down. A table of an array goes by
 *  its number: `['route', '0', 'agent']`. The text is one that parsed: of any other it gives a place all the same, the wrong
 *  one at worst. */
export function locator(text: string): (path: readonly string[]) => Place {
  const offsets = new Scan(text).run();
  return (path) => {
    for (let n = path.length; n > 0; n--) {
      const at = offsets.get(path.slice(0, n).join('\0'));
      if (at !== undefined) return placeAt(text, at);
    }
    return { line: 1, column: 1 };
  };
}

function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

interface Word {
  readonly name: string;
  readonly at: number;
}

/** One walk over the text that understands only what tells keys from values: strings, brackets, commas, comments. */
class Scan {
  readonly #text: string;
  #at = 0;
  readonly #offsets = new Map<string, number>();
  /** How many tables each array of tables has so far, by its path. */
  readonly #arrays = new Map<string, number>();

  constructor(text: string) {
    this.#text = text;
  }

  run(): ReadonlyMap<string, number> {
    let table: string[] = [];
    for (;;) {
      this.#blank();
      if (this.#at >= this.#text.length) return this.#offsets;
      if (this.#text[this.#at] === '[') table = this.#header();
      else this.#assignment(table, 0);
      // What is left of the line is a comment, or nothing.
      const end = this.#text.indexOf('\n', this.#at);
      this.#at = end < 0 ? this.#text.length : end + 1;
    }
  }

  #header(): string[] {
    const array = this.#text[this.#at + 1] === '[';
    this.#at += array ? 2 : 1;
    const words = this.#key();
    let path: string[] = [];
    for (const [index, { name, at }] of words.entries()) {
      path = [...path, name];
      this.#note(path, at);
      const whole = path.join('\0');
      const last = array && index === words.length - 1;
      const before = this.#arrays.get(whole);
      if (last) this.#arrays.set(whole, (before ?? -1) + 1);
      const number = this.#arrays.get(whole);
      if (number === undefined) continue;
      path = [...path, String(number)];
      this.#note(path, at);
    }
    return path;
  }

  /** `a.b = value`, in a table or inside braces. */
  #assignment(table: readonly string[], depth: number): void {
    let path = [...table];
    for (const { name, at } of this.#key()) {
      path = [...path, name];
      this.#note(path, at);
    }
    this.#blank();
    if (this.#text[this.#at] !== '=') return;
    this.#at++;
    this.#value(path, depth);
  }

  #value(path: readonly string[], depth: number): void {
    this.#blank();
    const first = this.#text[this.#at];
    if (depth < DEEPEST && (first === '[' || first === '{')) this.#inside(first, path, depth + 1);
    else if (first === '"' || first === "'") this.#string(first);
    else this.#skip(/[^,\]}#\n]*/y);
  }

  #inside(opened: '[' | '{', path: readonly string[], depth: number): void {
    const end = opened === '[' ? ']' : '}';
    this.#at++;
    for (let index = 0; ; index++) {
      this.#blank();
      const before = this.#at;
      if (before >= this.#text.length) return;
      if (this.#text[before] === end) {
        this.#at++;
        return;
      }
      if (opened === '[') {
        this.#note([...path, String(index)], before);
        this.#value([...path, String(index)], depth);
      } else this.#assignment(path, depth);
      this.#blank();
      if (this.#text[this.#at] === ',' || this.#at === before) this.#at++;
    }
  }

  #key(): Word[] {
    const words: Word[] = [];
    for (;;) {
      this.#skip(/[ \t]*/y);
      const at = this.#at;
      const first = this.#text[at];
      if (first === '"' || first === "'") this.#string(first);
      else this.#skip(/[A-Za-z0-9_-]*/y);
      if (this.#at === at) return words;
      words.push({ name: unquoted(this.#text.slice(at, this.#at)), at });
      this.#skip(/[ \t]*/y);
      if (this.#text[this.#at] !== '.') return words;
      this.#at++;
    }
  }

  #string(quote: string): void {
    const long = this.#text.startsWith(quote.repeat(3), this.#at);
    const end = long ? quote.repeat(3) : quote;
    this.#at += end.length;
    while (this.#at < this.#text.length) {
      if (quote === '"' && this.#text[this.#at] === '\\') this.#at += 2;
      else if (this.#text.startsWith(end, this.#at)) {
        this.#at += end.length;
        // A long string may end in quotes of its own.
        while (long && this.#text[this.#at] === quote) this.#at++;
        return;
      } else if (!long && this.#text[this.#at] === '\n') return;
      else this.#at++;
    }
  }

  /** Spaces, line ends and comments. */
  #blank(): void {
    this.#skip(/(?:[ \t\r\n]+|#[^\n]*)*/y);
  }

  #skip(pattern: RegExp): void {
    pattern.lastIndex = this.#at;
    this.#at += pattern.exec(this.#text)?.[0].length ?? 0;
  }

  #note(path: readonly string[], at: number): void {
    const whole = path.join('\0');
    if (!this.#offsets.has(whole)) this.#offsets.set(whole, at);
  }
}

function unquoted(word: string): string {
  if (word.startsWith("'")) return word.slice(1, -1);
  if (!word.startsWith('"')) return word;
  try {
    return String(JSON.parse(word));
  } catch {
    return word.slice(1, -1);
  }
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

/** ` (did you mean "project"?)`, or nothing. */
export function hint(word: string, known: readonly string[]): string {
  const meant = didYouMean(word, known);
  return meant === null ? '' : ` (did you mean "${meant}"?)`;
}
