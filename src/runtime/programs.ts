import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** Where a program would be found, by the rules of execvp; null = nowhere. A relative path with a slash depends on
 *  where it is started, so it is taken at its word. */
export function findProgram(word: string, path: string | undefined): string | null {
  if (word.includes('/')) return !isAbsolute(word) || executable(word) ? word : null;
  for (const dir of (path ?? '').split(delimiter)) {
    const file = join(dir === '' ? '.' : dir, word);
    if (executable(file)) return file;
  }
  return null;
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
