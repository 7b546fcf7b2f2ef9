import { parseTOML } from 'toml-eslint-parser'; // loaded with the first complaint: scripts/build.ts
import { attempt } from '../model/json.ts';

/** A place in a text; both numbers begin at 1, a column counts UTF-16 units, as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

type Program = ReturnType<typeof parseTOML>;
type Entry = Program['body'][0]['body'][number];
type Key = Entry['key'];
type Value = Extract<Entry, { type: 'TOMLKeyValue' }>['value'];
type Path = readonly (string | number)[];

/** Finds where a key of a TOML text is set, or the nearest of its parents that is written down. A table of an array goes by
 *  its number: `['route', '0', 'agent']`. In a text that cannot be understood everything is at its beginning. */
export function locator(text: string): (path: readonly string[]) => Place {
  const places = placesIn(text);
  return (path) => {
    for (let n = path.length; n > 0; n--) {
      const there = places.get(path.slice(0, n).join('\0'));
      if (there !== undefined) return there;
    }
    return { line: 1, column: 1 };
  };
}

function placesIn(text: string): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  const note = (path: Path, { loc }: Pick<Value, 'loc'>): void => {
    const key = path.join('\0');
    if (!places.has(key)) places.set(key, { line: loc.start.line, column: loc.start.column + 1 });
  };
  /** Each word of a key is the place of the path that ends with it. */
  const words = ({ keys }: Key, below: Path): Path => {
    let path = below;
    for (const word of keys) {
      path = [...path, word.type === 'TOMLBare' ? word.name : word.value];
      note(path, word);
    }
    return path;
  };
  const value = (one: Value, path: Path): void => {
    if (one.type === 'TOMLInlineTable') for (const pair of one.body) value(pair.value, words(pair.key, path));
    else if (one.type === 'TOMLArray')
      for (const [n, element] of one.elements.entries()) {
        note([...path, n], element);
        value(element, [...path, n]);
      }
  };
  /** The number of a table of an array stands nowhere: it is at the word before. */
  const header = ({ keys }: Key, resolved: Path): void => {
    let word = -1;
    for (const [n, part] of resolved.entries()) {
      if (typeof part === 'string') word += 1;
      const at = keys[word];
      if (at !== undefined) note(resolved.slice(0, n + 1), at);
    }
  };
  for (const one of attempt(() => parseTOML(text).body[0].body) ?? [])
    if (one.type === 'TOMLKeyValue') value(one.value, words(one.key, []));
    else {
      header(one.key, one.resolvedKey);
      for (const pair of one.body) value(pair.value, words(pair.key, one.resolvedKey));
    }
  return places;
}
