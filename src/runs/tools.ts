import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { shellQuote } from '../machine/files.ts';
import { inMadeDir, textAt, writeIn } from '../machine/foreign.ts';
import type { Places } from '../machine/paths.ts';
import { foundFile, launcherScript, namedIn } from './launcher.ts';

/** `mc-pickup` as an agent's shell takes it, by its full path. */
export function programWord({ bin }: Places): string {
  const path = join(bin, 'mc-pickup');
  return /^[\w./-]+$/.test(path) ? path : shellQuote(path);
}

/** Puts `mc-pickup` and `mc-event` where schedulers and agents find them; touches nothing that is already right. From here on the
 *  launcher names this Node and this program. */
export function ensureTools(places: Places, node: string, bin: string): void {
  for (const [name, text] of [
    ['mc-pickup', launcherScript(places, node, bin)],
    ['mc-event', EVENT_SCRIPT],
  ] as const) {
    const path = join(places.bin, name);
    if (textAt(path) !== text)
      inMadeDir(places.state, basename(places.bin), (dir) => writeIn(dir, name, text, 0o700));
  }
}

/** What the launcher of a state dir leads to. */
export interface Led {
  /** The launcher itself. */
  readonly file: string;
  /** The first of what it names that is gone; null = none is. */
  readonly gone: string | null;
  /** The program that it starts: the one that it names, or has found in its place; null = none is known. */
  readonly program: string | null;
  /** As it is written now, it looks for another Node where the one that it names is gone; one of 0.1 does not. */
  readonly looks: boolean;
}

/** Where the launcher leads; null = there is none. */
export function ledBy(places: Places): Led | null {
  const file = join(places.bin, 'mc-pickup');
  const text = textAt(file);
  if (text === null) return null;
  const named = namedIn(text);
  const { node, program } = named ?? namedOnce(text);
  const gone = [node, program].find((path) => !existsSync(path)) ?? null;
  const [, ...found] = /^(.+)\n(.+)\n$/.exec(textAt(foundFile(places)) ?? '') ?? [];
  const there = found.length > 0 && found.every((path) => existsSync(path)) ? found[1] : undefined;
  return { file, gone, program: gone === null ? program : (there ?? null), looks: named !== null };
}

/** The same of a launcher of 0.1, one line with two paths. */
function namedOnce(text: string): { readonly node: string; readonly program: string } {
  const [node = '', program = ''] = [...text.matchAll(/'((?:[^']|'\\'')*)'/g)].map(([, word = '']) =>
    word.replaceAll("'\\''", "'"),
  );
  return { node, program };
}

/** Writes the launcher anew where what it names is gone, or where it is of an older version: agents that live have no other. */
export function mendTools(places: Places, node: string, bin: string): void {
  const led = ledBy(places);
  if (led !== null && (led.gone !== null || !led.looks)) ensureTools(places, node, bin);
}

const EVENT_SCRIPT = `#!/bin/sh
# mc-event KIND: hands one event (JSON on stdin) to mc-pickup. It never fails and never prints.
case "$1" in '' | [!A-Za-z]* | *[!A-Za-z0-9_-]*) exit 0 ;; esac
[ -n "$MC_RUN_DIR" ] && [ -d "$MC_RUN_DIR/events" ] || exit 0
umask 077
# A name that no event had before, without a program where the system gives one.
{ read -r id </proc/sys/kernel/random/uuid; } 2>/dev/null || id=$(mktemp -u XXXXXXXXXXXXXXXX 2>/dev/null) || exit 0
temp=$MC_RUN_DIR/events/.tmp.$id
if [ -t 0 ]; then printf '{}'; else cat; fi 2>/dev/null >"$temp"
mv -f "$temp" "$MC_RUN_DIR/events/$1.$id" 2>/dev/null
exit 0
`;
