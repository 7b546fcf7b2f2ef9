import { textOf } from '../../machine/files.ts';
import { tailAt } from '../../machine/foreign.ts';
import { asObject, jsonIn, objectIn } from '../../model/json.ts';
import { oneLine } from '../../model/text.ts';

/** One thing that was said or done in the conversation of a run. Untrusted text, as it was recorded. */
export interface Turn {
  /** UTC milliseconds; null = the record does not tell. */
  readonly at_ms: number | null;
  readonly who: 'user' | 'assistant' | 'tool' | 'result' | 'note' | 'output';
  readonly text: string;
}

export type Entry = Record<string, unknown>;

/** Beyond this only the end of a record is read. */
export const MAX_BYTES = 64 * 1024 * 1024;
const MAX_CALL = 300;

/** The text of a plain file, or its end; null = there is none that can be read. A pipe in its place holds nobody up. */
export function textIn(path: string): string | null {
  const tail = tailAt(path, MAX_BYTES);
  return tail?.cut === true ? tail.text.slice(tail.text.indexOf('\n') + 1) : (tail?.text ?? null);
}

/** The lines that are JSON objects; one that is half written is left for the next look. */
export function entriesIn(text: string): Entry[] {
  return text.split('\n').flatMap((line): Entry[] => {
    if (!line.startsWith('{')) return [];
    const entry = objectIn(line);
    return entry === null ? [] : [entry];
  });
}

export function timeOf(value: unknown): number | null {
  const at = typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(at) ? at : null;
}

/** A call of a tool on one line: its name, and what of its input a person knows it by. */
export function callLine(name: string | null, input: unknown): string {
  const object = asObject(typeof input === 'string' ? (jsonIn(input) ?? input) : input);
  const keys = [
    'command',
    'cmd',
    'file_path',
    'filePath',
    'path',
    'pattern',
    'query',
    'url',
    'description',
    'prompt',
  ];
  const key = keys.find(
    (one) => object !== null && (textOf(object, one) !== null || Array.isArray(object[one])),
  );
  const value = object === null || key === undefined ? input : object[key];
  const words = Array.isArray(value) ? value.map(String).join(' ') : value;
  const text = typeof words === 'string' ? words : words === undefined ? '' : JSON.stringify(words);
  return oneLine(`${name ?? 'a tool'}${text === '' ? '' : `: ${text}`}`, MAX_CALL);
}

/** What a tool gave back: its first line, and how many there are. */
export function resultLine(text: string, failed: boolean): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const more = lines.length > 1 ? ` (and ${lines.length - 1} more lines)` : '';
  return `${failed ? 'failed: ' : ''}${oneLine(lines[0] ?? 'nothing', MAX_CALL)}${more}`;
}

/** The text of a list of blocks, or of a text. */
export function blocksText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((block) => textOf(asObject(block), 'text') ?? '')
    .filter((text) => text !== '')
    .join('\n');
}
