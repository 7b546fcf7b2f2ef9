import { setTimeout as pause } from 'node:timers/promises';

/** What the model does in one response. */
export type Act =
  | { readonly kind: 'say'; readonly text: string }
  /** A call of the client's shell tool. */
  | { readonly kind: 'shell'; readonly command: string }
  /** A call of the client's question tool, where it has one. */
  | (Question & { readonly kind: 'ask'; readonly more: readonly Question[] })
  /** A call of the tool by which the client's model reads files, without asking for more rights than it has. */
  | { readonly kind: 'read'; readonly path: string }
  /** An answer of the API that is no answer. `reset_s`: when a limit ends, seconds since the epoch. */
  | {
      readonly kind: 'fail';
      readonly status: number;
      readonly reset_s: number | null;
      readonly how: FailHow | null;
    };

/**
 * What is wrong, where the status alone leaves that open: the prompt is too `long` or `refused`, the `key` is bad, the quota of the `day` is used
 * up; or there is no status at all, since the stream is `cut` after its beginning, or the connection dropped before it.
 */
export type FailHow = 'long' | 'refused' | 'key' | 'day' | 'cut' | 'drop';

export interface Question {
  readonly question: string;
  readonly options: readonly string[];
  /** Several of them may be chosen. */
  readonly many: boolean;
}

/** What a protocol handler has found in a request. */
export interface Asked {
  /** The newest text that a user wrote in this conversation, without tool results and without what the client adds. */
  readonly prompt: string;
  /** Responses of the model since then: 0 = this is the first. */
  readonly responses: number;
  /** What the first tool has answered since then, as the model sees it. */
  readonly result?: string;
}

/** Our fixed words that name a file in place of a text, and that file. */
const POINTER =
  /^Read the file (?:"(\/[^"]+\.md)"|(\/\S+\.md))(?: and do the ticket in it\.|: all of it is a message for you)/;

/** The file that a prompt tells the model to read, if it is nothing but such words. */
export function pointedAt(prompt: string): string | null {
  const [, quoted, plain] = POINTER.exec(prompt.trim()) ?? [];
  return quoted ?? plain ?? null;
}

/**
 * Decides what the stubbed model does. The prompt itself says it, in directives that are carried out in order, one
 * response each; after the last one, and without any, the model says "done":
 *
 *   [[say TEXT]]  [[shell COMMAND]]  [[ask QUESTION | option | option]]
 *                    `&&` between questions of one call; `many:` before one of which several options may be chosen
 *   [[fail STATUS]]  [[fail 429 reset SECONDS]]  [[fail 529 times 2]]   an error, each time or so many times
 *   [[fail 400 long]]  refused, key, day, cut, drop: see `FailHow`
 *                    `reset +10`: ten seconds after the first such error
 *   [[hold NAME]]   the response is begun and goes on when the test calls `release(NAME)`
 */
export class Brain {
  /** Every prompt that was answered, in order; a request that only goes on with a turn adds none. A text that came by file is here once the model
   *  has read it, as it was read. */
  readonly prompts: string[] = [];
  /** The prompts that named a file, as they came. */
  readonly pointers: string[] = [];
  /** What was answered, in order. */
  readonly acts: Act[] = [];
  readonly #failed = new Map<string, number>();
  readonly #resets = new Map<string, number>();
  readonly #released = new Set<string>();
  /** Names of the holds that a response waits at, or waited at. */
  readonly held = new Set<string>();
  /** What is done for a prompt without any directive. */
  otherwise: readonly (readonly ['say' | 'shell', string])[] = [];
  /** The API is up, and answers every request with 500. */
  away = false;
  #closed = false;

  /** Call it once for each request for a response. The acts of the response; a `hold` before them has passed. */
  async decide(asked: Asked): Promise<Act> {
    const act = await this.#decide(asked);
    this.acts.push(act);
    return act;
  }

  async #decide(given: Asked): Promise<Act> {
    if (this.away) return { kind: 'fail', status: 500, reset_s: null, how: null };
    const path = pointedAt(given.prompt);
    if (path !== null && given.responses === 0) {
      if (this.pointers.at(-1) !== given.prompt) this.pointers.push(given.prompt);
      return { kind: 'read', path };
    }
    const asked =
      path === null
        ? given
        : { prompt: given.result ?? '(nothing was read)', responses: given.responses - 1 };
    if (asked.responses === 0 && this.prompts.at(-1) !== asked.prompt) this.prompts.push(asked.prompt);
    const told = directives(asked.prompt);
    const [verb = 'say', rest = 'done'] = (told.length > 0 ? told : this.otherwise)[asked.responses] ?? [];
    switch (verb) {
      case 'shell':
        return { kind: 'shell', command: rest };
      case 'ask': {
        const [first = questionOf(rest), ...more] = rest.split('&&').map(questionOf);
        return { kind: 'ask', ...first, more };
      }
      case 'fail':
        return this.#fail(asked, rest);
      case 'hold':
        await this.#hold(rest);
        return { kind: 'say', text: `went on after ${rest}` };
      default:
        return { kind: 'say', text: rest };
    }
  }

  release(name: string): void {
    this.#released.add(name);
  }

  /** Lets go of every hold: the test is over. */
  close(): void {
    this.#closed = true;
  }

  #fail(asked: Asked, rest: string): Act {
    const [, status = '500', how, reset, times] =
      /^(\d{3})(?:\s+(long|refused|key|day|cut|drop))?(?:\s+reset\s+(\+?\d+))?(?:\s+times\s+(\d+))?$/.exec(
        rest,
      ) ?? [];
    const key = `${asked.prompt}\n${asked.responses}`;
    const count = (this.#failed.get(key) ?? 0) + 1;
    this.#failed.set(key, count);
    if (times !== undefined && count > Number(times)) return { kind: 'say', text: 'done' };
    return {
      kind: 'fail',
      status: Number(status),
      reset_s: this.#resetAt(key, reset),
      how: (how as FailHow | undefined) ?? null,
    };
  }

  #resetAt(key: string, reset: string | undefined): number | null {
    if (reset === undefined) return null;
    const from = reset.startsWith('+') ? Math.ceil(Date.now() / 1000) : 0;
    const at = this.#resets.get(key) ?? from + Number(reset);
    this.#resets.set(key, at);
    return at;
  }

  async #hold(name: string): Promise<void> {
    this.held.add(name);
    while (!this.#released.has(name) && !this.#closed) await pause(20);
  }
}

function questionOf(text: string): Question {
  const [question = '', ...options] = text.split('|').map((part) => part.trim());
  return {
    question: question.replace(/^many: /, ''),
    options: options.length > 0 ? options : ['yes', 'no'],
    many: question.startsWith('many: '),
  };
}

/** The directives of a prompt as [verb, rest]. What an earlier attempt showed on its screen is no directive. */
function directives(prompt: string): [string, string][] {
  const own = prompt.split('An earlier attempt ended:')[0] ?? '';
  return [...own.matchAll(/\[\[(say|shell|ask|fail|hold)\s+([^\]]*)\]\]/g)].map(
    ([, verb = '', rest = '']) => [verb, rest.trim()],
  );
}
