import type { Wish } from './wish.ts';
import { execWord, unitWord } from './words.ts';

/** The names and texts of the two units of systemd's user manager. */
export interface Units {
  readonly service: { readonly name: string; readonly text: string };
  readonly timer: { readonly name: string; readonly text: string };
}

/** A tick that the timer starts again and again. Paths are quoted even in comments: a last backslash would go on into
 *  the next line. */
export function unitsOf(wish: Wish): Units {
  const name = `mc-pickup-${wish.id}`;
  const head = `# mc-pickup of the state dir ${JSON.stringify(wish.state)}.
# By "mc-pickup schedule install"; "mc-pickup schedule remove" takes it out.
`;
  const exec = ['/bin/sh', wish.launcher, 'dispatch'].map(execWord).join(' ');
  const service = `${head}
[Unit]
Description=mc-pickup: one tick (${wish.id})

[Service]
Type=oneshot
ExecStart=${exec}
Environment=${unitWord(`HOME=${wish.home}`)}
Environment=${unitWord(`PATH=${wish.path}`)}
Environment=${unitWord(`MC_PICKUP_STATE_DIR=${wish.state}`)}
Environment=${unitWord(`MC_PICKUP_CONFIG=${wish.config}`)}
# The tmux server and its agents outlive the tick that started them.
KillMode=process
# And what one of them has used up the memory for is no reason to end the others.
OOMPolicy=continue
# Every wait in a tick is bounded; this is above their sum.
TimeoutStartSec=${wish.longest_tick_seconds}s
# Some steps failed, or busy now: the next tick tries again.
SuccessExitStatus=3 75
UMask=0077
`;
  const timer = `${head}
[Unit]
Description=mc-pickup: a tick every ${unitSeconds(wish.interval_seconds)} s (${wish.id})

[Timer]
# At once: when this is installed, and when the machine (or the first login of the user) starts the manager.
OnActiveSec=1s
# From the start of one tick to the start of the next.
OnUnitActiveSec=${unitSeconds(wish.interval_seconds)}s
AccuracySec=1s

[Install]
WantedBy=timers.target
`;
  return {
    service: { name: `${name}.service`, text: service },
    timer: { name: `${name}.timer`, text: timer },
  };
}

/** Whole seconds, at least one. */
export function unitSeconds(seconds: number): number {
  return Math.max(1, Math.floor(seconds));
}
