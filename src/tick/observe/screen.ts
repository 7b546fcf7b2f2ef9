import type { Adapter } from '../../agents/index.ts';
import type { Judgement } from '../../model/identity.ts';
import type { Runtime } from '../../model/runtime.ts';
import { clean, lastLines } from '../../model/text.ts';
import { troubleOf } from '../../model/trouble.ts';
import type { ActivityView, Pane } from '../../model/world.ts';
import { withTrouble } from '../../runs/activity.ts';
import { capturePane } from '../../tmux/pane.ts';
import type { Eyes } from './eyes.ts';

/** How long a client may live without any event before its screen is asked for a dialog that is known. A dialog is drawn once, which is output: silence
 *  alone would have a tick a minute look two minutes later. By the wall clock, since a jump of it costs one look more, or a later one. */
const START_MS = 15_000;
/** How long one may live before its first turn, with nothing from either signal, before that is a dialog which nobody knows. */
const UNKNOWN_DIALOG_MS = 120_000;
/** Of its screen so much is told. */
const MOST_LINES = 30;
const MOST_TEXT = 2000;

interface Shown {
  readonly row: Runtime;
  readonly judgement: Judgement | null;
  readonly pane: Pane | null;
  readonly adapter: Adapter;
  readonly eyes: Eyes;
}

/** The screen is the last thing to be asked, and only a hint: before the first turn, and in a silent one. */
export function byScreen(seen: ActivityView, at: Shown): ActivityView | Promise<ActivityView> {
  return seen.turn > 0 ? limitShown(seen, at) : firstSigns(seen, at);
}

/** A client that has never begun a turn, and does not say why, may show it: a dialog of its first run, a login. The list of those that are
 *  known cannot be complete. One that waits is asked of a person already. */
function firstSigns(seen: ActivityView, at: Shown): ActivityView | Promise<ActivityView> {
  const { row, judgement, pane, adapter, eyes } = at;
  const { notReady } = adapter;
  if (notReady === undefined || pane === null || seen.not_ready !== null) return seen;
  if (judgement?.verdict !== 'dead') {
    if (judgement?.verdict !== 'alive' || seen.fresh > 0) return seen;
    if (seen.activity === 'waiting' && seen.level === null) return seen;
    const age_ms = eyes.now_ms - (row.registered_at_ms ?? eyes.now_ms);
    if (age_ms < START_MS && !isLost(seen, at)) return seen;
  }
  return capturePane(eyes.tmux, pane.pane, 60).then((screen) => {
    if (screen === null) return seen;
    const not_ready = notReady(screen);
    if (not_ready !== null || judgement?.verdict === 'dead' || !isLost(seen, at))
      return { ...seen, not_ready };
    return { ...seen, activity: 'waiting', question: questionIn(screen, row.ticket_id ?? '') };
  });
}

function isLost({ activity, level, level_ms }: ActivityView, { row, adapter }: Shown): boolean {
  if (adapter.level === undefined || row.headless) return false;
  return activity === 'unknown' && level === null && level_ms >= UNKNOWN_DIALOG_MS;
}

/** What a person is asked of a dialog that only they can answer: nothing is known that could be typed for it. */
function questionIn(screen: string, ticket: string): string {
  const shown = lastLines(clean(screen), MOST_LINES, MOST_TEXT);
  return `The client has not begun, and shows what may be a dialog. Nothing is typed for it: mc-pickup attach ${ticket}, and answer it there.\n${shown}`;
}

/** How long a client that works may be without any output before its screen is asked: one that works shows that. */
const SILENT_WORK_MS = 10_000;

/** A client that says it works may wait in a dialog that tells of a limit. Once the limit is over, a person has to close
 *  that dialog. */
function limitShown(
  seen: ActivityView,
  { row, judgement, pane, adapter, eyes }: Shown,
): ActivityView | Promise<ActivityView> {
  const { limitShown: shownIn } = adapter;
  if (shownIn === undefined || pane === null || judgement?.verdict !== 'alive') return seen;
  if (seen.activity !== 'busy' || seen.fresh > 0 || row.silent_ms < SILENT_WORK_MS) return seen;
  const until_ms = seen.limited_until_ms;
  if (until_ms !== null && until_ms > eyes.now_ms) return seen;
  return capturePane(eyes.tmux, pane.pane, 60).then((screen) => {
    const limit = shownIn(screen ?? '', eyes.now_ms);
    if (limit === null) return seen;
    const closed = `mc-pickup attach ${row.ticket_id ?? ''}, and close its dialog there`;
    if (until_ms !== null) return { ...seen, activity: 'waiting', question: `${limit.says} ${closed}` };
    return withTrouble(seen, troubleOf(limit));
  });
}
