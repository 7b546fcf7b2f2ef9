/** Limits, logins, outages and refused requests of the model's API: each client and both modes, against the table of docs/agents.md. */
import { expect } from 'vitest';
import type { TroubleKind } from '../../src/model/trouble.ts';
import type { RealKind, Rig } from '../support/clients/rig.ts';
import { MARK, withClients } from '../support/clients/scenario.ts';

type Case = readonly [name: string, directive: string | null, kind: TroubleKind];

/** What the API answers; null = nobody listens. */
const CASES: readonly Case[] = [
  ['a limit without a reset (429)', 'fail 429', 'limit'],
  ['the quota of the day (429)', 'fail 429 day', 'limit'],
  ['a login that is refused (401)', 'fail 401', 'login'],
  ['a login that may not (403)', 'fail 403', 'login'],
  ['a bad key', 'fail 400 key', 'login'],
  ['an error of the server (500)', 'fail 500', 'down'],
  ['a stream that is cut', 'fail 400 cut', 'down'],
  ['nobody listens', null, 'down'],
  ['a prompt that is too long', 'fail 400 long', 'request'],
  ['a prompt that is refused', 'fail 400 refused', 'request'],
];

/** A 400 for a bad key is one vendor's; the others answer 401. */
const KEY: Readonly<Partial<Record<RealKind, string>>> = { gemini: 'fail 400 key' };

interface Seen {
  readonly hold: { readonly because: string; readonly says: string } | null;
  readonly nudges: number;
  readonly attempts: number;
}

withClients(
  {
    'gemini: interactive: an error of the server (500)':
      'it tries again without an end and calls that work (500, 503): the turn never ends, and the ticket stays in_progress. Stop it, or wait.',
    ...stillTrying('opencode', ['an error of the server (500)', 'a stream that is cut', 'nobody listens']),
    ...stillTrying('opencode', ['a limit without a reset (429)', 'the quota of the day (429)']),
    ...stillTrying('codex', ['nobody listens']),
    'opencode: what was away is there again: one run tries it, and all go on by themselves':
      'it tries again by itself for minutes, and calls that work.',
  },
  ({ kind, scenario, open }) => {
    for (const mode of ['interactive', 'headless'] as const)
      for (const [name, told, trouble] of CASES)
        scenario(`${mode}: ${name}`, async () => {
          const one = await open(`mode = "${mode}"\nmax_nudges = 1`);
          const directive = name === 'a bad key' ? (KEY[kind] ?? 'fail 401') : told;
          if (directive === null) await one.stub.offline();
          const id = one.add(directive === null ? MARK : `${MARK} [[${directive}]]`);
          const asks = trouble === 'request' || (trouble === 'login' && mode === 'interactive');
          const isOver = (): boolean =>
            asks ? one.ticket(id).status === 'needs_input' : seen(one).hold !== null || limited(one);
          await one.ticking(isOver, `${trouble} to be seen`);
          const { hold, ...spent } = seen(one);
          expect(spent).toEqual({ nudges: 0, attempts: 0 });
          if (asks)
            expect(one.ticket(id).reason).toBe(trouble === 'login' ? 'agent_not_ready' : 'request_refused');
          if (trouble === 'request') {
            expect(hold).toBeNull();
            expect(one.ticket(id).reason_text).not.toBe('');
            return;
          }
          expect(hold?.because).toBe(`api_${trouble}`);
          const says = (hold?.says ?? '').slice(0, 30);
          const [status, explained] = [(await one.run('status')).out, (await one.run('explain', id)).out];
          expect(status.replace(/\s+/g, ' ')).toContain(says);
          expect(explained.replace(/\s+/g, ' ')).toContain(says);
        });

    scenario('what was away is there again: one run tries it, and all go on by themselves', async () => {
      const one = await open('mode = "headless"\non_idle = "needs_input"');
      one.stub.brain.away = true;
      const ids = [one.add(`${MARK} [[say first]]`), one.add(`${MARK} [[say second]]`)];
      await one.ticking(() => seen(one).hold !== null, 'the outage to be seen');
      one.stub.brain.away = false;
      await one.ticking(
        () => ids.every((id) => one.ticket(id).reason === 'finished_without_report'),
        'both to end',
      );
      for (const id of ids) expect(one.ticket(id)).toMatchObject({ attempts: 0 });
      expect(seen(one).hold).toBeNull();
    });
  },
);

/** Clients that try again for minutes by themselves, and call that work. */
function stillTrying(kind: RealKind, names: readonly string[]): Record<string, string> {
  const why =
    'it tries again by itself for minutes, and calls that work; its turn ends later. Nothing to do.';
  return Object.fromEntries(
    names.flatMap((name) =>
      [`${kind}: interactive: ${name}`, `${kind}: headless: ${name}`].map((key) => [key, why]),
    ),
  );
}

function limited(one: Rig): boolean {
  return one.box.sql('SELECT 1 FROM accounts WHERE not_before_at_ms IS NOT NULL').length > 0;
}

function seen(one: Rig): Seen {
  const rows = one.box.sql<{ nudges: number }>('SELECT nudges FROM runtime_sessions');
  const tickets = one.box.sql<{ attempts: number }>('SELECT attempts FROM tickets');
  return {
    hold: one.holds()[0] ?? null,
    nudges: rows.reduce((sum, { nudges }) => sum + nudges, 0),
    attempts: tickets.reduce((sum, { attempts }) => sum + attempts, 0),
  };
}
