import { oneLine } from '../model/text.ts';
import type { Switch } from '../model/world.ts';
import { idOf, type TellEvent } from './event.ts';

/** What changed at the killswitch since it was looked at last: by a tick, a person, another program, or its own expiry. One
 *  in the environment is no event: it is on in one shell and off in the next. */
export function switchEvents(
  before: readonly Switch[],
  now: readonly Switch[],
  o: { readonly host: string; readonly now_ms: number },
): { readonly events: readonly TellEvent[]; readonly seen: readonly Switch[] } {
  const seen = now.filter(({ author }) => author !== 'environment');
  const known = new Set(before.map(keyOf));
  const still = new Set(seen.map(keyOf));
  const on = seen.filter((one) => !known.has(keyOf(one))).map((one) => turnedOn(one, o));
  // One that took the place of another is told as itself alone.
  const scopes = new Set(seen.map(({ scope }) => scope));
  const off = before.filter((one) => !still.has(keyOf(one)) && !scopes.has(one.scope));
  return { events: [...on, ...off.map((one) => turnedOff(one, o))], seen };
}

function keyOf({ scope, level, at_ms, author }: Switch): string {
  return JSON.stringify([scope, level, at_ms, author]);
}

function turnedOn(one: Switch, { host, now_ms }: { host: string; now_ms: number }): TellEvent {
  const { level, author, reason } = one;
  const tripped = author === 'mc-pickup';
  const effect = level === 'all' ? 'no ticks' : 'no launches';
  const by = tripped ? 'tripped by itself' : `switched on by ${oneLine(author, 60) || 'someone'}`;
  const why = oneLine(reason, 300);
  const text = `killswitch ${by}, ${where(one)}: ${effect}${why === '' ? '' : `: ${why}`}`;
  return event(one, tripped ? 'tripped' : 'switched_on', text, { host, now_ms, of_ms: one.at_ms });
}

function turnedOff(one: Switch, { host, now_ms }: { host: string; now_ms: number }): TellEvent {
  const expired = one.expires_at_ms !== null && one.expires_at_ms <= now_ms;
  const text = `killswitch ${expired ? 'expired' : 'switched off'}, ${where(one)}`;
  return event(one, expired ? 'expired' : 'switched_off', text, { host, now_ms, of_ms: null });
}

function where({ scope }: Switch): string {
  return scope === '*' ? 'for everything' : `for ${scope}`;
}

/** `of_ms`: what tells it from another like it; null = the moment at which it is found. */
function event(
  one: Switch,
  because: string,
  text: string,
  { host, now_ms, of_ms }: { readonly host: string; readonly now_ms: number; readonly of_ms: number | null },
): TellEvent {
  const at_ms = now_ms;
  const project = one.scope.startsWith('project:') ? one.scope.slice('project:'.length) : null;
  return {
    id: idOf('killswitch', host, keyOf(one), because, of_ms ?? now_ms),
    ...{ kind: 'killswitch', at_ms, ticket: null, title: null, project, labels: [], run: null },
    ...{ because, text },
  };
}
