/*
 * A question that a client's own tool asks, with what may be chosen: as text for people, and back. The text is what the board keeps and
 * shows, so that every board has the options of every client.
 */
import { oneLine } from './text.ts';

/** One question, and what may be chosen. */
export interface Choice {
  readonly question: string;
  readonly options: readonly string[];
  /** Several of them at once. */
  readonly many: boolean;
}

/** What a person can do about a dialog that an agent has open. `unknown`: it asks for a permission, or is one that nobody knows. */
export type DialogKind = 'permission' | 'choice' | 'attach' | 'unknown';

const MOST_WORDS = 1000;
const MOST_LABEL = 200;
const OPTION = /^ {2}(\d+)\. (.+)$/;
const SEVERAL = ' (several may be chosen)';

/** Each question on a line, with its options below it by their numbers. What an agent writes stays on its line. */
export function choiceText(choices: readonly Choice[]): string {
  return choices
    .flatMap(({ question, options, many }) => [
      `${oneLine(question, MOST_WORDS)}${many ? SEVERAL : ''}`,
      ...options.map((label, n) => `  ${n + 1}. ${oneLine(label, MOST_LABEL)}`),
    ])
    .join('\n');
}

/** The questions of such a text. */
export function choicesIn(text: string): Choice[] {
  const found: { question: string; options: string[]; many: boolean }[] = [];
  for (const line of text.split('\n')) {
    const option = OPTION.exec(line)?.[2];
    const many = line.endsWith(SEVERAL);
    if (option !== undefined) found.at(-1)?.options.push(option);
    else found.push({ question: many ? line.slice(0, -SEVERAL.length) : line, options: [], many });
  }
  return found.filter(({ options }) => options.length > 0);
}

/** What the question of an agent that waits can be answered with. */
export function dialogOf(question: string | null): DialogKind {
  if (question === null) return 'unknown';
  if (question.startsWith('Permission for ')) return 'permission';
  if (question.split('\n').some((line) => OPTION.test(line))) return 'choice';
  return /\battach\b/.test(question) ? 'attach' : 'unknown';
}

/** What a person has said of a choice: options by their numbers, one by its very words, or a text of their own. */
export type Chosen = { readonly numbers: readonly number[] } | { readonly text: string };

/** Reads an answer; a text where it is neither numbers nor the words of an option. Says what is wrong with it. */
export function chosenIn(text: string, { options, many }: Choice): Chosen | { readonly wrong: string } {
  const said = text.trim();
  if (!/^\d+([\s,]+\d+)*$/.test(said)) {
    const label = options.findIndex((one) => one.toLowerCase() === said.toLowerCase());
    return label < 0 ? { text } : { numbers: [label + 1] };
  }
  const numbers = [...new Set(said.split(/[\s,]+/).map(Number))];
  const beyond = numbers.find((one) => one < 1 || one > options.length);
  if (beyond !== undefined) return { wrong: `it has no option ${beyond}, but 1 to ${options.length}` };
  return numbers.length > 1 && !many ? { wrong: 'one option can be chosen, not several' } : { numbers };
}
