/*
 * A question of a client's own tool that its server takes the answer to. One call may ask several: they are answered one after the other, as by keys, and
 * what has been answered waits in a file of ours until the last one is.
 */
import type { AskedCall, OpenChoice, Posting } from '../../agents/adapter.ts';
import type { Chosen } from '../../model/choice.ts';
import type { Runtime } from '../../model/runtime.ts';
import { agentLook } from '../../runs/activity.ts';
import { objectOfRun, runDir, writeOwn } from '../../runs/dirs.ts';
import { readRunFile } from '../../runs/run-file.ts';
import type { Deliverer } from './index.ts';

const FILE = 'choice.json';

/** Whose question, and how its server is asked. */
export interface Asking {
  readonly row: Runtime;
  readonly posting: Posting;
}

/** The question that is the next one to be answered; null = none. */
export async function openByPost(
  { places }: Pick<Deliverer, 'places'>,
  one: Asking,
): Promise<OpenChoice | null> {
  const dir = runDir(places.runs, one.row.mark);
  const call = await one.posting.read(lookOf(places.runs, one.row));
  return call === null ? null : openIn(call, givenTo(dir, call).length);
}

/** The question that is open after it; `sent`: that was the last one, and the server has all answers. Else why nothing was answered. */
export async function answerByPost(
  { places }: Pick<Deliverer, 'places'>,
  { row, posting }: Asking,
  { name, options }: OpenChoice,
  chosen: Chosen,
): Promise<OpenChoice | 'sent' | { readonly why: string }> {
  const dir = runDir(places.runs, row.mark);
  const look = lookOf(places.runs, row);
  const call = await posting.read(look);
  if (call === null) return { why: 'its question is not open any more: nothing was answered' };
  const before = givenTo(dir, call);
  if (openIn(call, before.length)?.name !== name) return { why: 'it asks something else by now' };
  if ('text' in chosen && call.choices[before.length]?.own === false)
    return { why: 'it takes no text: give the number of an option' };
  const words = 'text' in chosen ? [chosen.text] : chosen.numbers.map((n) => options[n - 1] ?? '');
  const given = [...before, words];
  const next = openIn(call, given.length);
  if (next !== null) {
    writeOwn(dir, FILE, `${JSON.stringify({ call: call.id, given })}\n`);
    return next;
  }
  const why = await posting.reply(look, call.id, given);
  return why === null ? 'sent' : { why };
}

function openIn({ id, choices }: AskedCall, n: number): OpenChoice | null {
  const choice = choices[n];
  return choice === undefined ? null : { ...choice, name: `${id} ${n}` };
}

/** What has been answered of this very call. */
function givenTo(dir: string, { id, choices }: AskedCall): readonly (readonly string[])[] {
  const kept = objectOfRun(dir, FILE);
  const given =
    kept?.call === id && Array.isArray(kept.given) ? (kept.given as readonly (readonly string[])[]) : [];
  return given.slice(0, choices.length - 1);
}

function lookOf(runs: string, row: Runtime) {
  return agentLook(runs, row, readRunFile(runs, row.mark), null);
}
