import type { Context } from '../context.ts';
import { noteUmask } from '../machine/files.ts';
import { makeStateDir } from '../machine/state.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { agreed } from '../report/ask.ts';
import { ensureTools } from '../runs/tools.ts';
import { changeLines } from '../schedule/change.ts';
import { carryOut, chosen, isEmpty, isThere, lookAtAll, type Seen, schedulersOf } from '../schedule/index.ts';
import type { Scheduler, With } from '../schedule/scheduler.ts';

interface Options {
  readonly with?: With;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** Installs into one scheduler. Shows the change first; asks, unless `--yes`. */
export async function install(context: Context, o: Options): Promise<ExitCode> {
  const { places, out } = context;
  const { all, notes } = schedulersOf(context);
  const seen = lookAtAll(all);
  const scheduler = chosen(seen, o.with);
  // One that could not be looked at says why once more.
  const change = (seen.find((one) => one.scheduler === scheduler)?.look ?? scheduler.look()).install();
  const told = [...notes, ...scheduler.notes(), ...otherNotes(seen, scheduler)];
  const lines = changeLines(change);
  const nothing = isEmpty(change);
  if (!nothing && !(await agreed(context, o, lines))) return EXIT.ok;
  const write = !nothing && o.dryRun !== true;
  if (o.dryRun !== true) {
    makeStateDir(places.state); // the log is there
    noteUmask(places); // the scheduler's may be another
    ensureTools(places, context.node, context.bin); // what the entries start
  }
  const kept = write ? await carryOut(scheduler, change) : [];
  if (context.json)
    out.json({
      with: scheduler.with,
      changed: write,
      dry_run: o.dryRun === true,
      diff: lines,
      kept,
      log: scheduler.log,
      notes: told,
    });
  else {
    if (nothing) out.line(`already up to date: ${scheduler.look().says}`);
    if (write) out.line(`installed with ${scheduler.with}: ${scheduler.look().says}`);
    for (const file of kept) out.line(`kept as it was before: ${file}`);
    if (o.dryRun !== true) out.line(`what ticks print: ${scheduler.log}`);
    for (const note of told) out.line(`note: ${note}`);
  }
  return EXIT.ok;
}

/** Takes out what is installed: everywhere, or in one scheduler. */
export async function remove(context: Context, o: Options): Promise<ExitCode> {
  const { out } = context;
  const seen = lookAtAll(schedulersOf(context).all).filter(({ with: name }) => (o.with ?? name) === name);
  const unknown = seen.filter(({ state }) => state === 'unknown');
  const parts = seen
    .filter(({ look }) => look !== null && !isEmpty(look.remove))
    .map(({ scheduler, look }) => ({ scheduler, change: look?.remove, lines: changeLines(look?.remove) }));
  for (const { with: name, says } of unknown) out.warn(`${name}: ${says}`);
  // What could not be looked at may still start ticks: that is no success.
  const code = unknown.length > 0 ? EXIT.unavailable : EXIT.ok;
  const lines = parts.flatMap((one) => one.lines);
  if (parts.length > 0 && !(await agreed(context, o, lines))) return EXIT.ok;
  const removed = [];
  for (const { scheduler, change, lines } of parts) {
    const kept = o.dryRun === true || change === undefined ? [] : await carryOut(scheduler, change);
    removed.push({ with: scheduler.with, diff: lines, kept });
  }
  if (context.json) out.json({ removed, dry_run: o.dryRun === true });
  else if (parts.length === 0 && unknown.length === 0) out.line('nothing is installed for this state dir');
  else if (o.dryRun !== true)
    for (const { with: name, kept } of removed)
      out.line(
        `removed from ${name}${kept.length === 0 ? '' : `; kept as it was before: ${kept.join(', ')}`}`,
      );
  return code;
}

function otherNotes(seen: readonly Seen[], { with: name }: Scheduler): string[] {
  return seen
    .filter((one) => one.with !== name && isThere(one.state))
    .map(
      (one) =>
        `${one.with} starts ticks for this state dir too; that does no harm, and one is enough: mc-pickup schedule remove --with ${one.with}`,
    );
}
