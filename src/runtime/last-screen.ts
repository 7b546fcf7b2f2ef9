import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clean } from '../text.ts';
import { capturePane, type Tmux } from './tmux.ts';

/** Keeps what a dead pane last showed as `screen.txt` of its run, for the next attempt and for people.
 *  Best effort: a screen that can't be kept is no reason to leave the pane. */
export async function keepLastScreen(tmux: Tmux, pane: string, runDir: string): Promise<void> {
  const text = await capturePane(tmux, pane, 200);
  if (text === null) return;
  try {
    writeFileSync(join(runDir, 'screen.txt'), clean(text), { mode: 0o600 });
  } catch {
    // The run directory may be gone; the pane is closed all the same.
  }
}
