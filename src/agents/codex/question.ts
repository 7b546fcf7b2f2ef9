import { asObject, textOf } from '../../machine/files.ts';
import { choiceText } from '../../model/choice.ts';

/** What a permission dialog asks, in one sentence. */
export function permissionText(tool: string, what: string): string {
  return what === '' ? `Permission for ${tool}` : `Permission for ${tool}: ${what.trim()}`;
}

/** The questions of a call of the question tool, with what may be chosen, or null where it has none. */
export function askedIn(input: Readonly<Record<string, unknown>> | null): string | null {
  const questions = Array.isArray(input?.questions) ? input.questions.map(asObject) : [];
  const choices = questions.flatMap((one) => {
    const question = textOf(one, 'question');
    const options = Array.isArray(one?.options) ? one.options : [];
    const labels = options
      .map((option) => textOf(asObject(option), 'label'))
      .filter((label) => label !== null);
    return question === null ? [] : [{ question, options: labels, many: false }];
  });
  return choices.length === 0 ? null : choiceText(choices);
}
