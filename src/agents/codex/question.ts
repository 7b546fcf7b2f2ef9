import { asObject, textOf } from '../../machine/files.ts';

/** What a permission dialog asks, in one sentence. */
export function permissionText(tool: string, what: string): string {
  return what === '' ? `Permission for ${tool}` : `Permission for ${tool}: ${what.trim()}`;
}

/** The questions of a call of the question tool, or null where it has none. */
export function askedIn(input: Readonly<Record<string, unknown>> | null): string | null {
  const questions = Array.isArray(input?.questions) ? input.questions : [];
  const texts = questions.map((one) => textOf(asObject(one), 'question')).filter((text) => text !== null);
  return texts.length === 0 ? null : texts.join('\n');
}
