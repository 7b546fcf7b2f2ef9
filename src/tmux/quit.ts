import { randomBytes } from 'node:crypto';
import type { Screen } from '../model/screen.ts';
import { command, guarded, NAME, PANE, type Tmux } from './tmux.ts';

/** A pane as one look shows it: what keeps keys from a client that is to quit. */
export interface Prompted {
  readonly run: string;
  readonly dead: boolean;
  /** Terminals that have its session, and those that show it by one of their own: 0 = nobody. */
  readonly attached: number;
  readonly in_a_mode: boolean;
  readonly screen: Screen;
}

/** Of a pane that several sessions have, `session_attached` tells of one of them alone. */
const ATTACHED = '#{e|+:#{session_attached},#{window_active_clients}}';
const FACTS = `#{pane_id}|#{pane_dead}|#{pane_in_mode}|${ATTACHED}|#{cursor_x}|#{cursor_y}|#{s/[^A-Za-z0-9_-]/!/:@mc_run}`;

/** tmux takes no more than 16 KB of words at once: those of some seventy panes. */
const AT_ONCE = 50;

/** What these panes show, in one tmux command for each fifty of them. A pane that is gone, and those after it in its command, are left out. */
export async function lookAtPrompts(
  tmux: Tmux,
  panes: readonly string[],
): Promise<ReadonlyMap<string, Prompted>> {
  const known = panes.filter((pane) => PANE.test(pane));
  const found = new Map<string, Prompted>();
  for (let from = 0; from < known.length; from += AT_ONCE)
    await lookAtSome(tmux, known.slice(from, from + AT_ONCE), found);
  return found;
}

async function lookAtSome(tmux: Tmux, panes: readonly string[], found: Map<string, Prompted>): Promise<void> {
  // Nothing that a pane shows can pass for the line before another one's screen.
  const mark = `mc-${randomBytes(8).toString('hex')}|`;
  const words = panes.flatMap((pane, n) => [
    ...(n === 0 ? [] : [';']),
    ...['display-message', '-p', '-t', pane, `${mark}${FACTS}`, ';', 'capture-pane', '-e', '-p', '-t', pane],
  ]);
  const answer = await command(tmux, words);
  if (answer.error !== null) return;
  for (const part of answer.stdout.split(mark).slice(1)) {
    const [first = '', ...rows] = part.split('\n');
    const [, pane, dead, modes, attached, x, y, run = ''] =
      /^(%\d+)\|([01])\|(\d+)\|(\d+)\|(\d+)\|(\d+)\|([\w!-]*)$/.exec(first) ?? [];
    if (pane === undefined || rows.length === 0) continue;
    found.set(pane, {
      ...{ run, dead: dead === '1', attached: Number(attached), in_a_mode: modes !== '0' },
      screen: { rows, x: Number(x), y: Number(y) },
    });
  }
}

/**
 * One key for a client that is to quit, in ONE tmux command with the check that its pane lives, takes input and is this run's, that it is
 * in no mode, that nobody is attached, and, where `cursor` is given, that this stands where it was seen.
 */
export async function pressToQuit(
  tmux: Tmux,
  at: {
    readonly pane: string;
    readonly run: string;
    readonly key: string;
    readonly cursor: Pick<Screen, 'x' | 'y'> | null;
  },
): Promise<'pressed' | 'refused' | { readonly error: string }> {
  const { pane, run, key, cursor } = at;
  if (!PANE.test(pane) || !NAME.test(run)) return { error: 'not a pane or not a run id' };
  if (!/^[A-Za-z0-9-]+$/.test(key)) return { error: 'not the name of a key' };
  const stands = cursor === null ? '' : ' #{cursor_x} #{cursor_y}';
  const wanted = cursor === null ? '' : ` ${cursor.x} ${cursor.y}`;
  const facts = `#{pane_dead}#{pane_input_off} #{pane_in_mode} ${ATTACHED} #{@mc_run}${stands}`;
  return guarded(
    tmux,
    pane,
    `#{==:${facts},00 0 0 ${run}${wanted}}`,
    `send-keys -t '${pane}' ${key}`,
    'pressed',
  );
}
