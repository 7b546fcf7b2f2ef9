import { procText } from './proc.ts';

/** How many files a process may have open at a time; null = without a limit. */
export interface OpenFiles {
  readonly soft: number | null;
  readonly hard: number | null;
}

/** Those of a process, for which the kernel asks nobody's leave (Linux, /proc/PID/limits); null = it is not told. */
export function openFilesOf(pid: number | 'self'): OpenFiles | null {
  const text = procText(`${pid}/limits`);
  if (text === null || !text.includes(OPEN_FILES)) return null;
  const [soft, hard] = limitsIn(text, OPEN_FILES);
  return { soft, hard };
}

const OPEN_FILES = 'Max open files';

/** The soft and the hard limit of that name in the text of /proc/PID/limits; null = none. */
export function limitsIn(text: string, name: string): readonly [soft: number | null, hard: number | null] {
  const line = text.split('\n').find((one) => one.startsWith(name)) ?? '';
  const [soft = '', hard = ''] = line.slice(name.length).trim().split(/\s+/);
  const number = (word: string): number | null => (/^\d+$/.test(word) ? Number(word) : null);
  return [number(soft), number(hard)];
}

/** Whether one limit is below another. */
export function isLess(one: number | null, other: number | null): boolean {
  return one !== null && (other === null || one < other);
}

/** A limit as people read it. */
export function limitWords(limit: number | null): string {
  return limit === null ? 'any number of' : String(limit);
}
