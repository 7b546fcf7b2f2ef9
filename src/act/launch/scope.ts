import { existsSync } from 'node:fs';
import { shellQuote } from '../../machine/files.ts';
import { findProgram } from '../../machine/programs.ts';

/** How long a launcher waits for the user's manager at most. */
const WAIT_SECONDS = 2;
const MANAGER = 'org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager';

/**
 * The lines by which a launcher asks systemd's user manager for a scope of its own, where there is one: what ends a control group that uses too much
 * memory (systemd-oomd, a limit) then ends one agent, and not the tmux server with all of them. Asked by its process id, and
 * not started by `systemd-run`: a manager that refuses or does not answer costs the scope, and no launch.
 */
export function scopeLines(run: string): string[] {
  const runtimeDir = `/run/user/${process.getuid?.() ?? 0}`;
  const busctl = existsSync(`${runtimeDir}/bus`) ? findProgram('busctl', process.env.PATH) : null;
  if (busctl === null) return [];
  const call = `XDG_RUNTIME_DIR=${runtimeDir} ${shellQuote(busctl)} --user --timeout=${WAIT_SECONDS} call ${MANAGER}`;
  const collect = 'CollectMode s inactive-or-failed';
  return [
    // Before version 253 no scope has an OOMPolicy, and none is ended for one process.
    `mc_scope() { ${call} StartTransientUnit 'ssa(sv)a(sa(sv))' ${shellQuote(`mc-pickup-${run}.scope`)} fail "$@" 0 >/dev/null 2>&1; }`,
    `mc_scope 3 PIDs au 1 $$ ${collect} OOMPolicy s continue || mc_scope 2 PIDs au 1 $$ ${collect}`,
  ];
}
