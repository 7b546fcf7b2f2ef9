import { asObject, textOf } from '../../machine/files.ts';
import { type Choice, choiceText } from '../../model/choice.ts';

/** What a person is asked by a tool call that waits: the questions themselves, or what the permission is for. */
export function questionOf(tool: string, input: Record<string, unknown> | null): string {
  if (tool === 'AskUserQuestion') return askedQuestions(input);
  const what = ['command', 'description', 'file_path', 'url', 'plan']
    .map((key) => textOf(input, key))
    .find(Boolean);
  return what ? `Permission for ${tool}: ${what}` : `Permission for ${tool}`;
}

function askedQuestions(input: Record<string, unknown> | null): string {
  const questions = Array.isArray(input?.questions) ? input.questions : [];
  const choices = questions.map((one) => choiceOf(asObject(one))).filter((one) => one !== null);
  return choiceText(choices) || textOf(input, 'question') || 'The agent asks a question';
}

function choiceOf(asked: Record<string, unknown> | null): Choice | null {
  const question = textOf(asked, 'question');
  if (question === null) return null;
  const options = Array.isArray(asked?.options) ? asked.options : [];
  const labels = options.map((option) => textOf(asObject(option), 'label')).filter((label) => label !== null);
  return { question, options: labels, many: asked?.multiSelect === true };
}
