import { loadPolicy } from '../config/load.ts';
import { clearSwitch, parseDuration, readSwitches, switchFile, writeSwitch } from '../killswitch.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import type { Switch } from '../model/world.ts';
import { makeStateDir, stateFault } from '../state.ts';
import { oneLine } from '../text.ts';
import { actorOf, type Context } from './context.ts';

export async function killswitchOn(
  context: Context,
  o: {
    readonly level: 'dispatch' | 'all';
    readonly scope: string;
    readonly reason: string;
    readonly for?: string;
  },
): Promise<ExitCode> {
  const now = Date.now();
  if (!/^(\*|(project|agent):[A-Za-z0-9][A-Za-z0-9_.-]*)$/.test(o.scope)) {
    throw new UserError(EXIT.usage, `"${o.scope}" is no scope: use *, project:NAME or agent:NAME`);
  }
  const span = o.for === undefined ? null : parseDuration(o.for);
  if (o.for !== undefined && span === null)
    throw new UserError(EXIT.usage, `"${o.for}" is no duration: use 30m, 2h or 1d`);
  makeStateDir(context.places.state);
  changing(context, (file) =>
    writeSwitch(file, {
      level: o.level,
      scope: o.scope,
      reason: oneLine(o.reason, 300),
      author: actorOf(context),
      at_ms: now,
      expires_at_ms: span === null ? null : now + span,
    }),
  );
  return changed(context);
}

export async function killswitchOff(context: Context, o: { readonly scope?: string }): Promise<ExitCode> {
  const fault = stateFault(context.places.state);
  if (fault !== null) throw new UserError(EXIT.config, fault);
  changing(context, (file) => clearSwitch(file, o.scope ?? null));
  return changed(context);
}

/** Shows the switch, and tells of the change at once: at level all no tick would. */
async function changed(context: Context): Promise<ExitCode> {
  const code = await killswitchStatus(context);
  const { policy } = loadPolicy(context.places.config, context.env);
  if (policy.notify.length > 0)
    await (await import('../notify/tell.ts')).tell(context, policy, { kind: 'switch' });
  return code;
}

/** A switch that was not changed must not look as if it were. */
function changing(context: Context, change: (file: string) => void): void {
  const file = switchFile(context.places, context.env);
  try {
    change(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(
      EXIT.config,
      `the killswitch ${file} was NOT changed (${why}): look at its owner and permissions, or move away what is in its place`,
    );
  }
}

export async function killswitchStatus(context: Context): Promise<ExitCode> {
  const switches = readSwitches(context.places, context.env, Date.now());
  if (context.json) context.out.json({ on: switches.length > 0, switches });
  else if (switches.length === 0) context.out.line('killswitch off');
  else for (const one of switches) context.out.line(switchLine(one));
  return EXIT.ok;
}

export function switchLine(one: Switch): string {
  const until = one.expires_at_ms === null ? '' : ` until ${new Date(one.expires_at_ms).toISOString()}`;
  return `killswitch ON  level ${one.level}  scope ${one.scope}${until}  by ${oneLine(one.author, 60)}: ${oneLine(one.reason, 300)}`;
}
