import type { Board, DeliveryRow } from '../../board/port/index.ts';
import type { Composer } from '../../model/screen.ts';
import { screenOf } from '../../tmux/pane.ts';
import type { Tmux } from '../../tmux/tmux.ts';
import type { Delivery } from './ledger.ts';
import { until } from './until.ts';

/** What stands where a client takes texts. `covered`: it draws the whole screen, and shows no such place. */
export type Seen = Composer | 'covered';

/** A screen may be caught between two drawings. */
const DRAWN_MS = 2000;

/**
 * Why a text would be joined to another one, or would go to something else than where the client takes texts; null = neither, as far as is known.
 * `cut`: an earlier one whose sender was killed, maybe between its paste and its Enter. Where the client does not show it, a person is told of it
 * once, and looks.
 */
export async function whyNotEmpty(
  { board, tmux }: { readonly board: Board; readonly tmux: Tmux },
  { adapter, kind }: Delivery,
  pane: string,
  cut: DeliveryRow | null,
): Promise<string | null> {
  const composer = await composerOf(tmux, adapter, pane, ['empty']);
  const mend = 'press Enter there or take it away, then send yours';
  if (composer === 'filled')
    return `showing a text that had no Enter, to which yours would be joined: ${mend}`;
  if (composer === 'covered')
    return 'showing something else than where it takes a text, which Enter would act on: look, and close it';
  const open = cut !== null && composer === null;
  // A nudge is told to nobody.
  if (cut !== null && !(open && kind === 'nudge'))
    await board.setDelivery({ id: cut.id, outcome: 'indeterminate', ack_source: cut.ack_source });
  return open
    ? `maybe showing a text that had no Enter (its sender was killed), to which yours would be joined: look, ${mend}`
    : null;
}

/** What stands where a client takes texts, as soon as it is one of these, or else after a moment. null = nothing can be told: not of a program that
 *  writes lines, where no such place is seen. */
export async function composerOf(
  tmux: Tmux,
  { composer, post }: Delivery['adapter'],
  pane: string,
  awaited: readonly Seen[],
): Promise<Seen | null> {
  // What is not typed is joined to nothing.
  if (post !== undefined) return 'empty';
  if (composer === undefined) return null;
  let seen: Seen | null = null;
  await until(async () => {
    const screen = await screenOf(tmux, pane);
    seen = screen === null ? null : (composer(screen) ?? (screen.full === true ? 'covered' : null));
    return seen === null || awaited.some((one) => one === seen);
  }, DRAWN_MS);
  return seen;
}
