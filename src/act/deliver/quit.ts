import type { Adapter } from '../../agents/index.ts';
import { failpoint } from '../../machine/failpoint.ts';
import type { Runtime } from '../../model/runtime.ts';
import { noteAsked } from '../../runs/asked.ts';
import { whyNotTheClient } from '../../runs/foreground.ts';
import type { Client } from '../../runs/program.ts';
import { lookAtPrompts, pressToQuit } from '../../tmux/quit.ts';
import { type Deliverer, lookNow } from './index.ts';
import { until } from './until.ts';

/** How long a client may take to end. */
const GONE_MS = 10_000;
/** Between two of its keys: one that confirms the first is no part of it. */
const BETWEEN_MS = 300;

export type Quit =
  | { readonly outcome: 'gone' }
  /** No key was pressed. */
  | { readonly outcome: 'stays'; readonly why: string }
  /** Asked, and still there: left as it is. */
  | { readonly outcome: 'did_not_quit'; readonly why: string };

/**
 * Asks a client that has nothing to do any more to quit, by its own keys and never by a signal. Each key is pressed in one tmux command
 * with the checks of `pressToQuit`; the first of them only where the composer was seen empty, and the cursor still stands there. What becomes
 * of the row is for the next tick to see: a client may live on in another process of its run.
 */
export async function quit(
  hands: Omit<Deliverer, 'board'>,
  one: { readonly row: Runtime; readonly ticket: string; readonly adapter: Adapter; readonly client: Client },
  isGone: () => boolean,
): Promise<Quit> {
  const { row, ticket, adapter, client } = one;
  const { tmux, places } = hands;
  const pane = row.tmux_pane;
  const stays = (why: string): Quit => ({ outcome: 'stays', why });
  if (pane === null) return stays('its pane is not known');
  const stranger = whyNotTheClient(row, ticket, client);
  if (stranger !== null) return stays(stranger);
  const now = await lookNow(hands, row, adapter);
  if (now.fresh > 0 || now.activity !== row.activity || (now.level !== null && now.level !== 'idle'))
    return stays('it works again');
  const seen = (await lookAtPrompts(tmux, [pane])).get(pane);
  if (seen === undefined || seen.dead || seen.run !== row.mark)
    return stays('its pane shows another run, or is dead');
  const composer = adapter.composer?.(seen.screen) ?? null;
  if (adapter.composer !== undefined && composer !== 'empty')
    return stays('where it takes a text, one stands or none can be seen');
  const { x, y } = seen.screen;
  noteAsked(places.runs, row, 'asking');
  failpoint('quit-asked');
  let cursor: { readonly x: number; readonly y: number } | null = { x, y };
  for (const key of adapter.quitKeys) {
    const pressed = await pressToQuit(tmux, { pane, run: row.mark, key, cursor });
    if (pressed !== 'pressed' && cursor !== null) {
      noteAsked(places.runs, row, 'not');
      const why = 'somebody is attached or types, or its pane is scrolled back';
      return stays(pressed === 'refused' ? why : pressed.error);
    }
    if (pressed !== 'pressed') break;
    cursor = null;
    if (await until(async () => isGone(), BETWEEN_MS)) return { outcome: 'gone' };
  }
  if (await until(async () => isGone(), GONE_MS)) return { outcome: 'gone' };
  noteAsked(places.runs, row, 'left');
  const keys = adapter.quitKeys.join(' ');
  return {
    outcome: 'did_not_quit',
    why: `it was asked to quit (${keys}) and lives on: look with mc-pickup attach ${ticket}, or end it with mc-pickup stop ${ticket}`,
  };
}
