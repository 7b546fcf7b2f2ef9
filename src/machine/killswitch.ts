/*
 * The killswitch. Loaded before everything else, so it imports nothing but the file system. Whatever can't be read
 * or understood counts as on: a switch that fails open is none.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { uptime } from 'node:os';
import { dirname, resolve } from 'node:path';
import { codeOf, messageOf } from '../model/errors.ts';
import { asObject, attempt, objectIn } from '../model/json.ts';
import type { Switch } from '../model/world.ts';

const SCOPE = /^(\*|(project|agent):[A-Za-z0-9][A-Za-z0-9_.-]*)$/;
const MAX_BYTES = 1024 * 1024;
const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** When a switch was turned on by the clock of this boot, which nobody sets and which goes on in suspend. */
interface BootClock {
  readonly boot_id: string;
  readonly uptime_ms: number;
}

interface Kept extends Switch {
  readonly clock?: BootClock;
}

type Read =
  | { readonly ok: true; readonly switches: readonly Kept[] }
  /** `content`: the file was read, but says nothing that is understood. */
  | { readonly ok: false; readonly error: string; readonly content: boolean };

/** The switches that are on now, from the environment and the file. Never throws. */
export function readSwitches(
  places: { readonly killswitch: string },
  env: NodeJS.ProcessEnv,
  now_ms: number,
): Switch[] {
  const { file, forced } = fromEnvironment(places.killswitch, env.MC_PICKUP_KILLSWITCH ?? '');
  const read = readFile(file);
  const found: readonly Kept[] = read.ok ? read.switches : [broken(file, read.error)];
  const active = found.filter((one) => !hasExpired(one, now_ms)).map(({ clock: _, ...one }) => one);
  return forced === null ? active : [forced, ...active];
}

/** Why the file can't be read at all, or null. It counts as on either way; but content that is no switch is
 *  somebody's mistake of the moment, while a file that can't even be read needs a person, whom a quiet halt
 *  would never call. */
export function unreadable(places: { readonly killswitch: string }, env: NodeJS.ProcessEnv): string | null {
  const { file } = fromEnvironment(places.killswitch, env.MC_PICKUP_KILLSWITCH ?? '');
  const read = readFile(file);
  if (read.ok || read.content) return null;
  return `halted: the killswitch ${file} can't be read (${read.error}), which counts as on: mend or remove it`;
}

/** The file that `killswitch on` and `off` write: the one that the gate reads. */
export function switchFile(places: { readonly killswitch: string }, env: NodeJS.ProcessEnv): string {
  return fromEnvironment(places.killswitch, env.MC_PICKUP_KILLSWITCH ?? '').file;
}

/** The switch that ends a tick at the gate: level `all` for everything. */
export function halted(switches: readonly Switch[]): Switch | null {
  return switches.find(({ level, scope }) => level === 'all' && scope === '*') ?? null;
}

/**
 * Whether its time is over. In the boot in which it was turned on that is told by a clock that nobody can set: a wall clock that
 * runs ahead for a moment releases nothing early, and one that ran ahead when it was turned on keeps nothing off. After a
 * reboot, and for a switch of another program, there is the wall clock alone.
 */
function hasExpired({ at_ms, expires_at_ms, clock }: Kept, now_ms: number): boolean {
  if (expires_at_ms === null) return false;
  if (clock === undefined || at_ms === null || clock.boot_id !== bootId()) return expires_at_ms <= now_ms;
  return uptime() * 1000 - clock.uptime_ms >= expires_at_ms - at_ms;
}

/** Now by the clock of this boot; undefined where the boot has no name (macOS). */
export function bootClock(): BootClock | undefined {
  const boot_id = bootId();
  return boot_id === null ? undefined : { boot_id, uptime_ms: Math.round(uptime() * 1000) };
}

function bootId(): string | null {
  return attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) || null;
}

/** When launches of each scope were last released on this host, or last switched off by themselves: the deaths before that, of what
 *  the scope covers, have had their effect. In the boot in which it was noted, by the clock that nobody can set; else a time of the
 *  future is that of a clock that ran ahead, and says nothing. */
export function releasesIn(
  { released }: { readonly released: string },
  now_ms: number,
): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const [scope, one] of Object.entries(notedReleases(released))) {
    const { at_ms } = one;
    const clock = clockIn(one.clock);
    const same = clock !== null && clock.boot_id === bootId();
    const then_ms = same ? now_ms - (Math.round(uptime() * 1000) - clock.uptime_ms) : at_ms;
    if (typeof then_ms === 'number' && then_ms <= now_ms) found[scope] = then_ms;
  }
  return found;
}

function notedReleases(file: string): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  if (!existsSync(file)) return {};
  const scopes = asObject(objectIn(attempt(() => textIn(file)))?.scopes) ?? {};
  return Object.fromEntries(
    Object.entries(scopes).flatMap(([scope, one]) => {
      const noted = SCOPE.test(scope) ? asObject(one) : null;
      return noted === null ? [] : [[scope, noted]];
    }),
  );
}

/** Notes that. Best effort: without it old deaths may count once more. */
export function recordRelease(
  { released }: { readonly released: string },
  scope: string,
  now_ms: number,
): void {
  try {
    const scopes = { ...notedReleases(released), [scope]: { at_ms: now_ms, clock: bootClock() } };
    writeAtomic(released, `${JSON.stringify({ scopes })}\n`);
  } catch {
    // What was changed at the switch itself stands.
  }
}

/** Turns a switch on; one of the same scope is replaced, the others stay. */
export function writeSwitch(file: string, one: Kept): void {
  const read = readFile(file);
  // A broken file stands for "all": a narrower switch must not open what it closed.
  const before = read.ok ? read.switches : [broken(file, read.error)];
  save(file, [...before.filter(({ scope }) => scope !== one.scope), one]);
}

/** Turns off one scope, or everything (null). A broken file, being a switch for `*`, goes with `*` or null.
 *  True = something was on. */
export function clearSwitch(file: string, scope: string | null): boolean {
  const read = readFile(file);
  if (!read.ok) {
    if (scope !== null && scope !== '*') return false;
    remove(file);
    return true;
  }
  const left = scope === null ? [] : read.switches.filter((one) => one.scope !== scope);
  if (left.length === 0) remove(file);
  else if (left.length < read.switches.length) save(file, left);
  return left.length < read.switches.length;
}

/** Milliseconds in `45s`, `30m`, `2h` or `1d`; null for anything else. */
export function parseDuration(text: string): number | null {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text.trim()) ?? [];
  const ms = Number(count) * (UNITS[unit] ?? 0);
  return ms > 0 && Number.isSafeInteger(ms) ? ms : null;
}

/** Notes that a tick was halted. Best effort: a full disk must not turn a halt into an error. */
export function recordHalt(gateFile: string, one: Switch, now_ms: number): void {
  try {
    const before = readGate(gateFile);
    const gate = {
      first_halted_at_ms: before?.first_halted_at_ms ?? now_ms,
      last_halted_at_ms: now_ms,
      ticks: (before?.ticks ?? 0) + 1,
      reason: one.reason,
      level: one.level,
    };
    writeAtomic(gateFile, `${JSON.stringify(gate)}\n`);
  } catch {
    // The halt itself stands.
  }
}

/** Forgets the halts. Best effort, as above. */
export function clearHalt(gateFile: string): void {
  try {
    rmSync(gateFile, { force: true });
  } catch {
    // Only a note.
  }
}

function fromEnvironment(file: string, value: string): { file: string; forced: Switch | null } {
  const word = value.trim().toLowerCase();
  if (word === '' || ['0', 'off', 'false', 'no'].includes(word)) return { file, forced: null };
  if (['1', 'on', 'true', 'yes', 'all'].includes(word)) return { file, forced: forced('all', 'is set') };
  if (word === 'dispatch') return { file, forced: forced('dispatch', 'is set') };
  // A word such as "disptach" would name a missing file, and a missing file is "off".
  if (!/[/.]/.test(word))
    return { file, forced: forced('all', `"${value}" is neither a level nor a path: counts as on`) };
  return { file: resolve(value), forced: null };
}

function forced(level: Switch['level'], why: string): Switch {
  return { ...ON, level, reason: `MC_PICKUP_KILLSWITCH ${why}`, author: 'environment' };
}

const ON: Switch = {
  level: 'all',
  scope: '*',
  reason: '',
  author: 'mc-pickup',
  at_ms: null,
  expires_at_ms: null,
};

function broken(file: string, error: string): Switch {
  return { ...ON, reason: `${file} can't be used (${error}): an unreadable killswitch counts as on` };
}

function readFile(file: string): Read {
  try {
    // Nearly always there is none, and to be told so by an error takes far longer.
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return { ok: true, switches: [] };
    const text = textIn(file);
    if (text === null) return { ok: false, error: 'not a regular file', content: false };
    if (text === 'too large') return not(text);
    return parse(JSON.parse(text));
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && !dangling(file)) return { ok: true, switches: [] };
    const why = messageOf(error);
    return { ok: false, error: why, content: error instanceof SyntaxError };
  }
}

/** Opened without waiting, and looked at once it is open: anything but a plain file (null) could block the read for ever (a pipe, a
 *  device) or says nothing (a directory). */
export function textIn(file: string): string | null {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return null;
    if (stat.size > MAX_BYTES) return 'too large';
    const bytes = Buffer.alloc(stat.size);
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, stat.size, 0));
  } finally {
    closeSync(fd);
  }
}

function dangling(file: string): boolean {
  try {
    lstatSync(file);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ENOENT';
  }
}

function not(error: string): Read {
  return { ok: false, error, content: true };
}

function parse(value: unknown): Read {
  const object = asObject(value);
  if (object === null) return not('not a JSON object');
  const list = Object.hasOwn(object, 'switches') ? object.switches : [object];
  if (!Array.isArray(list)) return not('"switches" is not a list');
  const switches: Kept[] = [];
  for (const entry of list) {
    const one = parseOne(asObject(entry));
    if (typeof one === 'string') return not(one);
    switches.push(one);
  }
  return { ok: true, switches };
}

function parseOne(entry: Record<string, unknown> | null): Kept | string {
  if (entry === null) return 'a switch is not an object';
  const { level, scope = '*', reason = '', author = '', at_ms = null, expires_at_ms = null } = entry;
  if (level !== 'dispatch' && level !== 'all') return `unknown level ${JSON.stringify(level) ?? '(none)'}`;
  if (typeof scope !== 'string' || !SCOPE.test(scope)) return `unknown scope ${JSON.stringify(scope)}`;
  if (typeof reason !== 'string' || typeof author !== 'string') return 'reason and author must be text';
  if (!timeOrNull(at_ms) || !timeOrNull(expires_at_ms)) return 'at_ms and expires_at_ms must be numbers';
  const clock = clockIn(entry.clock);
  return { level, scope, reason, author, at_ms, expires_at_ms, ...(clock === null ? {} : { clock }) };
}

function clockIn(value: unknown): BootClock | null {
  const { boot_id, uptime_ms } = asObject(value) ?? {};
  return typeof boot_id === 'string' && typeof uptime_ms === 'number' ? { boot_id, uptime_ms } : null;
}

function timeOrNull(value: unknown): value is number | null {
  return value === null || (typeof value === 'number' && Number.isFinite(value));
}

function readGate(file: string): { first_halted_at_ms: number; ticks: number } | null {
  const { first_halted_at_ms, ticks } = objectIn(attempt(() => textIn(file))) ?? {};
  const known = typeof first_halted_at_ms === 'number' && typeof ticks === 'number';
  return known ? { first_halted_at_ms, ticks } : null;
}

function save(file: string, switches: readonly Kept[]): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeAtomic(file, `${JSON.stringify({ switches }, null, 2)}\n`);
}

function remove(file: string): void {
  // An empty directory in its place goes; a full one is somebody's and makes this fail loudly.
  if (lstatSync(file, { throwIfNoEntry: false })?.isDirectory()) rmdirSync(file);
  else rmSync(file, { force: true });
}

function writeAtomic(file: string, text: string): void {
  const temp = `${file}.tmp${process.pid}-${process.hrtime.bigint()}`;
  try {
    writeFileSync(temp, text, { mode: 0o600, flag: 'wx' });
    renameSync(temp, file);
  } catch (error) {
    rmSync(temp, { force: true });
    throw error;
  }
}
