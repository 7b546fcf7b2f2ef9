/** What each format is read as: pure, without a board. */

import { describe, expect, it } from 'vitest';
import { type Placed, placed, type Reading, readFile, type Wish } from '../../src/import/index.ts';
import { draws, fc } from '../support/draws.ts';

const NOTHING = { only: [], labels: [] };

async function read(text: string, over: Partial<Wish> = {}, filter = NOTHING): Promise<Reading> {
  const tried = await readFile({ format: null, file: 'x', text, name: null, ...over }, filter);
  if (!tried.ok) throw new Error(`${tried.exit}: ${tried.why}`);
  return tried.value;
}

async function rows(text: string, over: Partial<Wish> = {}): Promise<readonly Placed[]> {
  const reading = await read(text, over);
  const all = placed(reading, reading.space, new Set());
  expect([...reading.bad, ...all.bad]).toEqual([]);
  return all.rows;
}

const texts = (all: readonly Placed[]) => all.map(({ ticket }) => [ticket.title, ticket.body]);

describe('a Markdown task list', () => {
  const plan = (text: string) => rows(text, { file: 'plan.md' });

  it('gives a ticket for each open box, with what is indented below it as its body', async () => {
    const all = await plan(
      `# Plan

- [ ] Fix the **login**
  It loses the cookie.

  - [ ] on mobile too
  - [x] seen

      some code
- plain item
  1. [ ] In a plain item
> - [ ] Quoted

* [ ] Last
- [X] Done
`,
    );
    expect(texts(all)).toEqual([
      ['Fix the login', 'It loses the cookie.\n\n- [ ] on mobile too\n- [x] seen\n\n    some code'],
      ['In a plain item', ''],
      ['Quoted', ''],
      ['Last', ''],
    ]);
  });

  it('says what is done already, and leaves it out', async () => {
    const { rows: all, skipped } = await read('- [x] Old\n  - [ ] of it\n- [ ] New\n', { file: 'plan.md' });
    expect(all).toHaveLength(1);
    expect(skipped).toMatchObject([{ where: 'plan.md:1', title: 'Old', because: 'done' }]);
  });

  it('knows a task by the id that somebody gave it, else by its title', async () => {
    const all = await plan('- [ ] One <!-- id: a-1 -->\n- [ ] Two ^b2\n- [ ] Same\n- [ ] Same\n');
    expect(all.map(({ ticket }) => ticket.source)).toEqual([
      'md:plan.md:a-1',
      'md:plan.md:b2',
      expect.stringMatching(/^md:plan\.md:~[0-9a-f]{16}$/),
      expect.stringMatching(/^md:plan\.md:~[0-9a-f]{16}-2$/),
    ]);
    expect(all.map(({ ticket }) => ticket.title)).toEqual(['One', 'Two', 'Same', 'Same']);
    const moved = await plan('Intro.\n\n- [ ] New first\n- [ ] Same\n');
    expect(moved[1]?.ticket.source).toBe(all[2]?.ticket.source);
  });

  it('keeps the address of a link in a title', async () => {
    expect(texts(await plan('- [ ] Read [this](https://example.test/a)\n'))).toEqual([
      ['Read this', 'Read [this](https://example.test/a)'],
    ]);
  });

  it('takes Windows line ends, and a box in a code block for code', async () => {
    expect(texts(await plan('- [ ] A\r\n\r\n  b\r\n  c\r\n\r\n```\n- [ ] no task\n```\n'))).toEqual([
      ['A', 'b\nc'],
    ]);
  });
});

describe('a CSV', () => {
  const table = (text: string) => rows(text, { file: 't.csv' });

  it.each([',', ';', '\t'])('is parted by %j, as its header says', async (mark) => {
    const line = (...cells: string[]) => cells.join(mark);
    const text = `\ufeff${line('Title', 'body', 'ID', 'labels', 'priority')}\r\n${line('A', '"two\r\nlines"', '1', '"x, y"', 'P1')}\r\n\r\n${line('B')}\r\n`;
    const [a, b] = await table(text);
    expect(a?.ticket).toMatchObject({
      title: 'A',
      body: 'two\nlines',
      labels: ['x', 'y'],
      priority: 1,
      source: 'csv:t.csv:1',
    });
    expect([a?.where, b?.where]).toEqual(['t.csv:2', 't.csv:5']);
    expect(b?.ticket).toMatchObject({ title: 'B', body: '', labels: [], priority: 2 });
  });

  it('says which columns it does not know', async () => {
    expect((await read('title,colour,mood\nA,red,fine\n')).warnings).toEqual([
      'x: unknown columns, passed over: colour, mood',
    ]);
  });

  it('reads other words for a status, and passes over what is done', async () => {
    const { rows: all, skipped } = await read(
      'title,status\nA,In Progress\nB,Closed\nC,On hold\nD,in review\n',
    );
    expect(all.map(({ ticket }) => ticket.status)).toEqual(['todo', 'blocked', 'in_review']);
    expect(skipped.map(({ title }) => title)).toEqual(['B']);
  });

  it('binds by id, by number and by source, and waits for nothing that is done', async () => {
    const all = await table(
      'title,id,depends_on,status\nLast,c,"a; b",\nFirst,a,,\nOld,o,,done\nSecond,b,#2,\nAlone,,"o, csv:t.csv:a",\n',
    );
    expect(all.map(({ ticket, depends_on }) => [ticket.title, depends_on])).toEqual([
      ['First', []],
      ['Second', ['csv:t.csv:a']],
      ['Last', ['csv:t.csv:a', 'csv:t.csv:b']],
      ['Alone', ['csv:t.csv:a']],
    ]);
  });

  it.each([
    ['title\n" "', 'x:2', 'has no title'],
    ['title,priority\nA,9', 'x:2', 'priority 9 is no whole number'],
    ['title,priority\nA,high', 'x:2', 'priority "high"'],
    ['title,status\nA,dnoe', 'x:2', 'status "dnoe" is not known'],
    ['title,owner\nA,"a\u202eb"', 'x:2', 'cannot be seen'],
    ['title,id\nA,1\nB,1', 'x:3', 'has the id of x:2'],
    ['title\nA,B', 'x:2', 'has 2 cells, and the header 1'],
    [`title,body\nA,"${'x'.repeat(256 * 1024 + 1)}"`, 'x:2', 'body is larger than'],
    ['title,created_at\nA,yesterday', 'x:2', 'is no time'],
    [
      `title,labels\nA,"${Array.from({ length: 51 }, (_, n) => `l${n}`).join(',')}"`,
      'x:2',
      'more than 50 labels',
    ],
  ])('says where %j is wrong', async (text, where, why) => {
    const { bad } = await read(text, { format: 'csv' });
    expect(bad).toEqual([{ where, why: expect.stringContaining(why) }]);
  });

  it.each([
    ['title,depends_on\nA,b\n', 'depends on b, which is neither in the file nor on the board'],
    ['title,id,depends_on\nA,a,b\nB,b,c\nC,c,a\n', 'waits for itself: a -> b -> c -> a'],
    ['title,id,depends_on\nA,a,a\n', 'waits for itself: a -> a'],
  ])('refuses the dependencies of %j', async (text, why) => {
    const reading = await read(text);
    const { bad } = placed(reading, reading.space, new Set());
    expect(bad[0]?.why).toBe(why);
  });

  it('leaves out with a bad row all that waits for it', async () => {
    const reading = await read('title,id,depends_on\nA,a,nobody\nB,b,a\nC,c,b\nD,d,\n');
    const all = placed(reading, reading.space, new Set());
    expect(all.rows.map(({ ticket }) => ticket.title)).toEqual(['D']);
    expect(all.bad).toHaveLength(3);
  });

  it('finds on the board what another import of the same file has brought', async () => {
    const reading = await read('title,id,depends_on\nB,b,a\n');
    expect(placed(reading, reading.space, new Set(['csv:x:a'])).rows[0]?.depends_on).toEqual(['csv:x:a']);
  });

  it('takes a chain of 10,000, and no more', async () => {
    const chain = Array.from({ length: 10_000 }, (_, n) => `T${n},${n},${n === 9999 ? '' : n + 1}`);
    const all = await table(['title,id,depends_on', ...chain].join('\n'));
    expect([all[0]?.ticket.title, all.at(-1)?.ticket.title]).toEqual(['T9999', 'T0']);
    await expect(read(['title', ...chain, 'one more'].join('\n'), { format: 'csv' })).rejects.toThrow(
      '10000 tasks',
    );
  });
});

describe('JSON Lines', () => {
  it('of any tool: title, body or description, and what else is named alike', async () => {
    const [one] = await rows(
      '{"title":"A\\u001b[2J","description":"b","id":7,"labels":["x"],"priority":0,"status":"open","owner":null,"points":3}\n\n',
    );
    expect(one).toMatchObject({
      where: 'x:1',
      ticket: {
        title: 'A[2J',
        body: 'b',
        source: 'jsonl:x:7',
        labels: ['x'],
        priority: 0,
        status: 'todo',
        owner: null,
      },
    });
  });

  it.each([
    ['{"title":"A"}\nnot json', 'x:2', 'is no JSON object'],
    ['{"title":["A"]}', 'x:1', 'title is no text'],
    ['{"title":"A","labels":[{}]}', 'x:1', 'labels is no list of words'],
    ['{"title":"A","priority":1.5}', 'x:1', 'priority 1.5'],
    ['{"title":"A","body":7}', 'x:1', 'body is no text'],
    ['{"title":"A","author":"\\ud800"}', 'x:1', 'cannot be seen'],
    ['{"schema":"mc-pickup.ticket-export/9","title":"A"}', 'x:1', 'update mc-pickup'],
    ['{"title":"A","id":"a\\nb"}', 'x:1', 'cannot be seen'],
  ])('says where %s is wrong', async (text, where, why) => {
    expect((await read(text)).bad).toEqual([{ where, why: expect.stringContaining(why) }]);
  });

  it('an export of ours keeps its statuses, but none that is being worked on', async () => {
    const line = (status: string) =>
      JSON.stringify({
        schema: 'mc-pickup.ticket-export/1',
        id: status,
        source: `s:${status}`,
        title: status,
        status,
        reason: 'r',
      });
    const all = await rows(
      ['done', 'cancelled', 'in_review', 'needs_input', 'in_progress'].map(line).join('\n'),
    );
    expect(all.map(({ ticket }) => [ticket.source, ticket.status, ticket.reason])).toEqual([
      ['s:done', 'done', 'r'],
      ['s:cancelled', 'cancelled', 'r'],
      ['s:in_review', 'in_review', 'r'],
      ['s:needs_input', 'needs_input', 'r'],
      ['s:in_progress', 'todo', null],
    ]);
  });
});

describe('a beads export', () => {
  const issue = (over: object) => ({
    ...{
      _type: 'issue',
      id: 'bd-1',
      title: 'T',
      description: 'd',
      status: 'open',
      priority: 2,
      issue_type: 'task',
    },
    ...{ created_at: '2026-01-02T03:04:05.678901Z', updated_at: '2026-01-02T03:04:05Z', dependency_count: 0 },
    ...over,
  });
  const lines = (...all: object[]) => all.map((one) => JSON.stringify(one)).join('\n');

  it('is told from other JSON Lines, and takes issues as they are in beads', async () => {
    const reading = await read(
      lines(
        issue({
          id: 'bd-2',
          priority: 0,
          issue_type: 'bug',
          labels: ['ui'],
          assignee: 'ann',
          created_by: 'bob',
          design: 'D.',
        }),
        issue({
          id: 'bd-1',
          acceptance_criteria: 'A.',
          description: '',
          comments: [{ author: 'eve', text: 'hm', created_at: '2026-01-02T03:04:05Z' }],
        }),
      ),
      { file: 'issues.jsonl' },
    );
    expect(reading.format).toBe('beads');
    expect(reading.bad).toEqual([]);
    expect(reading.rows).toMatchObject([
      {
        author: 'file:bob',
        ticket: {
          source: 'beads:bd-2',
          priority: 0,
          labels: ['ui', 'bug'],
          owner: 'ann',
          body: 'd\n\n## Design\n\nD.',
        },
      },
      {
        author: null,
        ticket: {
          source: 'beads:bd-1',
          body: '## Acceptance criteria\n\nA.',
          comments: [{ actor: 'file:eve', text: 'hm' }],
        },
      },
    ]);
    expect(reading.rows[0]?.created_at_ms).toBe(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
  });

  it('waits for what blocks it, and for nothing that is closed or only related', async () => {
    const dependencies = [
      { issue_id: 'bd-1', depends_on_id: 'bd-2', type: 'blocks' },
      { issue_id: 'bd-1', depends_on_id: 'bd-3', type: 'blocks' },
      { issue_id: 'bd-1', depends_on_id: 'bd-4', type: 'parent-child' },
      { issue_id: 'bd-1', depends_on_id: 'bd-9', type: 'discovered-from' },
    ];
    const all = await rows(
      lines(
        issue({ dependencies }),
        issue({ id: 'bd-2' }),
        issue({ id: 'bd-3', status: 'closed' }),
        issue({ id: 'bd-4', issue_type: 'epic' }),
      ),
      { file: 'issues.jsonl' },
    );
    expect(all.map(({ ticket, depends_on }) => [ticket.source, ticket.status, depends_on])).toEqual([
      ['beads:bd-2', 'todo', []],
      ['beads:bd-1', 'todo', ['beads:bd-2']],
      ['beads:bd-4', 'blocked', []],
    ]);
  });

  it('says what it passes over: what is closed, and what is no work', async () => {
    const {
      rows: all,
      skipped,
      warnings,
    } = await read(
      lines(
        issue({ id: 'a', status: 'tombstone' }),
        issue({ id: 'b', issue_type: 'message' }),
        { _type: 'memory', key: 'k', value: 'v' },
        issue({ id: 'c', status: 'deferred' }),
        issue({ id: 'd', status: 'qa' }),
      ),
      { format: 'beads' },
    );
    expect(skipped.map(({ because }) => because)).toEqual(['done', 'no_task', 'no_task']);
    expect(all.map(({ ticket }) => ticket.status)).toEqual(['blocked', 'blocked']);
    expect(warnings).toEqual([expect.stringContaining('"qa"')]);
  });
});

describe('a file', () => {
  it.each([
    ['{"title":"A"}', 'jsonl'],
    ['{"id":"bd-1","title":"A","issue_type":"bug"}', 'beads'],
    ['name;title\na;b\n', 'csv'],
    ['\ufeffTitle\nb\n', 'csv'],
    ['Some words.\n\n- [ ] A\n', 'markdown'],
    ['1) [x] A\n', 'markdown'],
  ])('of stdin such as %j is known by what is in it', async (text, format) => {
    expect((await read(text, { file: '-', name: 'n' })).format).toBe(format);
  });

  it('that is nothing of these asks for --from', async () => {
    await expect(read('hello')).rejects.toThrow('--from');
    await expect(read('a,b\n1,2\n', { format: 'csv' })).rejects.toThrow('no column "title"');
    await expect(read('title,title\n1,2\n')).rejects.toThrow('two columns');
    await expect(read('title\n"a', { format: 'csv' })).rejects.toThrow('is no CSV');
    expect((await read('', { format: 'csv' })).rows).toEqual([]);
  });

  it('without a name is asked for one, since its tasks would not be known again', async () => {
    const { bad } = await read('title\nA\n', { file: '-' });
    expect(bad[0]?.why).toContain('--source NAME');
  });

  it('can be asked for tasks with a label, and give them one more', async () => {
    const text = 'title,labels\nA,"x,y"\nB,x\n';
    const { rows: all, skipped } = await read(text, {}, { only: ['y'], labels: ['y', 'z'] } as never);
    expect(all.map(({ ticket }) => [ticket.title, ticket.labels])).toEqual([['A', ['x', 'y', 'z']]]);
    expect(skipped).toMatchObject([{ title: 'B', because: 'other_label' }]);
  });
});

describe('whatever a file holds', () => {
  const piece = fc.constantFrom(
    ...[
      '{',
      '}',
      '"title":',
      '"id":',
      '"a"',
      '[]',
      'null',
      ',',
      ':',
      '{"title":"A"',
      '"depends_on":["#1"]',
      '\\ud800',
    ],
    ...[
      '- [ ] ',
      '- [x] ',
      '  ',
      '\n',
      '\r',
      '> ',
      '1. ',
      '```',
      '<!-- id: ',
      '-->',
      ' ^a',
      '[a](b)',
      '\t',
      '* ',
    ],
    ...[
      'title',
      ';',
      'id',
      "'",
      '"',
      '""',
      '\0',
      '\u202e',
      '=1',
      '#1',
      'depends_on',
      'priority',
      'status',
      '__proto__',
    ],
  );
  const text = fc.oneof(
    fc.array(piece, { maxLength: 30 }).map((parts) => parts.join('')),
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc
      .array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 4 })
      .map((all) => all.map((one) => JSON.stringify(one)).join('\n')),
    fc
      .array(
        fc.dictionary(
          fc.constantFrom(
            'title',
            'id',
            'body',
            'labels',
            'depends_on',
            'status',
            'issue_type',
            'comments',
            'dependencies',
            'schema',
            'priority',
          ),
          fc.jsonValue({ maxDepth: 2 }),
        ),
        { maxLength: 4 },
      )
      .map((all) => all.map((one) => JSON.stringify(one)).join('\n')),
  );

  it.each(['markdown', 'jsonl', 'csv', 'beads', null] as const)(
    'as %s it is read or refused with words',
    async (format) => {
      await fc.assert(
        fc.asyncProperty(text, async (content) => {
          const tried = await readFile({ format, file: 'x', text: content, name: null }, NOTHING);
          if (!tried.ok) {
            expect(tried.exit).toBe(2);
            return;
          }
          const { rows: all, space } = tried.value;
          const sources = all.map(({ ticket }) => ticket.source);
          expect(new Set(sources).size).toBe(sources.length);
          const seen = new Set<string>();
          for (const { ticket, depends_on } of placed(tried.value, space, new Set()).rows) {
            expect(ticket.title).not.toBe('');
            expect(`${ticket.title}${ticket.body}`).not.toMatch(/[\0\u001b\u202e]|\p{Surrogate}/u);
            for (const on of depends_on) expect(seen).toContain(on);
            seen.add(ticket.source);
          }
        }),
        { numRuns: draws(2000) },
      );
    },
    120_000,
  );
});
