import { basename, join } from 'node:path';
import { shellQuote } from '../machine/files.ts';
import { inMadeDir, textAt, writeIn } from '../machine/foreign.ts';
import type { Places } from '../machine/paths.ts';

/** `mc-pickup` as an agent's shell takes it, by its full path. */
export function programWord({ bin }: Places): string {
  const path = join(bin, 'mc-pickup');
  return /^[\w./-]+$/.test(path) ? path : shellQuote(path);
}

/** Puts `mc-pickup` and `mc-event` where every agent finds them; touches nothing that is already right. */
export function ensureTools(places: Places, node: string, bin: string): void {
  const wrapper = `#!/bin/sh\nexec ${shellQuote(node)} ${shellQuote(bin)} "$@"\n`;
  for (const [name, text] of [
    ['mc-pickup', wrapper],
    ['mc-event', EVENT_SCRIPT],
  ] as const) {
    const path = join(places.bin, name);
    if (textAt(path) !== text)
      inMadeDir(places.state, basename(places.bin), (dir) => writeIn(dir, name, text, 0o700));
  }
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
