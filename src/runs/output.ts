import { join } from 'node:path';
import { shellQuote } from '../machine/files.ts';
import { lookAtName, tailAt, textAt } from '../machine/foreign.ts';
import { ownDir, placeOfRun } from './dirs.ts';

/*
 * What a headless client prints. It goes into a named pipe, and a small shell beside the agent writes it down in parts of so many
 * bytes: the first one stays, of the others the last two do. So the room is bounded at every moment, whatever is printed between
 * two ticks, and what is printed last (why it died) is there.
 */

const PART_BYTES = 4 * 1024 * 1024;
const [FIRST, BEFORE, LAST, NOW] = ['output.log', 'output.1', 'output.2', 'output.new'];
/** How many parts are gone. */
const GONE = 'output.gone';
const PIPE = 'output.pipe';

/** Reads its input to its end, whatever becomes of the disk: a client must never wait for this, nor be ended by it. `head` writes on as
 *  it reads, so that a part can be read while it grows; what finds no room is left out, a megabyte at a time. */
const WRITER = `cd "$1" || exec cat
rm -f ${PIPE}
gone=0
head -c ${PART_BYTES} >>${FIRST}
while :; do
  if head -c ${PART_BYTES} >${NOW}; then
    [ -s ${NOW} ] || break
  else
    [ "$(head -c 1048576 | wc -c)" -gt 0 ] || break
  fi
  if [ -e ${BEFORE} ]; then
    gone=$((gone + 1))
    echo $gone >${GONE}
  fi
  [ ! -e ${LAST} ] || mv -f ${LAST} ${BEFORE}
  mv -f ${NOW} ${LAST}
done
rm -f ${NOW}`;

/** The lines of a launcher that make its descriptor 8 lead to what writes the output of its run down. The writer is nobody's child, in a
 *  session of its own where that can be had, and without the run's environment: it is no part of the run, and ends when nobody can
 *  print any more. Where it can't be had, descriptor 8 is the file itself. */
export function outputLines(dir: string): string[] {
  const own = ownDir(dir);
  const [pipe, first] = [PIPE, FIRST].map((name) => shellQuote(join(own, name ?? '')));
  const writer = `/bin/sh -c ${shellQuote(WRITER)} mc-output ${shellQuote(own)}`;
  return [
    `: >>${first}`,
    `if command -v head >/dev/null && mkfifo ${pipe} 2>/dev/null; then`,
    // Whoever opens one end of a pipe waits for the other one.
    `  (trap '' HUP INT QUIT TERM; mc_apart=$(command -v setsid); exec /usr/bin/env -i PATH="$PATH:/usr/bin:/bin" $mc_apart ${writer} <${pipe} >/dev/null 2>&1 &)`,
    `  exec 8>${pipe}`,
    'else',
    `  exec 8>>${first}`,
    'fi',
  ];
}

/** What is kept of the output of a run. */
export interface Output {
  /** Where it begins. */
  readonly path: string;
  /** Between its beginning and its end; 0 = all is there. */
  readonly left_out_bytes: number;
}

/** What is kept of it, without reading it; null = nothing was printed, or its client has a terminal. */
export function outputOf(dir: string): Output | null {
  const path = placeOfRun(dir, FIRST ?? '');
  if (lookAtName(path)?.isFile() !== true) return null;
  const gone = Number(textAt(join(ownDir(dir), GONE), { most: 100 }) ?? '0');
  return { path, left_out_bytes: Number.isSafeInteger(gone) && gone > 0 ? gone * PART_BYTES : 0 };
}

/** The text of it, with a line in place of what is left out; of a part that is longer the end. */
export function outputText(dir: string, most_bytes: number): string | null {
  const output = outputOf(dir);
  if (output === null) return null;
  const own = ownDir(dir);
  const first = tailAt(output.path, most_bytes);
  const parts = [BEFORE, LAST, NOW].map((name) => tailAt(join(own, name ?? ''), most_bytes)?.text ?? '');
  const between = output.left_out_bytes === 0 ? '' : `\n[${leftOut(output)} here]\n`;
  if (first === null) return null;
  const head = first.cut ? first.text.slice(first.text.indexOf('\n') + 1) : first.text;
  return `${head}${between}${parts.join('')}`;
}

/** In words. */
export function leftOut({ left_out_bytes }: Output): string {
  return `${Math.round(left_out_bytes / 1024 / 1024)} MB are left out`;
}
