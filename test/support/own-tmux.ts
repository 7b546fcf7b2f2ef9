import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tmux } from '../../src/tmux/tmux.ts';

/** A tmux server's place in a directory of its own. `gone`, given back by a `beforeEach`, ends the server and takes all away. */
export function ownTmux(name: string): {
  readonly dir: string;
  readonly tmux: Tmux;
  readonly gone: () => void;
} {
  const dir = mkdtempSync(join(tmpdir(), name));
  const tmux = { socket: join(dir, 's'), serverFile: join(dir, 'server.json'), binary: 'tmux' };
  const gone = (): void => {
    spawnSync('tmux', ['-S', tmux.socket, 'kill-server']);
    rmSync(dir, { recursive: true, force: true });
  };
  return { dir, tmux, gone };
}
