/** Out of any board and into an empty one: what comes out of that is the same, whatever the texts are. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Board, NewTicket } from '../../src/board/port/index.ts';
import { cli } from '../../src/cli/index.ts';
import type { Portable } from '../../src/import/index.ts';
import { wrongName } from '../../src/model/name.ts';
import { clean, oneLine } from '../../src/model/text.ts';
import { TICKET_STATUSES, type Ticket, type TicketStatus } from '../../src/model/ticket.ts';
import { boardAt } from '../support/boards.ts';
import { aNewTicket } from '../support/builders.ts';
import { draws, fc } from '../support/draws.ts';

const numRuns = draws(150);

let dir: string;
let told = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-round-trip-'));
  vi.stubGlobal('MC_PICKUP_VERSION', '0.0.0');
});
afterAll(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  rmSync(dir, { recursive: true, force: true });
});

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        ...[
          '"',
          "'",
          ',',
          ';',
          '\n',
          '\r\n',
          '\r',
          '\t',
          '\0',
          '\u001b[2J',
          '\u202e',
          '\ud800',
          '\udc00',
          '\ufeff',
          ' ',
        ],
        ...[
          '=1+1',
          '+1',
          '-1',
          '@SUM(A1)',
          '\t=1',
          "'=1",
          "''-",
          '[',
          '["a"]',
          '#1',
          '<!-- id: x -->',
          '- [ ] ',
          '|',
          '\\',
        ],
        ...['true', 'null', '0', 'MC-1', '\u2028', '\u00a0', 'title', '\u{1f469}\u200d\u{1f4bb}', 'a', 'b'],
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join('')),
);
const name = hostile.map((one) => one.trim().slice(0, 64).trim()).filter((one) => wrongName(one) === null);
const title = hostile.map((one) => oneLine(one, 300)).filter((one) => one !== '');
const time = fc.integer({ min: 0, max: 4_102_444_800_000 });

interface Made extends Omit<NewTicket, 'status' | 'depends_on'> {
  readonly status: TicketStatus;
  readonly on: readonly number[];
  readonly attempts: number;
  readonly reason: string | null;
  readonly reason_text: string | null;
  readonly not_before_at_ms: number | null;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
  readonly comments: readonly { readonly actor: string; readonly at_ms: number; readonly text: string }[];
  readonly source: boolean;
}

const made: fc.Arbitrary<Made> = fc.record({
  title,
  body: hostile.map(clean),
  // Nobody works on it there: that comes as todo, and is looked at below.
  status: fc.constantFrom(...TICKET_STATUSES.filter((one) => one !== 'in_progress')),
  priority: fc.integer({ min: 0, max: 4 }),
  project: name,
  labels: fc.uniqueArray(name, { maxLength: 4 }),
  agent: fc.option(name),
  owner: fc.option(name),
  author: name.filter((one) => !one.startsWith('file:')),
  trusted: fc.boolean(),
  on: fc.array(fc.nat({ max: 5 }), { maxLength: 3 }),
  attempts: fc.nat({ max: 9 }),
  reason: fc.option(hostile.map((one) => clean(one)).filter((one) => one !== '')),
  reason_text: fc.option(hostile.map((one) => clean(one)).filter((one) => one !== '')),
  not_before_at_ms: fc.option(time),
  created_at_ms: time,
  updated_at_ms: time,
  comments: fc.array(
    fc.record({
      actor: name.filter((one) => !one.startsWith('file:')),
      at_ms: time,
      text: hostile.map(clean),
    }),
    {
      maxLength: 2,
    },
  ),
  source: fc.boolean(),
});

async function fill(board: Board, all: readonly Made[]): Promise<void> {
  const sources: string[] = [];
  for (const [n, { on, source: _, ...ticket }] of all.entries()) {
    const source = `jsonl:f:${n}`;
    const depends_on = [...new Set(on.flatMap((one) => sources[one] ?? []))];
    const { status, ...rest } = ticket;
    if (status === 'in_progress') throw new Error('left out above');
    await board.importTickets([{ ...rest, status, source, depends_on }], { actor: 'ann', now_ms: 1 });
    sources.push(source);
  }
}

/** Runs the real command in this process. */
async function run(state: string, ...args: string[]): Promise<string> {
  told = '';
  const write = (chunk: unknown): boolean => {
    told += String(chunk);
    return true;
  };
  const spies = [process.stdout, process.stderr].map((one) =>
    vi.spyOn(one, 'write').mockImplementation(write),
  );
  const env = {
    PATH: process.env.PATH,
    HOME: dir,
    MC_PICKUP_STATE_DIR: state,
    MC_PICKUP_CONFIG: join(dir, 'none.toml'),
  };
  const code = await cli(args, env);
  for (const spy of spies) spy.mockRestore();
  expect(code, `${args.join(' ')}: ${told}`).toBe(0);
  return told;
}

/** Without the numbers, which are the board's own: by the sources that stand for them. */
function bySource(lines: string): unknown[] {
  const all = lines
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Portable);
  const sources = new Map(all.map(({ id, source }) => [id, source]));
  return all
    .map(({ id: _, ...one }) => ({ ...one, depends_on: one.depends_on.map((on) => sources.get(on)) }))
    .sort((a, b) => (a.source < b.source ? -1 : 1));
}

let n = 0;
it.each(['jsonl', 'csv'])(
  '%s: an export of any board, imported into an empty one, comes out as it was',
  async (format) => {
    await fc.assert(
      fc.asyncProperty(fc.array(made, { maxLength: 5 }), async (all) => {
        n += 1;
        const [first, second, file] = [join(dir, `a${n}`), join(dir, `b${n}`), join(dir, `${n}.${format}`)];
        const board = boardAt(join(first, 'board.sqlite'));
        await fill(board, all);
        await board.close();
        const before = bySource(await run(first, 'ticket', 'export', '--json'));
        expect(before).toHaveLength(all.length);
        await run(first, 'ticket', 'export', file, '--format', format);
        await run(second, 'ticket', 'import', file, '--trust', '--project', 'x');
        expect(bySource(await run(second, 'ticket', 'export', '--json'))).toEqual(before);
        // Once more changes nothing, here or there.
        expect(await run(second, 'ticket', 'import', file, '--trust')).toMatch(/^0 added/);
        expect(await run(first, 'ticket', 'import', file, '--trust')).toMatch(/^0 added/);
        for (const path of [first, second, file]) rmSync(path, { recursive: true, force: true });
      }),
      { numRuns },
    );
  },
);

it('an export of a board whose tickets were made there is known to it, and new to another one', async () => {
  const state = join(dir, 'native');
  const board = boardAt(join(state, 'board.sqlite'));
  const ticket = aNewTicket({ title: 'A', project: 'p' });
  await board.addTicket(ticket, { now_ms: 1 });
  await board.addTicket({ ...ticket, depends_on: ['MC-1'] }, { now_ms: 2 });
  const id = await board.boardId();
  await board.close();
  const file = join(dir, 'native.jsonl');
  await run(state, 'ticket', 'export', file);
  expect(await run(state, 'ticket', 'import', file)).toMatch(/^0 added, 2 there already/);
  const other = join(dir, 'other');
  await run(other, 'ticket', 'import', file);
  const lines = await run(other, 'ticket', 'export', '--json');
  expect(bySource(lines)).toMatchObject([
    { source: `mc-pickup:${id}:MC-1`, author: 'ann', trusted: false },
    { source: `mc-pickup:${id}:MC-2`, depends_on: [`mc-pickup:${id}:MC-1`] },
  ]);
});

it('no cell of a CSV begins as a formula does, whatever a ticket says', async () => {
  const { written, portable } = await import('../../src/import/index.ts');
  const { parse } = await import('csv-parse/sync');
  const ticket: Ticket = {
    ...{
      id: 'MC-1',
      source: 's',
      wait_since_ms: null,
      status: 'todo',
      priority: 2,
      project: '@p',
      agent: '-a',
      owner: '+o',
      author: '=x',
    },
    ...{
      labels: ['=l'],
      trusted: false,
      depends_on: [],
      not_before_at_ms: null,
      attempts: 0,
      claim_epoch: 0,
    },
    ...{
      version: 1,
      worker_pid: null,
      reason: '=r',
      reason_text: "'=t",
      reason_run: null,
      reason_turn: null,
    },
    ...{ created_at_ms: 0, updated_at_ms: 0, title: '=HYPERLINK("x")', body: '\t=1' },
  };
  const cells = (
    parse(written('csv', [portable({ ticket, comments: [], depends_on: [] }, 'b')])) as string[][]
  ).flat();
  expect(cells.filter((cell) => /^'*[=+\-@\t\r]/.test(cell))).toEqual(
    cells.filter((cell) => /^'+[=+\-@\t\r]/.test(cell)),
  );
  expect(cells).toContain(`'=HYPERLINK("x")`);
  expect(cells).toContain(`''=t`);
});

it.each([[['["a"]']], [['[x', 'y']], [['a,b', 'c']], [['a;b']], [["'=a"]], [['#1']]])(
  'labels such as %j come out of a CSV as they went in',
  async (labels) => {
    const { readFile, written } = await import('../../src/import/index.ts');
    const line: Portable = {
      ...{
        schema: 'mc-pickup.ticket-export/1',
        id: '1',
        source: 's',
        title: 't',
        body: '',
        status: 'todo',
        priority: 2,
      },
      ...{
        project: 'p',
        labels,
        agent: null,
        owner: null,
        author: 'a',
        trusted: false,
        depends_on: [],
        attempts: 0,
      },
      ...{
        not_before_at: null,
        reason: null,
        reason_text: null,
        created_at: null,
        updated_at: null,
        comments: [],
      },
    };
    const file = { format: 'csv', file: 'x', text: written('csv', [line]), name: null } as const;
    const tried = await readFile(file, { only: [], labels: [] });
    expect(tried.ok && tried.value.rows[0]?.ticket.labels).toEqual(labels);
  },
);
