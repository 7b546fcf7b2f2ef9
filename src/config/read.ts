import { readFileSync, statSync } from 'node:fs';
import { messageOf } from '../model/errors.ts';

const MAX_BYTES = 1024 * 1024;

export type Text = { readonly missing: boolean; readonly error: string | null; readonly text: string };

/** The text of the configuration or of a file that it names. Who can write to it chooses what is run, and where a token is
 *  sent: one that anyone can write to is not read. */
export function readText(file: string): Text {
  const not = (error: string): Text => ({ missing: false, error, text: '' });
  try {
    const stat = statSync(file);
    if (!stat.isFile()) return not('is not a regular file');
    if ((stat.mode & 0o002) !== 0) return not(`can be written by anyone: chmod o-w ${file}`);
    if (stat.size > MAX_BYTES) return not('is larger than 1 MiB');
    return { missing: false, error: null, text: readFileSync(file, 'utf8').replace(/^\uFEFF/, '') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { missing: true, error: null, text: '' };
    return not(messageOf(error));
  }
}
