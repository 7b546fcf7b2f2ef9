import { knownBoard, withBoard } from '../board/open.ts';
import { loadPolicy } from '../config/load.ts';
import { actorOf, type Context } from '../context.ts';
import {
  bootClock,
  clearSwitch,
  parseDuration,
  readSwitches,
  recordRelease,
  switchFile,
  writeSwitch,
} from '../machine/killswitch.ts';
import { makeStateDir, stateFault } from '../machine/state.ts';
import { configError, EXIT, type ExitCode, messageOf, usageError } from '../model/errors.ts';
import { hint } from '../model/hint.ts';
import { brokenLine } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';
import type { Switch } from '../model/world.ts';

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
    throw usageError(`"${o.scope}" is no scope: use *, project:NAME or agent:NAME`);
  }
  const span = o.for === undefined ? null : parseDuration(o.for);
  if (o.for !== undefined && span === null) throw usageError(`"${o.for}" is no duration: use 30m, 2h or 1d`);
  checkScope(context, o.scope);
  makeStateDir(context.places.state);
  const clock = bootClock();
  changing(context, (file) =>
    writeSwitch(file, {
      level: o.level,
      scope: o.scope,
      reason: oneLine(o.reason, 300),
      author: actorOf(context),
      at_ms: now,
      expires_at_ms: span === null ? null : now + span,
      ...(span === null || clock === undefined ? {} : { clock }),
    }),
  );
  const until = span === null ? '' : ` for ${o.for}`;
  return changed(context, 'switched_on', `${o.scope}, level ${o.level}${until}: ${oneLine(o.reason, 300)}`);
}

/** A switch for a name that is not there would hold nothing. While the configuration is broken the names are not known, and a
 *  switch must work all the same. */
function checkScope({ places, env, out }: Context, scope: string): void {
  const [kind, name] = scope.split(':');
  if (name === undefined) return;
  const { policy } = loadPolicy(places.config, env);
  if (policy.broken.length > 0) {
    out.warn(`whether there is ${kind} "${name}" can't be told: ${brokenLine(policy)}`);
    return;
  }
  const known = [...(kind === 'project' ? policy.projects : policy.agents).keys()];
  if (!known.includes(name))
    throw usageError(
      `no ${kind === 'project' ? 'project' : 'agent profile'} "${name}" in ${places.config}${hint(name, known)}; nothing was switched; known: ${known.join(', ') || 'none'}`,
    );
}

export async function killswitchOff(context: Context, o: { readonly scope?: string }): Promise<ExitCode> {
  const fault = stateFault(context.places.state);
  if (fault !== null) throw configError(fault);
  let was = false;
  changing(context, (file) => {
    was = clearSwitch(file, o.scope ?? null);
  });
  // From here on deaths are counted anew.
  if (was) recordRelease(context.places, o.scope ?? '*', Date.now());
  return changed(context, 'released', was ? (o.scope ?? 'everything') : null);
}

/** Shows the switch, and tells of the change at once: at level all no tick would. `text`: for the log; null = nothing changed. */
async function changed(context: Context, because: string, text: string | null): Promise<ExitCode> {
  const code = await killswitchStatus(context);
  if (text !== null) await log(context, because, text);
  const { policy } = loadPolicy(context.places.config, context.env);
  if (policy.notify.length > 0)
    await (await import('../notify/tell.ts')).tellNow(context, policy, { kind: 'switch' });
  return code;
}

/** A line of the board's log. The switch is changed already, and stands whether or not the board can take it; none is made for it. */
async function log(context: Context, because: string, text: string): Promise<void> {
  try {
    if (!(await knownBoard(context)).exists()) return;
    const of = { at_ms: Date.now(), ticket_id: null, run_id: null, actor: actorOf(context) };
    await withBoard(context, (board) => board.log({ ...of, kind: 'killswitch', because, text }));
  } catch (error) {
    context.out.warn(`the log of the board does not say so (${oneLine(messageOf(error), 300)})`);
  }
}

/** A switch that was not changed must not look as if it were. */
function changing(context: Context, change: (file: string) => void): void {
  const file = switchFile(context.places, context.env);
  try {
    change(file);
  } catch (error) {
    throw configError(
      `the killswitch ${file} was NOT changed (${messageOf(error)}): look at the disk, at its owner and permissions, or move away what is in its place`,
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

function switchLine(one: Switch): string {
  const until = one.expires_at_ms === null ? '' : ` until ${new Date(one.expires_at_ms).toISOString()}`;
  return `killswitch ON  level ${one.level}  scope ${one.scope}${until}  by ${oneLine(one.author, 60)}: ${oneLine(one.reason, 300)}`;
}
