/*
 * What a text of shell starts, as far as it can be told without running it: its commands, and which of them the shell waits for. A reader of
 * its own, since no other program may be asked: the text is a user's, and is never run. What it does not understand (a `case` in a `$(...)`, a
 * word that is made at run time) it passes over.
 */
import { basename } from 'node:path';

export interface Command {
  /** Without assignments before it and redirections. */
  readonly words: readonly string[];
  /** In front of the shell, or in its background. */
  place: 'front' | 'background';
  /** `exec`: it takes the place of the shell. */
  readonly takesOver: boolean;
  /** It is run again and again. */
  readonly loops: boolean;
  /** It, or its neighbour in a pipe, is given the prompt of the run. */
  told: boolean;
  /** Of what runs in the background: the script waits for this very one, or for all that it has there. */
  awaited: 'alone' | 'all' | null;
}

const DEEPEST = 8;
/** What a longer script starts behind these is not looked at. */
const MOST_COMMANDS = 500;
/** A value that grows beyond this, such as one that is added to itself, names no program: it counts as not known. */
const MOST_VALUE = 4096;
const PROMPT = /\$\{?(MC_PROMPT_FILE\b|[@*])/;
const OPENS = /^(if|while|until|for|case|select|\{)$/;
const CLOSES = /^(fi|done|esac|\})$/;
const BETWEEN = /^(then|else|elif|do|!|time|in)$/;
const ASSIGNMENT = /^[A-Za-z_]\w*\+?=/;

/** All commands of a text, in its order; those in substitutions before the command that they are part of. */
export function commandsIn(text: string, depth = 0): readonly Command[] {
  return new Reader(withoutDocuments(text), depth).read();
}

/** Without the lines of here-documents. */
function withoutDocuments(text: string): string {
  const ends: string[] = [];
  return text
    .split('\n')
    .filter((line) => {
      if (ends.length > 0) {
        if (line.trim() === ends[0]) ends.shift();
        return false;
      }
      for (const [, end = ''] of line.matchAll(/(?<!<)<<-?\s*['"\\]?([A-Za-z_]\w*)/g)) ends.push(end);
      return true;
    })
    .join('\n')
    .replaceAll(/(?<!<)<<-?\s*['"\\]?[A-Za-z_]\w*['"]?/g, ' ');
}

interface Level {
  /** The first command of the list that an `&` would take to the background. */
  list: number;
  /** By what it was opened. */
  readonly by: string;
  /** Its first command. */
  readonly first: number;
  /** What stands before the `in` of a `case`, or the `do` of a `for`. */
  isHead: boolean;
  /** The name of the function whose body it is. */
  readonly named: string | null;
}

class Reader {
  readonly #text: string;
  readonly #depth: number;
  readonly #commands: Command[] = [];
  readonly #values = new Map<string, string>();
  readonly #functions = new Map<string, readonly [number, number]>();
  #levels: Level[] = [{ list: 0, first: 0, by: '', isHead: false, named: null }];
  #words: string[] = [];
  #redirected: string[] = [];
  #isTarget = false;
  #pipe = 0;
  #named: string | null = null;
  /** What went to the background last: `$!`. */
  #last: readonly Command[] = [];
  readonly #held = new Map<string, readonly Command[]>();

  constructor(text: string, depth: number) {
    this.#depth = depth;
    this.#text = text.replaceAll('\\\n', ' ');
  }

  read(): readonly Command[] {
    const text = this.#text;
    for (let at = 0; at < text.length && this.#commands.length < MOST_COMMANDS; ) {
      const char = text.charAt(at);
      const next = text.charAt(at + 1);
      if (char === '#') at = lineEnd(text, at);
      else if (/[ \t\r]/.test(char)) at += 1;
      else if (char === '<' || char === '>' || (char === '&' && next === '>')) {
        if (next === '(') at += 1;
        else {
          at += /^[<>&|-]*/.exec(text.slice(at))?.[0].length || 1;
          this.#isTarget = true;
        }
      } else if (char === '&' && next !== '&') {
        this.#end();
        this.#toBackground();
        at += 1;
      } else if (char === '(' && next === ')') {
        this.#named = this.#words.at(-1) ?? null;
        this.#words = [];
        at += 2;
      } else if (char === '(') {
        this.#open('(');
        at += 1;
      } else if (char === ')') {
        if (this.#level.by === 'case') this.#words = [];
        this.#end();
        this.#close('(');
        at += 1;
      } else if (/[;\n&|]/.test(char)) {
        const joined = /^(&&|\|\|?&?)/.exec(text.slice(at))?.[0];
        this.#end(joined === '|' || joined === '|&');
        if (joined === undefined) this.#level.list = this.#commands.length;
        at += joined?.length ?? 1;
      } else at = this.#word(at);
    }
    this.#end();
    this.#calls();
    return this.#commands;
  }

  get #level(): Level {
    return this.#levels.at(-1) ?? { list: 0, first: 0, by: '', isHead: false, named: null };
  }

  #word(from: number): number {
    const [word, to, plain] = readWord(this.#text, from, (code) => {
      for (const one of this.#depth < DEEPEST ? commandsIn(code, this.#depth + 1) : [])
        this.#commands.push(one);
    });
    if (plain && /^\d+$/.test(word) && /[<>]/.test(this.#text.charAt(to))) return to;
    if (this.#isTarget) this.#redirected.push(word);
    else if (this.#level.isHead) {
      if (plain && word === (this.#level.by === 'case' ? 'in' : 'do')) this.#level.isHead = false;
    } else if (
      this.#words.length === 0 &&
      plain &&
      (OPENS.test(word) || CLOSES.test(word) || BETWEEN.test(word))
    ) {
      if (OPENS.test(word)) this.#open(word);
      else if (CLOSES.test(word)) this.#close(word);
    } else this.#words.push(word);
    this.#isTarget = false;
    return to;
  }

  #open(by: string): void {
    this.#words = [];
    const first = this.#commands.length;
    const isHead = /^(for|case|select)$/.test(by);
    this.#levels.push({ list: first, first, by, isHead, named: this.#named });
    this.#named = null;
  }

  #close(by: string): void {
    const opened = this.#levels.at(-1);
    // The `)` of a pattern in a `case`.
    if (opened === undefined || this.#levels.length === 1 || (by === '(') !== (opened.by === '(')) return;
    this.#levels.pop();
    if (opened.named === null) return;
    // What a function is made of runs where it is called.
    this.#functions.set(opened.named, [opened.first, this.#commands.length]);
    this.#level.list = this.#commands.length;
  }

  /** A command is over; `piped` = what follows reads what it writes. */
  #end(piped = false): void {
    const words = this.#words;
    const told = [...words, ...this.#redirected].some((word) => PROMPT.test(word));
    [this.#words, this.#redirected, this.#isTarget] = [[], [], false];
    if (this.#level.isHead) return;
    while (words[0] !== undefined && /^(export|local|readonly|declare|typeset)$/.test(words[0]))
      words.shift();
    let assigned = 0;
    for (; ASSIGNMENT.test(words[assigned] ?? ''); assigned++) this.#assign(words[assigned] ?? '');
    if (words.length > assigned || told) {
      const rest = words.slice(assigned).map((word) => this.#filled(word));
      this.#waits(words.slice(assigned));
      this.#commands.push({
        ...{ words: rest, place: 'front', takesOver: rest[0] === 'exec', told, awaited: null },
        loops: this.#levels.some(({ by }) => /^(while|until|for)$/.test(by)),
      });
    }
    if (told || this.#pipe > 0) {
      const piece = this.#commands.slice(this.#commands.length - this.#pipe - 1);
      if (piece.some((one) => one.told)) for (const one of piece) one.told = true;
    }
    this.#pipe = piped ? this.#pipe + 1 : 0;
  }

  #toBackground(): void {
    this.#last = this.#commands.slice(this.#level.list);
    for (const one of this.#last) one.place = 'background';
    this.#level.list = this.#commands.length;
  }

  #assign(word: string): void {
    const [, name = '', value = ''] = /^(\w+)\+?=([\s\S]*)$/.exec(word) ?? [];
    if (value === '$!') this.#held.set(name, this.#last);
    else this.#values.set(name, this.#filled(value));
  }

  /** `wait`, and what else asks whether a process still lives. */
  #waits([first = '', ...rest]: readonly string[]): void {
    const after =
      first === 'wait' || (first === 'kill' && rest[0] === '-0')
        ? rest
        : rest.filter((word) => /--pid=|\/proc\//.test(word));
    const meant = after.flatMap((word) => {
      if (word.includes('$!')) return this.#last;
      return [...word.matchAll(/\$\{?(\w+)/g)].flatMap(([, name = '']) => this.#held.get(name) ?? []);
    });
    const all = first === 'fg' || (first === 'wait' && rest.every((word) => word.startsWith('-')));
    if (all) {
      // What the script has run in front of itself was what it is for.
      const behind = this.#commands.filter(({ place }) => place === 'background');
      const begun = this.#commands.indexOf(behind[0] as Command);
      if (!this.#commands.slice(begun).some(({ place, words }) => place === 'front' && !isPlain(words)))
        meant.push(...behind);
    }
    for (const one of meant) one.awaited = all ? 'all' : 'alone';
  }

  /** With the values that the text itself has given. */
  #filled(word: string): string {
    if (word.length > MOST_VALUE) return word;
    const filled = word.replaceAll(
      /\$(?:\{(\w+)(?::?[-=]([^}]*))?\}|(\w+))/g,
      (whole, name?: string, otherwise?: string, bare?: string) => {
        if (/^\d+$/.test(name ?? bare ?? '')) return whole;
        return this.#values.get(name ?? bare ?? '') ?? otherwise ?? '';
      },
    );
    return filled.length > MOST_VALUE ? word : filled;
  }

  /** What a function does is done where it is called. */
  #calls(): void {
    for (const [name, [from, to]] of this.#functions) {
      const calls = this.#commands.filter(({ words }) => words[0] === name);
      const [first] = calls;
      if (first === undefined || calls.some(({ place }) => place === 'front')) continue;
      for (const one of this.#commands.slice(from, to)) {
        one.place = 'background';
        one.awaited ??= calls.find(({ awaited }) => awaited !== null)?.awaited ?? null;
        one.told ||= calls.some(({ told }) => told);
      }
    }
  }
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

/** A word from here on, where it ends, and whether nothing in it is quoted. */
function readWord(
  text: string,
  from: number,
  inner: (code: string) => void,
): readonly [string, number, boolean] {
  let word = '';
  let plain = true;
  let quoted = false;
  let at = from;
  while (at < text.length) {
    const char = text.charAt(at);
    if (!quoted && /[ \t\r\n;&|()<>]/.test(char)) break;
    if (char === '"') [quoted, plain, at] = [!quoted, false, at + 1];
    else if (char === "'" && !quoted) {
      const end = text.indexOf("'", at + 1);
      word += text.slice(at + 1, end < 0 ? undefined : end);
      [plain, at] = [false, end < 0 ? text.length : end + 1];
    } else if (char === '\\') {
      word += text.charAt(at + 1);
      [plain, at] = [false, at + 2];
    } else if (char === '`' || (char === '$' && text.charAt(at + 1) === '(')) {
      const end = char === '`' ? text.indexOf('`', at + 1) : closing(text, at + 1);
      const to = end < 0 ? text.length : end;
      inner(text.slice(at + (char === '`' ? 1 : 2), to));
      [plain, at] = [false, to + 1];
    } else if (char === '$' && text.charAt(at + 1) === '{') {
      const end = text.indexOf('}', at);
      const to = end < 0 ? text.length : end + 1;
      word += text.slice(at, to);
      at = to;
    } else {
      word += char;
      at += 1;
    }
  }
  return [word, Math.max(at, from + 1), plain];
}

/** Where the bracket that opens here is closed; -1 = nowhere. */
function closing(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "'") at = Math.max(at, text.indexOf("'", at + 1));
    else if (char === '\\') at += 1;
    else if (char === '(') depth += 1;
    else if (char === ')' && --depth === 0) return at;
  }
  return -1;
}

/** Tools that are no agent, whatever they are given. `coreutils` and `toybox` are many of them in one file. */
const PLAIN =
  /^(:|\.|\[{1,2}|alias|awk|basename|break|cat|cd|chmod|chown|clear|continue|coreutils|cp|curl|cut|date|dd|df|dirname|disown|du|echo|exit|export|false|fg|find|getopts|git|[ef]?grep|hash|head|id|install|jobs|kill|less|ln|local|ls|mc-event|mc-pickup|mkdir|mkfifo|mktemp|more|mv|nano|printenv|printf|ps|pwd|read|readlink|realpath|return|rm|rmdir|sed|seq|set|shift|shopt|sleep|sort|source|stat|stty|sync|tail|tee|test|touch|toybox|tput|tr|trap|true|type|ulimit|umask|uname|unset|vim?|wait|watch|wc|wget|which|whoami|yes)$/;

/** Whether these words start such a tool, or nothing. */
export function isPlain(words: readonly string[]): boolean {
  const [first = '', second = ''] = words;
  if (/^(exec|command|builtin)$/.test(first) && !/^-[vV]/.test(second)) return isPlain(words.slice(1));
  return (first === '' && second === '') || /^-[vV]/.test(second) || PLAIN.test(basename(first));
}
