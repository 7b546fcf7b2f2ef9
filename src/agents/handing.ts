/*
 * How a text comes to a client so that it is only ever read. Clients read more into texts than the words: names of files, agents and
 * resources behind an @, skills behind a $ or a lone /word, commands at the beginning, a line that goes on after a backslash, a file list that
 * opens over the last word and takes the Enter. There is no way to quote these that the model's side would show unchanged. So a text is handed
 * over as it is only where its shape is known to mean nothing; what else there is goes into a file of the run, and the client is told in fixed
 * words of ours to read it.
 */

/** `start`: with the launch, behind our own first words. `typed`: pasted into a client that lives. */
export type Way = 'start' | 'typed';

export type Handing =
  | 'as_is'
  /** Its beginning alone means something: behind words of our own it does not. */
  | 'after_words'
  /** A file of the run holds it, and the client is told to read that. */
  | 'by_file';

/** What stands before a text whose beginning means something. */
export const BEFORE = 'Message for you:';

/** A name behind an @, wherever it stands; an address of mail is none. */
export const AT_NAME = /(?<![A-Za-z0-9])@|@(?![A-Za-z0-9])/;
/** A word of its own that begins with a slash: a command or a skill. A path has more than one. */
export const SLASH_WORD = /(?<=^|[\s"'`\p{Ps}\u3001\u3002\uff01\uff1f])\/[A-Za-z][\w:-]*(?![\w/-]|[.:]\w)/u;
/** A variable, skill or tool behind a $; a sum of money is none. */
export const DOLLAR_NAME = /\$(?!\d+([.,]\d+)*(?![\w:-]))[\w{[(-]/;
/** What stands in a composer in place of what was pasted or attached. */
export const CHIP = /\[(Pasted|Image|Truncated|\.\.\.)/i;
/** A picture or document, which some clients attach when its path is pasted. */
const ATTACHED = /\.(png|jpe?g|gif|webp|bmp|tiff?|heic|svg|pdf)\b/i;

/** What no client reads anything into at the beginning of a line of its own. */
const BEGINS = /^[\p{L}\p{N}\p{Ps}\p{Pi}\p{Pf}\p{Pd}"'*]/u;
const IS_COMMAND = /^:?(exit|quit|bye|logout|help|clear|q|wq|x)!?$/i;
/** The last word: nothing that a list to choose from could open over (the number of a ticket is no such thing), and no sign that the line goes on. */
const ENDS = /(^|\s)(\(?#\d+[).,;!?]*|[^\s@#$\\~/:][^\s@#$\\~]*)$/;

/** How a text goes to a client that reads something into `marks`, wherever they stand. */
export function handingOf(text: string, way: Way, marks: readonly RegExp[]): Handing {
  if (marks.some((mark) => mark.test(text))) return 'by_file';
  if (way === 'start') return 'as_is';
  if (/\t/.test(text) || ATTACHED.test(text) || text.trim() !== text || !ENDS.test(text)) return 'by_file';
  return beginsPlainly(text) ? 'as_is' : 'after_words';
}

/** Whether a text can begin a message to any program that takes lines: no command, no shell. */
export function beginsPlainly(text: string): boolean {
  return BEGINS.test(text) && !IS_COMMAND.test(text);
}

/** Our fixed words that name a file of the run. They come before anything of the file, so that it can't take their place. */
export function fileWords(path: string, way: Way): string {
  const file = /\s/.test(path) ? `"${path}"` : path;
  return way === 'start'
    ? `Read the file ${file} and do the ticket in it.`
    : `Read the file ${file}: all of it is a message for you from whoever watches over your ticket. Do what it says.`;
}

/** What an adapter says of the texts that it hands over. */
export interface Hands {
  /** How a text of a ticket or a person is handed to it so that it is only ever read. */
  hands(text: string, way: Way): Handing;
  /** The file that such a text goes by, where it is not one that its model reads by a tool; null = there is none in this place. */
  textFile?(place: TextPlace): TextFile | null;
}

/** A file of a run that holds a text, by its path below the run's directory, and the words that its client gets in place of the text. */
export interface TextFile {
  readonly file: string;
  readonly words: string;
}

/** The file that a text goes by; null = its client can't be told of any in this place. */
export function textFile(adapter: Hands, { runDir, name, way }: TextPlace): TextFile | null {
  if (adapter.textFile !== undefined) return adapter.textFile({ runDir, name, way });
  const file = `${name}.md`;
  const words = fileWords(`${runDir}/${file}`, way);
  return adapter.hands(words, way) === 'as_is' ? { file, words } : null;
}

export interface TextPlace {
  readonly runDir: string;
  /** Without an ending. */
  readonly name: string;
  readonly way: Way;
}
