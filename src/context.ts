import type { By } from './board/port/index.ts';
import { type Caller, PERSON } from './machine/caller.ts';
import { textAt } from './machine/foreign.ts';
import { type Places, placesOf } from './machine/paths.ts';
import { umaskNotedBy } from './machine/umask.ts';
import { userName } from './machine/user.ts';
import { oneLine } from './model/text.ts';
import { type Out, outFor } from './report/out.ts';
import type { Tmux } from './tmux/tmux.ts';

export interface Context {
  /** Who calls, and may: it was decided before the command began. */
  readonly caller: Caller;
  readonly places: Places;
  readonly env: NodeJS.ProcessEnv;
  readonly json: boolean;
  readonly out: Out;
  readonly tmux: Tmux;
  /** The Node and the script of this very process, for launchers and agents to call back. */
  readonly node: string;
  readonly bin: string;
}

export function makeContext(
  options: { config?: string; stateDir?: string; json?: boolean; color?: boolean; quiet?: boolean },
  env: NodeJS.ProcessEnv,
  caller: Caller = PERSON,
): Context {
  const places = placesOf(options, env);
  umaskNotedBy(() => textAt(places.umask));
  return {
    caller,
    places,
    env,
    json: options.json === true,
    out: outFor({ quiet: options.quiet === true, color: options.color !== false }, env),
    tmux: { socket: places.socket, serverFile: places.server, binary: 'tmux' },
    node: process.execPath,
    bin: process.argv[1] ?? 'mc-pickup',
  };
}

/** Who writes to the board, and that it is now. */
export function byNow(context: Pick<Context, 'caller' | 'env'>): By {
  return { actor: actorOf(context), now_ms: Date.now() };
}

/** Who acts, for the log: the run, when an agent calls; else the person. */
export function actorOf({ caller, env }: Pick<Context, 'caller' | 'env'>): string {
  if (caller.kind === 'agent') return `run:${oneLine(caller.run, 200)}`;
  return userName() ?? env.USER ?? 'someone';
}
