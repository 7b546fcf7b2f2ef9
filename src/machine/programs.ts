import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { attempt } from '../model/json.ts';

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

/** Where it was looked for in vain, in few words; a PATH of thirty directories tells nobody more. `of`: whose PATH that is. */
export function lookedIn(word: string, path: string | undefined, of = 'PATH'): string {
  if (word.includes('/')) return 'not there, or not executable';
  const dirs = (path ?? '').split(delimiter).filter(Boolean).length;
  return dirs === 0 ? `${of} is not set` : `in no directory of ${of}, which has ${dirs}`;
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** Which very program a profile would start: path, size and time; '' = none is found. */
export function programStamp(
  profile: {
    readonly kind: string;
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  },
  env: NodeJS.ProcessEnv,
): string {
  const [word = profile.kind] = profile.argv;
  const file = findProgram(word, profile.env.PATH ?? env.PATH);
  if (file === null) return '';
  const stat = attempt(() => statSync(file));
  return stat === null ? '' : [file, stat.size, stat.mtimeMs, stat.ino].join(':');
}
