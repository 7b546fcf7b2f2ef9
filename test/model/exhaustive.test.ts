/** A switch over our own words has a case for each of them: a new step, reason, verdict or status does not compile until all know it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');
const ROOMS = ['act', 'clean', 'decide', 'metrics', 'model', 'notify', 'page', 'report', 'status', 'tick'];

/** Switches over what others may have written as well: a line of the log, the reason of a ticket. */
const FOREIGN = [
  'decide/reconcile/alive.ts: ticket.reason',
  'notify/gather.ts: kind',
  'report/history.ts: row.kind',
];

interface Switch {
  readonly at: string;
  readonly rest: string | null;
}

/** Each switch of a file, and what its default does, by its indentation as the formatter sets it. */
function switchesOf(path: string): Switch[] {
  const text = readFileSync(join(SRC, path), 'utf8');
  return [...text.matchAll(/^( *)switch \((.*)\) \{\n([\s\S]*?)\n\1\}/gm)].map(([, , of, body]) => ({
    at: `${path}: ${of}`,
    rest: /^ *default:\s*([\s\S]*)/m.exec(body ?? '')?.[1] ?? null,
  }));
}

it('has no other case that takes in what nobody has thought of', () => {
  const files = ROOMS.flatMap((room) =>
    readdirSync(join(SRC, room), { recursive: true, encoding: 'utf8' })
      .filter((one) => one.endsWith('.ts'))
      .map((one) => join(room, one)),
  );
  const all = files.flatMap(switchesOf);
  expect(all.length).toBeGreaterThan(10);
  const open = all.filter(({ rest }) => rest !== null && !rest.startsWith('return unreachable('));
  expect(open.map(({ at }) => at).sort()).toEqual(FOREIGN);
});
