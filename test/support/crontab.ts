import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A `crontab` whose table is the file `crontab` in HOME: the machine's own is not touched. The real one is in test/schedule/. */
const CRONTAB = `#!/bin/sh
case "$1" in
-l) cat "$HOME/crontab" 2>/dev/null || { echo "no crontab for ann" >&2; exit 1; } ;;
-r) rm -f "$HOME/crontab" ;;
*) cat "\${1:--}" >"$HOME/crontab" ;;
esac
`;

/** Puts it into a directory for PATH. */
export function fileCrontab(dir: string): string {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'crontab'), CRONTAB, { mode: 0o755 });
  return dir;
}
