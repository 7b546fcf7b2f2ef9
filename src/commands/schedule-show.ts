import type { Context } from '../context.ts';
import { stateFault } from '../machine/state.ts';
import { configError, EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { changeLines } from '../schedule/change.ts';
import { chosen, lookAtAll, type Seen, schedulersOf } from '../schedule/index.ts';
import type { With } from '../schedule/scheduler.ts';
import { shown } from '../schedule/words.ts';

/** What each scheduler has of this state dir, whether it is as it would be written now, and what would be written. */
export async function show(context: Context, o: { readonly with?: With }): Promise<ExitCode> {
  const { places, out } = context;
  const fault = stateFault(places.state);
  if (fault !== null) throw configError(fault);
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

const STATES = {
  installed: 'up to date',
  differs: 'differs',
  none: 'not used',
  unknown: 'cannot tell',
} as const;

function installDiff({ look }: Seen): string[] {
  const { value, why } = orWhy(() => changeLines(look?.install()));
  return value ?? [why ?? ''];
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
