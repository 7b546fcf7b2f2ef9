/*
 * Two kinds of files. What is ours (the state dir, the files of runs) is private: the whole program works under 077. What is the user's
 * (checkouts, what git writes into a repository, what agents and hooks make) has the rights that the user gives files. A scheduler may
 * start us with another umask than the user's, so that one is configured, else noted when a person set things up, else the one
 * that this process came with.
 */
const PRIVATE = 0o077;

/** An umask as people write it. One that takes a user's own rights away is none to work with. */
export const UMASK = /^0?0[0-7]{2}$/;

interface Known {
  came: number | null;
  configured: number | null;
  note: (() => string | null) | null;
  /** What it said; undefined = it was not asked yet. */
  noted: number | null | undefined;
}

/* Of the process, and not of this module: each bundle has a copy of it. */
const KNOWN = Symbol.for('mc-pickup.umask');
const all = globalThis as { [KNOWN]?: Known };
all[KNOWN] ??= { came: null, configured: null, note: null, noted: undefined };
const known = all[KNOWN];

/** From here on what this process makes is private. */
export function bePrivate(): void {
  known.came = process.umask(PRIVATE);
}

/** What the configuration says; null = nothing. */
export function configureUmask(text: string | null): void {
  known.configured = text === null ? null : read(text);
}

/** What has read where it is noted: asked once, when it is first needed, since most ticks start nothing, and not from here, which the gate loads. */
export function umaskNotedBy(note: () => string | null): void {
  known.note = note;
  known.noted = undefined;
}

/** What is noted: the umask that this process came with, the one of the person who sets things up. */
export function umaskToNote(): string | null {
  return known.came === null ? null : `${octal(known.came & PRIVATE)}\n`;
}

/** The user's; null = this process never changed its own. */
export function userUmask(): number | null {
  return known.configured ?? noted() ?? known.came;
}

/** Starts something of the user's: it has the user's umask, and this process its own again. */
export function asUser<T>(start: () => T): T {
  const umask = userUmask();
  return umask === null ? start() : under(umask, start);
}

/** The same for what is ours, whatever umask this process has. */
export function inPrivate<T>(start: () => T): T {
  return under(PRIVATE, start);
}

/** As a shell and the configuration write it. */
export function octal(umask: number): string {
  return umask.toString(8).padStart(3, '0');
}

function under<T>(umask: number, start: () => T): T {
  const before = process.umask(umask);
  try {
    return start();
  } finally {
    process.umask(before);
  }
}

function noted(): number | null {
  if (known.noted === undefined) known.noted = read(known.note?.()?.trim() ?? '');
  return known.noted;
}

function read(text: string): number | null {
  return UMASK.test(text) ? Number.parseInt(text, 8) : null;
}
