import { createInterface } from 'node:readline';
import type { Context } from '../context.ts';
import { makeStateDir } from '../machine/state.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { isTerminal } from '../report/terminal.ts';
import { diff } from '../schedule/diff.ts';
import { carryOut, chosen, isEmpty, isThere, lookAtAll, type Seen, schedulersOf } from '../schedule/index.ts';
import type { Change, Scheduler, With } from '../schedule/scheduler.ts';
import { shown } from '../schedule/words.ts';

interface Options {
  readonly with?: With;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** What each scheduler has of this state dir, whether it is as it would be written now, and what would be written. */
export async function show(context: Context, o: Options): Promise<ExitCode> {
  const { places, out } = context;
  const { id, all, notes } = schedulersOf(context);
  const seen = lookAtAll(all).filter(({ scheduler }) => scheduler.here || scheduler.with === o.with);
  const to = orWhy(() => chosen(seen, o.with));
  const texts = to.value === null ? null : orWhy(to.value.texts);
  const differing = seen.map((one) => ({ ...one, diff: one.state === 'differs' ? installDiff(one) : [] }));
  const told = to.value === null ? notes : [...notes, ...to.value.notes()];
  if (context.json) {
    out.json({
      ...{ id, state_dir: places.state, config: places.config, install_with: to.value?.with ?? null },
      schedulers: differing.map(({ with: name, state, says, diff }) => ({ with: name, state, says, diff })),
      would_write: texts?.value ?? null,
      error: to.why ?? texts?.why ?? null,
      notes: told,
    });
    return EXIT.ok;
  }
  out.line(`${places.state} (${id})`);
  for (const one of differing) {
    out.line(`${one.with.padEnd(8)} ${STATES[one.state]}: ${one.says}`);
    for (const line of one.diff) out.line(`  ${line}`);
  }
  if (to.value === null || texts?.value == null) out.line(`\ninstall: ${to.why ?? texts?.why}`);
  for (const { name, text } of texts?.value ?? []) {
    out.line(`\nwhat install has in the ${to.value?.with === 'cron' ? '' : 'file '}${name}:`);
    for (const line of shown(text).trimEnd().split('\n')) out.line(`  ${line}`);
  }
  for (const note of told) out.line(`note: ${note}`);
  return EXIT.ok;
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
  if (!nothing && (await agreed(context, o, [{ scheduler, lines }])) === 'no') return EXIT.ok;
  const write = !nothing && o.dryRun !== true;
  if (write) makeStateDir(places.state); // the log is there
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
  if (parts.length > 0 && (await agreed(context, o, parts)) === 'no') return EXIT.ok;
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

const STATES = {
  installed: 'up to date',
  differs: 'differs',
  none: 'not used',
  unknown: 'cannot tell',
} as const;

/** Shows what would change, and asks where that is to be done. Refuses where nobody can answer. */
async function agreed(
  context: Context,
  o: Options,
  parts: readonly { readonly scheduler: Scheduler; readonly lines: readonly string[] }[],
): Promise<'yes' | 'no'> {
  const { out, json } = context;
  if (!json) for (const { lines } of parts) for (const line of lines) out.line(line);
  if (o.dryRun === true || o.yes === true) return 'yes';
  if (json || !isTerminal(0) || !isTerminal(1))
    throw new UserError(
      EXIT.usage,
      'nothing was changed: without a terminal to ask on, add --yes (or --dry-run, to see the change alone)',
    );
  out.warn('make this change? [y/N]'); // shown in spite of --quiet: it waits
  if (/^y(es)?$/i.test((await answer()).trim())) return 'yes';
  out.line('nothing was changed');
  return 'no';
}

/** One line from the terminal; its end is a no. */
function answer(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  return new Promise((done) => {
    lines.once('line', (line) => {
      done(line);
      lines.close();
    });
    lines.once('close', () => done(''));
  });
}

function changeLines(change: Change | undefined): string[] {
  const run = (all: Change['last'] = []): string[] =>
    // What only asks changes nothing.
    all.flatMap(({ argv, until }) => (until === undefined ? [`run: ${argv.join(' ')}`] : []));
  return [
    ...run(change?.first),
    ...(change?.documents ?? []).flatMap(({ name, before, after }) =>
      diff(name, before, after).map((line) => masked(shown(line).replaceAll('\r', ''))),
    ),
    ...run(change?.last),
  ];
}

/** What somebody has added to an entry may be a secret. */
function masked(line: string): string {
  return line.replace(/([\w]*(?:KEY|TOKEN|SECRET|PASSW|AUTH)\w*=)[^\s"']+/gi, '$1***');
}

function installDiff({ look }: Seen): string[] {
  const { value, why } = orWhy(() => changeLines(look?.install()));
  return value ?? [why ?? ''];
}

function otherNotes(seen: readonly Seen[], { with: name }: Scheduler): string[] {
  return seen
    .filter((one) => one.with !== name && isThere(one.state))
    .map(
      (one) =>
        `${one.with} starts ticks for this state dir too; that does no harm, and one is enough: mc-pickup schedule remove --with ${one.with}`,
    );
}

/** A complaint that is shown beside other things instead of ending the command. */
function orWhy<T>(work: () => T): { readonly value: T | null; readonly why: string | null } {
  try {
    return { value: work(), why: null };
  } catch (error) {
    if (error instanceof UserError) return { value: null, why: error.message };
    throw error;
  }
}
