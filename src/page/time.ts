import { type Html, html } from './html.ts';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Times as this machine's people read them; UTC goes with them for programs. */
export interface Clock {
  readonly now_ms: number;
  readonly zone: string;
  /** `14:05`. */
  time(ms: number): string;
  /** `26 Nov`. */
  day(ms: number): string;
  /** `14:05`, with its day where that is not today. */
  short(ms: number): string;
  /** `26 Nov 2026, 14:05`, with the name of the zone. */
  long(ms: number): string;
  /** The short form as markup that names the moment in UTC. */
  at(ms: number): Html;
}

export function clockOf(now_ms: number, zone: string): Clock {
  const format = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...options });
  const time = format({ hour: '2-digit', minute: '2-digit' });
  const day = format({ day: 'numeric', month: 'short' });
  const long = format({
    ...{ day: 'numeric', month: 'short', year: 'numeric' },
    ...{ hour: '2-digit', minute: '2-digit', timeZoneName: 'short' },
  });
  const clock: Clock = {
    now_ms,
    zone,
    time: (ms) => time.format(real(ms)),
    day: (ms) => day.format(real(ms)),
    short: (ms) =>
      clock.day(ms) === clock.day(now_ms) ? clock.time(ms) : `${clock.day(ms)} ${clock.time(ms)}`,
    long: (ms) => long.format(real(ms)),
    at: (ms) => html`<time datetime="${iso(ms)}">${clock.short(ms)}</time>`,
  };
  return clock;
}

/** The moment in UTC, as programs read it. */
export function iso(ms: number): string {
  return new Date(real(ms)).toISOString();
}

/** Other programs write to the board too: a number that is no time must not cost the whole page. */
function real(ms: number): number {
  return Math.abs(ms) <= 8.64e15 ? ms : 0;
}

/** `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`; below a second in ms. */
export function span(ms: number): string {
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < MINUTE) return `${ms < 10 * SECOND ? Math.round(ms / 100) / 10 : Math.round(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.round(ms / MINUTE)} min`;
  const [unit, less, names] = ms < DAY ? [HOUR, MINUTE, ['h', 'min']] : [DAY, HOUR, ['d', 'h']];
  const whole = Math.floor(ms / unit);
  const rest = Math.floor((ms - whole * unit) / less);
  return rest === 0 ? `${whole} ${names[0]}` : `${whole} ${names[0]} ${rest} ${names[1]}`;
}

/** The UTC day, as the board counts use by. */
export function utcDay(ms: number): string {
  return iso(ms).slice(0, 10);
}
