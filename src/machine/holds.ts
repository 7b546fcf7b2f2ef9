/*
 * The file of the holds. It is of this host, as what it tells of is: so holds are the same with every board. Only who has the tick lock adds
 * to it; `doctor` takes from it what it has found to be mended.
 */
import type { Hold, Probe, Strike } from '../model/hold.ts';
import { type HoldScope, isHoldBecause, isTriedByRuns } from '../model/hold.ts';
import { asObject } from '../model/json.ts';
import { numberOf, textOf, writeAtomic } from './files.ts';
import { lookAtName, textAt } from './foreign.ts';
import type { Places } from './paths.ts';

export interface Holding {
  readonly holds: readonly Hold[];
  readonly strikes: readonly Strike[];
  /** Why the file says nothing, though it is there; null = it is read, or there is none. */
  readonly unreadable: string | null;
}

const SCOPE = /^(host|(project|agent):[A-Za-z0-9][A-Za-z0-9_.-]*)$/;
/** Of faults that came once: more tell nothing more. */
const MOST_STRIKES = 200;

/** What is held now. A file that tells nothing holds nothing: the next launch meets again what is wrong, and writes it anew. What stands in
 *  its place holds the host: nothing could be noted, and every tick would claim a ticket in vain. */
export function readHolds({ holds: file }: Pick<Places, 'holds'>): Holding {
  const text = textAt(file);
  const none = { holds: [], strikes: [] };
  if (text === null) {
    const there = lookAtName(file);
    if (there === null) return { ...none, unreadable: null };
    return { ...none, holds: [inItsPlace(file, there.ctimeMs)], unreadable: NOT_OURS };
  }
  try {
    const all = asObject(JSON.parse(text));
    if (all === null) return { ...none, unreadable: 'not a JSON object' };
    return {
      holds: listOf(all.holds).flatMap(holdIn),
      strikes: listOf(all.strikes).flatMap(strikeIn),
      unreadable: null,
    };
  } catch (error) {
    return { ...none, unreadable: String(error) };
  }
}

/** Changes it, read and written in one go. Best effort: what can't be noted is met again. */
export function changeHolds(
  places: Pick<Places, 'holds'>,
  change: (now: Holding) => Partial<Pick<Holding, 'holds' | 'strikes'>>,
): void {
  const now = readHolds(places);
  // A person's, may be: it is not written over.
  if (now.unreadable === NOT_OURS) return;
  const { holds = now.holds, strikes = now.strikes } = change(now);
  if (holds === now.holds && strikes === now.strikes) return;
  try {
    const kept = { holds, strikes: strikes.slice(-MOST_STRIKES) };
    writeAtomic(places.holds, `${JSON.stringify(kept, null, 2)}\n`);
  } catch {
    // A full disk, say.
  }
}

/** Has the next tick look at all that is held, however long the wait is still, and whatever the clock says now. */
export function lookAtOnce(places: Pick<Places, 'holds'>): void {
  changeHolds(places, ({ holds }) =>
    holds.length === 0 ? {} : { holds: holds.map((one) => ({ ...one, next_at_ms: one.looked_at_ms })) },
  );
}

/** Has the next tick try what only a run can try, however long the wait is still; false = nothing of the kind is held. */
export function tryAtOnce(places: Pick<Places, 'holds'>, of: HoldScope): boolean {
  let found = false;
  changeHolds(places, ({ holds }) => {
    const now = holds.map((one) =>
      one.scope === of && isTriedByRuns(one) ? { ...one, next_at_ms: one.looked_at_ms } : one,
    );
    found = now.some((one, n) => one !== holds[n]);
    return found ? { holds: now } : {};
  });
  return found;
}

/** Notes a fault that may be of one ticket or of one moment. `again`: another one has met the same before; `known`: this very one has. */
export function strike(places: Pick<Places, 'holds'>, one: Strike): 'first' | 'known' | 'again' {
  let found: 'first' | 'known' | 'again' = 'first';
  changeHolds(places, ({ strikes }) => {
    const same = strikes.filter(
      ({ scope, because, says }) => scope === one.scope && because === one.because && says === one.says,
    );
    if (same.length > 0) found = same.some(({ who }) => who !== one.who) ? 'again' : 'known';
    return same.some(({ who }) => who === one.who) ? {} : { strikes: [...strikes, one] };
  });
  return found;
}

/** It went well: what was noted of before tells nothing more. */
export function forgive(
  places: Pick<Places, 'holds'>,
  { scope, because }: Pick<Strike, 'scope' | 'because'>,
): void {
  changeHolds(places, ({ strikes }) => {
    const left = strikes.filter((one) => one.scope !== scope || one.because !== because);
    return left.length === strikes.length ? {} : { strikes: left };
  });
}

const NOT_OURS = 'it is no file that this user can read';

function inItsPlace(file: string, since: number): Hold {
  const at_ms = Math.floor(since);
  return {
    ...{ scope: 'host', because: 'holds_unreadable', says: `${file} can't be read: ${NOT_OURS}` },
    ...{ since_at_ms: at_ms, tries: 1, looked_at_ms: at_ms, next_at_ms: at_ms, config: '' },
  };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function faultIn(entry: Record<string, unknown> | null): Pick<Hold, 'scope' | 'because' | 'says'> | null {
  const [scope, because, says] = [textOf(entry, 'scope'), entry?.because, textOf(entry, 'says')];
  if (scope === null || !SCOPE.test(scope) || says === null || !isHoldBecause(because)) return null;
  return { scope: scope as Hold['scope'], because, says };
}

function holdIn(value: unknown): Hold[] {
  const entry = asObject(value);
  const fault = faultIn(entry);
  const [since_at_ms, tries] = [numberOf(entry, 'since_at_ms'), numberOf(entry, 'tries')];
  const [looked_at_ms, next_at_ms] = [numberOf(entry, 'looked_at_ms'), numberOf(entry, 'next_at_ms')];
  if (fault === null || since_at_ms === null || looked_at_ms === null || next_at_ms === null) return [];
  const config = textOf(entry, 'config') ?? '';
  const probe = probeIn(asObject(entry?.probe));
  const times = { since_at_ms, tries: Math.max(1, tries ?? 1), looked_at_ms, next_at_ms };
  return [{ ...fault, ...times, config, ...(probe === null ? {} : { probe }) }];
}

function probeIn(entry: Record<string, unknown> | null): Probe | null {
  const [ticket, turn] = [textOf(entry, 'ticket'), numberOf(entry, 'turn')];
  return ticket === null || turn === null ? null : { ticket, turn };
}

function strikeIn(value: unknown): Strike[] {
  const entry = asObject(value);
  const fault = faultIn(entry);
  const who = textOf(entry, 'who');
  return fault === null || who === null ? [] : [{ ...fault, who }];
}
