import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { failpoint } from '../machine/failpoint.ts';
import { clean } from '../model/text.ts';
import { searched } from './pane.ts';
import { command, failureOf, guarded, type Tmux } from './tmux.ts';

export interface Paste {
  readonly pane: string;
  readonly run: string;
  readonly text: string;
  /** What the client needs between the paste and Enter. */
  readonly enterDelayMs: number;
  /** Asked once more when the text is in and Enter is due: a dialog that opened meanwhile would be answered. */
  readonly mayEnter?: () => boolean | Promise<boolean>;
  /** What the pane shows while a dialog is open: Enter is not pressed then. null = nothing is known. */
  readonly unless?: string | null;
}

/** `held`: the text is in, and Enter was not pressed. */
export type Pasted =
  | 'pasted'
  | 'held'
  | 'refused'
  /** `untouched`: it failed before anything could reach the pane. */
  | { readonly error: string; readonly untouched?: true };

/** Pastes a text into a living pane of this run and presses Enter; each in one guarded tmux command, since a
 *  paste into a dead pane ends the whole tmux server. */
export async function pasteText(tmux: Tmux, paste: Paste): Promise<Pasted> {
  const { pane, run } = paste;
  if (!/^%\d+$/.test(pane) || !/^[A-Za-z0-9_-]+$/.test(run))
    return { error: 'not a pane or not a run id', untouched: true };
  const text = clean(paste.text);
  if (text === '') return { error: 'there is no text to paste', untouched: true };
  const buffer = `mc-${randomBytes(8).toString('hex')}`;
  const loaded = failureOf(await command(tmux, ['load-buffer', '-b', buffer, '-'], text));
  if (loaded !== null) return { error: loaded, untouched: true };
  return unbroken(() => pasteAndEnter(tmux, paste, buffer));
}

async function pasteAndEnter(tmux: Tmux, paste: Paste, buffer: string): Promise<Pasted> {
  const { pane, run } = paste;
  const pasting = `paste-buffer -p -r -d -b ${buffer} -t '${pane}'`;
  const pasted = await guarded(tmux, pane, living(run), pasting, 'pasted', ` ; delete-buffer -b ${buffer}`);
  if (pasted !== 'pasted') {
    await command(tmux, ['delete-buffer', '-b', buffer]);
    return pasted;
  }
  failpoint('send-pasted');
  await pause(paste.enterDelayMs);
  if ((await paste.mayEnter?.()) === false) return 'held';
  const entered = await pressEnter(tmux, paste);
  return entered === 'refused' ? 'held' : entered;
}

const ENDING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Puts off what would end this process (a person's C-c) until the work is done: a text without its Enter would stay where it is typed, and
 *  the next text would be put behind it. */
async function unbroken<T>(work: () => Promise<T>): Promise<T> {
  let came: NodeJS.Signals | null = null;
  const later = (signal: NodeJS.Signals): void => {
    came ??= signal;
  };
  for (const signal of ENDING) process.on(signal, later);
  try {
    return await work();
  } finally {
    for (const signal of ENDING) process.off(signal, later);
    if (came !== null) process.kill(process.pid, came);
  }
}

/** Enter, in one tmux command with the check that the pane lives, is this run's and shows no dialog. */
export async function pressEnter(
  tmux: Tmux,
  { pane, run, unless = null }: Pick<Paste, 'pane' | 'run' | 'unless'>,
): Promise<'pasted' | 'refused' | { readonly error: string }> {
  const mine = unless === null ? living(run) : `#{&&:${living(run)},#{==:${searched(unless)},0}}`;
  return guarded(tmux, pane, mine, keysTo(pane, ['Enter']), 'pasted');
}

/** Keys for a dialog, in one tmux command with the check that it is the very pane and still shows that dialog. */
export async function pressKeys(
  tmux: Tmux,
  dialog: {
    readonly pane: string;
    readonly run: string;
    readonly shows: string;
    readonly keys: readonly string[];
  },
): Promise<'pressed' | 'refused' | { readonly error: string }> {
  const { pane, run, shows, keys } = dialog;
  if (!/^%\d+$/.test(pane) || !/^[A-Za-z0-9_-]+$/.test(run)) return { error: 'not a pane or not a run id' };
  if (keys.some((key) => !/^[A-Za-z0-9-]+$/.test(key))) return { error: 'not the name of a key' };
  const open = `#{&&:${living(run)},#{!=:${searched(shows)},0}}`;
  return guarded(tmux, pane, open, keysTo(pane, keys), 'pressed');
}

/** A pane that a person has left in a mode of tmux (scrolled back, a clock) gives keys to that, and a paste to its program. */
export function keysTo(pane: string, keys: readonly string[]): string {
  return `copy-mode -q -t '${pane}' ; send-keys -t '${pane}' ${keys.join(' ')}`;
}

/** It lives, takes input, and is this run's. */
export function living(run: string): string {
  return `#{&&:#{==:#{pane_dead}#{pane_input_off},00},#{==:#{@mc_run},${run}}}`;
}
