import { randomBytes } from 'node:crypto';
import { clean } from '../model/text.ts';
import { searched } from './pane.ts';
import { keysTo, living } from './paste.ts';
import { command, failureOf, guarded, NAME, PANE, type Tmux } from './tmux.ts';

/** A dialog as it was read from the screen of a pane. */
export interface Shown {
  readonly pane: string;
  readonly run: string;
  /** Rows of it, or parts of rows, whoever has written them. */
  readonly shows: readonly string[];
}

type Did = 'done' | 'refused' | { readonly error: string };

/** So much of a row tells it from others. */
const MOST = 80;

/** Keys for a dialog, in one tmux command with the check that it is the very pane and still shows all of these rows. */
export function pressIfShown(tmux: Tmux, at: Shown, keys: readonly string[]): Promise<Did> {
  if (keys.some((key) => !/^[A-Za-z0-9-]+$/.test(key)))
    return Promise.resolve({ error: 'not the name of a key' });
  return ifShown(tmux, at, keysTo(at.pane, keys));
}

/** A text for where a dialog takes one, under the same check; no Enter. */
export async function pasteIfShown(tmux: Tmux, at: Shown, text: string): Promise<Did> {
  const buffer = `mc-${randomBytes(8).toString('hex')}`;
  const loaded = failureOf(await command(tmux, ['load-buffer', '-b', buffer, '-'], clean(text)));
  if (loaded !== null) return { error: loaded };
  const away = `delete-buffer -b ${buffer}`;
  const done = await ifShown(tmux, at, `paste-buffer -p -r -d -b ${buffer} -t '${at.pane}'`, ` ; ${away}`);
  if (done !== 'done') await command(tmux, away.split(' '));
  return done;
}

async function ifShown(tmux: Tmux, { pane, run, shows }: Shown, then: string, otherwise = ''): Promise<Did> {
  const rows = shows.map(partOf).filter((part) => part !== '');
  if (!PANE.test(pane) || !NAME.test(run) || rows.length === 0)
    return { error: 'not a pane, not a run id, or no row to know the dialog by' };
  const open = rows.reduce((all, row) => `#{&&:${all},#{!=:${searched(row)},0}}`, living(run));
  return guarded(tmux, pane, open, then, 'done', otherwise);
}

/** A row as a pattern for a search: what means something in a format or a pattern stands for any character. */
function partOf(row: string): string {
  const part = [...row.trim()].slice(0, MOST).join('').trim();
  return part.replace(/[#{};'"\\*[\]\u0000-\u001f\u007f]/g, '?');
}
