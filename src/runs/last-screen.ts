import { clean } from '../model/text.ts';
import { capturePane } from '../tmux/pane.ts';
import type { Tmux } from '../tmux/tmux.ts';
import { writeOwn } from './dirs.ts';

/** Keeps what a dead pane last showed as `screen.txt` of its run, for the next attempt and for people; tmux calls it dead
 *  once it has read all of it. False = tmux did not tell it: the pane is left to the next tick. A file that can't be
 *  written is no reason to leave it. */
export async function keepLastScreen(tmux: Tmux, pane: string, runDir: string): Promise<boolean> {
  const shown = await capturePane(tmux, pane, 200);
  if (shown === null) return false;
  // tmux's own words stand at the bottom of the screen: of an agent that said little, they are all that its last lines hold.
  const text = shown.replace(/\n?Pane is dead \([^\n]*\)\s*$/, '').trimEnd();
  try {
    writeOwn(runDir, 'screen.txt', clean(text));
  } catch {
    // Its directory may be gone, the pane is closed all the same.
  }
  return true;
}
