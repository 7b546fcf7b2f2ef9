import { asObject, textOf } from '../../machine/files.ts';
import { messageOf } from '../../model/errors.ts';
import type { AskedCall, Posting } from '../adapter.ts';
import { Refused, serverOf } from './server.ts';

/** The questions of its own tool, by its server: no key is pressed for their answers. */
export const asked: Posting = {
  async read(look) {
    try {
      return callIn(await serverOf(look)?.('/question'));
    } catch {
      return null;
    }
  },
  async reply(look, id, answers) {
    const ask = serverOf(look);
    if (ask === null) return 'its server does not answer';
    try {
      await ask(`/question/${id}/reply`, { answers });
      return null;
    } catch (error) {
      return error instanceof Refused ? `its server did not take it (${messageOf(error)})` : null;
    }
  },
};

/** The first call of an answer of `/question`. Its id becomes a part of a path. */
function callIn(list: unknown): AskedCall | null {
  const call = Array.isArray(list) ? asObject(list[0]) : null;
  const id = textOf(call, 'id');
  if (call === null || id === null || !/^que_\w+$/.test(id)) return null;
  const choices = choicesOf(call);
  return choices.length === 0 ? null : { id, choices };
}

/** What a call asks, as its event and its server tell it. */
export function choicesOf(call: Readonly<Record<string, unknown>>): AskedCall['choices'] {
  const questions = Array.isArray(call.questions) ? call.questions.map(asObject) : [];
  return questions.flatMap((one) => {
    const question = textOf(one, 'question');
    const options = Array.isArray(one?.options) ? one.options.map(asObject) : [];
    const labels = options.map((option) => textOf(option, 'label')).filter((label) => label !== null);
    if (question === null) return [];
    return [{ question, options: labels, many: one?.multiple === true, own: one?.custom !== false }];
  });
}
