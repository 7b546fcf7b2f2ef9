/** `ticket import` and `ticket export` of the real program, on both boards. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS as HTTP } from '../../src/board/http/api.ts';
import { httpBoard } from '../../src/board/http/board.ts';
import { Served } from '../support/mission-control/served.ts';
import { LIMITS, makeSandbox, type Ran, type Sandbox, until } from '../support/sandbox.ts';

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(() => box.destroy());

const file = (name: string, text: string): string => {
  const path = join(box.dir, name);
  writeFileSync(path, text);
  return path;
};
const bring = async (path: string, ...more: string[]): Promise<Ran> =>
  await box.here(['ticket', 'import', path, '--project', 'demo', ...more]);
const table = (): Record<string, unknown>[] =>
  box.sql(
    'SELECT id, title, body, status, priority, labels, author, trusted, depends_on, source FROM tickets ORDER BY seq',
  );
const good = (done: Ran): Ran => {
  expect(done.code, done.err).toBe(0);
  return done;
};

describe('an import', () => {
  it('adds each source once, untrusted, and a second time nothing', async () => {
    const path = file('plan.csv', 'id,title,depends_on,author\n2,Then,1,ann\n1,First,,\n');
    good(await bring(path));
    const all = table();
    expect(all).toMatchObject([
      { title: 'First', trusted: 0, author: expect.stringMatching(/^import:/), source: 'csv:plan.csv:1' },
      { title: 'Then', trusted: 0, author: 'file:ann', depends_on: '["MC-1"]' },
    ]);
    expect(good(await bring(path)).out).toBe('0 added, 2 there already\n');
    expect(table()).toEqual(all);
    file('plan.csv', 'id,title,depends_on,author\n2,Then,1,ann\n3,Last,2,\n1,Changed,,\n');
    expect(good(await bring(path)).out).toContain('1 added, 2 there already');
    expect(table().map(({ title }) => title)).toEqual(['First', 'Then', 'Last']);
  });

  it('knows a task again that looks the same: a Mac writes its letters, and the name of its file, in another form', async () => {
    const as = (form: 'NFC' | 'NFD', text: string) => text.normalize(form);
    const tasks = 'id,title,labels,depends_on\né1,Zürich öffnen,küche,\né2,Café,küche,é1\n';
    good(await bring(file(as('NFD', 'plän.csv'), as('NFD', tasks))));
    // As 0.1 kept it.
    box.sql('UPDATE tickets SET source = ? WHERE id = ?', as('NFD', 'csv:plän.csv:é1'), 'MC-1');
    const again = await bring(
      file(as('NFC', 'plän.csv'), as('NFC', tasks)),
      '--update',
      '--only',
      as('NFC', 'küche'),
    );
    expect(good(again).out).toBe('0 added, 2 there already\n');
    good(await bring(file(as('NFC', 'plän.csv'), as('NFC', 'id,title,depends_on\né3,Then,é1\n'))));
    expect(table()[2]).toMatchObject({ title: 'Then', depends_on: '["MC-1"]' });
    // Told by their titles alone.
    good(await bring(file('a.md', as('NFC', '- [ ] Café\n'))));
    expect(good(await bring(file('a.md', as('NFD', '- [ ] Café\n')))).out).toBe('0 added, 1 there already\n');
    const twice = await bring(file('b.csv', `id,title\n${as('NFC', 'é')},One\n${as('NFD', 'é')},Two\n`));
    expect(twice).toMatchObject({ code: 2, err: expect.stringContaining('has the id of b.csv:2') });
    const words = ['ticket', 'add', '--project', 'demo', '--title', 'x', '--json'];
    const labels = ['NFC', 'NFD'].flatMap((form) => ['--label', 'é'.normalize(form)]);
    expect(JSON.parse(good(await box.here([...words, ...labels])).out)).toMatchObject({
      labels: [as('NFC', 'é')],
    });
  });

  it('is launched by no tick until a person moves a ticket to todo, or a rule trusts its author', async () => {
    box.configure(
      `trusted_authors = ["file:ann", "ann"]\n${LIMITS}\n[project.demo]\nrepo = ${JSON.stringify(box.repo)}\nfetch = false\n[agent.scripted]\nkind = "command"\nargv = [${JSON.stringify(join(import.meta.dirname, '../support/agent.sh'))}]\n`,
    );
    good(await bring(file('a.csv', 'id,title,author\n1,Of nobody,\n2,Of bob,bob\n3,Of ann,ann\n')));
    const skipped = async (): Promise<Record<string, string>> => {
      const report = JSON.parse(good(await box.here(['dispatch', '--dry-run', '--json'])).out) as {
        skipped: { ticket: string; because: string }[];
      };
      return Object.fromEntries(report.skipped.map(({ ticket, because }) => [ticket, because]));
    };
    expect(await skipped()).toMatchObject({ 'MC-1': 'untrusted', 'MC-2': 'untrusted' });
    expect((await skipped())['MC-3']).not.toBe('untrusted');
    good(await box.here(['ticket', 'move', 'MC-1', 'todo']));
    expect((await skipped())['MC-1']).not.toBe('untrusted');
  });

  it('writes nothing in a dry run, and says what it would do', async () => {
    good(await box.here(['init']));
    const path = file('plan.md', '- [ ] A\n- [x] B\n');
    const picture = (): unknown =>
      readdirSync(box.state).map((name) => [name, statSync(join(box.state, name)).mtimeMs]);
    const before = picture();
    const { out } = good(await bring(path, '--dry-run'));
    expect(out).toMatch(/^add {6}- {8}A {10,}plan\.md:1\n1 to add, 1 done \(nothing was written\)\n/);
    expect(JSON.parse(good(await bring(path, '--dry-run', '--json')).out)).toMatchObject({
      dry_run: true,
      added: [{ id: null, title: 'A' }],
    });
    expect(picture()).toEqual(before);
    expect(table()).toEqual([]);
  });

  it('of a file with bad rows names all of them and brings nothing, or the others with --skip-bad', async () => {
    const path = file('t.csv', 'id,title,priority,depends_on\n1,A,9,\n2,,,\n3,C,,1\n4,D,,\n');
    const done = await bring(path);
    expect(done).toMatchObject({ code: 2, out: '' });
    expect(done.err).toContain('t.csv:2: priority 9');
    expect(done.err).toContain('t.csv:3: has no title');
    expect(done.err).toContain('t.csv:4: depends on 1');
    expect(existsSync(box.boardFile) ? table() : []).toEqual([]);
    expect(good(await bring(path, '--skip-bad')).out).toContain('1 added, 3 bad');
    expect(table().map(({ title }) => title)).toEqual(['D']);
  });

  it('changes with --update only what no run has touched and its own author wrote, and trusts it no more', async () => {
    const path = file('t.csv', 'id,title,author\n1,A,\n2,B,\n3,C,\n4,D,ann\n5,E,\n');
    good(await bring(path));
    good(await box.here(['ticket', 'move', 'MC-1', 'todo']));
    box.sql("UPDATE tickets SET claim_epoch = 1 WHERE id = 'MC-2'");
    good(await box.here(['ticket', 'move', 'MC-3', 'in_review']));
    file(
      't.csv',
      'id,title,author,labels,priority,body\n1,A2,,x,1,more\n2,B2,,,,\n3,C2,,,,\n4,D2,bob,,,\n5,E,,,,\n',
    );
    expect(good(await bring(path)).out).toBe('0 added, 5 there already\n');
    const dry = JSON.parse(good(await bring(path, '--update', '--dry-run', '--json')).out) as object;
    expect(dry).toMatchObject({
      updated: [{ id: 'MC-1', changed: ['title', 'body', 'priority', 'labels'] }],
      there: 1,
    });
    expect(table()[0]?.title).toBe('A');
    const { updated, left } = JSON.parse(good(await bring(path, '--update', '--json')).out) as {
      updated: { id: string }[];
      left: { id: string; because: string }[];
    };
    expect(updated.map(({ id }) => id)).toEqual(['MC-1']);
    expect(left.map(({ id, because }) => [id, because])).toEqual([
      ['MC-2', 'touched'],
      ['MC-3', 'touched'],
      ['MC-4', 'other_author'],
    ]);
    expect(table()[0]).toMatchObject({ title: 'A2', body: 'more', priority: 1, labels: '["x"]', trusted: 0 });
    expect(table().map(({ title }) => title)).toEqual(['A2', 'B', 'C', 'D', 'E']);
  });

  it('is trusted by a person alone, and by no agent', async () => {
    const path = file('t.csv', 'id,title,trusted\n1,A,\n2,B,false\n');
    const agent = await box.here(['ticket', 'import', path, '--trust', '--project', 'demo'], '', {
      MC_RUN_ID: 'r',
    });
    expect(agent).toMatchObject({ code: 77 });
    good(await bring(path, '--trust'));
    expect(table().map(({ trusted }) => trusted)).toEqual([1, 0]);
  });

  it('that is killed between two batches is completed by the next one', async () => {
    const rows = Array.from({ length: 1500 }, (_, n) => `${n},T${n},${n === 0 ? '' : n - 1}`);
    const path = file('many.csv', ['id,title,depends_on', ...rows].join('\n'));
    good(await box.here(['init']));
    const running = box.begin(['ticket', 'import', path, '--project', 'demo']);
    const count = (): number => box.sql<{ n: number }>('SELECT count(*) AS n FROM tickets')[0]?.n ?? 0;
    await until(() => count() > 0);
    running.kill();
    await running.done;
    const brought = count();
    expect(brought % 100).toBe(0);
    // What is there is whole: nothing in it waits for what is not.
    expect(
      box.sql(`SELECT t.id FROM tickets AS t, json_each(t.depends_on) AS d
        WHERE NOT EXISTS (SELECT 1 FROM tickets AS x WHERE x.id = d.value)`),
    ).toEqual([]);
    good(await bring(path));
    expect(count()).toBe(1500);
    expect(box.sql('SELECT source FROM tickets GROUP BY source HAVING count(*) > 1')).toEqual([]);
  });

  it('by two at once brings each source once', async () => {
    const rows = Array.from({ length: 300 }, (_, n) => `${n},T${n}`);
    const path = file('many.csv', ['id,title', ...rows].join('\n'));
    good(await box.here(['init']));
    const both = [0, 1].map(() => box.start(['ticket', 'import', path, '--project', 'demo']));
    for (const done of await Promise.all(both)) good(done);
    expect(table()).toHaveLength(300);
  });

  it.each([
    [['no-such-file'], 2, 'ENOENT'],
    [['.'], 2, 'is a directory'],
    [['x.bin', '--from', 'csv'], 2, 'no UTF-8'],
    [['x.md', '--limit', '3'], 2, '--from github'],
    [['--from', 'github'], 2, '--repo OWNER/NAME'],
    [['x.md', '--repo', 'a/b'], 2, 'reads no file'],
    [['--from', 'csv', '--repo', 'a/b'], 2, 'not for csv'],
    [['--repo', 'a/..'], 2, '--repo OWNER/NAME'],
    [['--repo', 'a/b', '--api-url', 'http://example.test'], 2, 'https'],
    [['--repo', 'a/b', '--api-url', 'https://u:p@example.test'], 2, 'without a name'],
    [['x.md', '--label', 'a\u202e'], 2, 'cannot be seen'],
    [['x.md', '--from', 'yaml'], 2, 'Allowed choices'],
  ])('%j is a mistake that is said', async (words, code, says) => {
    file('x.md', '- [ ] A\n');
    writeFileSync(join(box.dir, 'x.bin'), Buffer.from([0xff, 0xfe, 0x41, 0]));
    const path = words.map((one) => (/^x\./.test(one) ? join(box.dir, one) : one));
    const done = await box.here(['ticket', 'import', ...path]);
    expect(done.err).toContain(says);
    expect(done).toMatchObject({ code, out: '' });
  });

  it('asks for a project where none is told, before anything is written', async () => {
    box.configure('');
    const done = await box.here(['ticket', 'import', file('x.md', '- [ ] A\n')]);
    expect(done).toMatchObject({ code: 2 });
    expect(done.err).toContain('--project');
    expect(table()).toEqual([]);
  });

  it('shows what hostile titles say, and does nothing of it', async () => {
    const hostile = '\u001b[2J\u202e#(id) $(id); `id`';
    const done = good(await bring(file('x.jsonl', `${JSON.stringify({ title: hostile, id: 1 })}\n`)));
    expect(done.out).toContain('[2J#(id) $(id); `id`');
    expect(`${done.out}${done.err}`).not.toMatch(/[\u001b\u202e]/);
  });
});

describe('an export', () => {
  const elsewhere = (): NodeJS.ProcessEnv => ({ MC_PICKUP_STATE_DIR: join(box.dir, 'other') });

  it('is known to the board that it comes from, whatever was imported there', async () => {
    good(await bring(file('t.csv', 'id,title\n1,A\n')));
    good(await box.here(['ticket', 'add', '--title', 'B', '--project', 'demo', '--depends-on', 'MC-1']));
    const path = join(box.dir, 'all.jsonl');
    expect(good(await box.here(['ticket', 'export', path])).out).toContain('(2 tickets)');
    expect(good(await bring(path)).out).toBe('0 added, 2 there already\n');
    const more = `{"title":"C","id":"c","depends_on":["${(JSON.parse(readFileSync(path, 'utf8').split('\n')[1] ?? '') as { source: string }).source}"]}\n`;
    good(await bring(file('more.jsonl', more)));
    expect(table()[2]?.depends_on).toBe('["MC-2"]');
  });

  it('carries comments, and says what it leaves out of a part of the board', async () => {
    for (const title of ['A', 'B', 'C'])
      good(await box.here(['ticket', 'add', '--title', title, '--project', 'demo']));
    good(await box.here(['ticket', 'edit', 'MC-3', '--depends-on', 'MC-1', '--depends-on', 'MC-2']));
    good(await box.here(['ticket', 'move', 'MC-1', 'done']));
    good(await box.here(['ticket', 'move', 'MC-2', 'blocked']));
    good(await box.here(['ticket', 'comment', 'MC-3', 'Mind the cat.']));
    const part = good(await box.here(['ticket', 'export', '--status', 'todo']));
    expect(part.err).toContain('1 tickets that are done');
    const path = file('part.jsonl', part.out);
    const lost = await box.here(['ticket', 'import', path], '', elsewhere());
    expect(lost).toMatchObject({ code: 2 });
    expect(lost.err).toMatch(/depends on mc-pickup:\w+:MC-2/);
    const whole = file('all.jsonl', good(await box.here(['ticket', 'export'])).out);
    good(await box.here(['ticket', 'import', whole], '', elsewhere()));
    const show = JSON.parse(
      good(await box.here(['ticket', 'show', 'MC-3', '--json'], '', elsewhere())).out,
    ) as {
      depends_on: string[];
      activity: { kind: string; actor: string; text: string }[];
    };
    expect(show.depends_on).toEqual(['MC-1', 'MC-2']);
    expect(show.activity).toContainEqual(expect.objectContaining({ kind: 'comment', text: 'Mind the cat.' }));
  });

  it('takes the place of an export alone, and never of another file', async () => {
    good(await box.here(['ticket', 'add', '--title', 'A', '--project', 'demo']));
    const other = file('notes.txt', 'mine\n');
    expect(await box.here(['ticket', 'export', other])).toMatchObject({ code: 2 });
    expect(readFileSync(other, 'utf8')).toBe('mine\n');
    for (const format of ['jsonl', 'csv', 'markdown']) {
      const path = join(box.dir, `all.${format}`);
      for (let n = 0; n < 2; n++) good(await box.here(['ticket', 'export', path, '--format', format]));
      expect(statSync(path).mode & 0o777).toBe(0o600);
    }
    expect(await box.here(['ticket', 'export', '--format', 'csv', '--json'])).toMatchObject({
      code: 2,
      out: '',
    });
    expect(await box.here(['ticket', 'export', '--format', 'csv', '--quiet'])).toMatchObject({
      code: 2,
      out: '',
    });
  });

  it('as Markdown is a task list that can be read again', async () => {
    good(
      await box.here(['ticket', 'add', '--title', 'A <!-- b', '--body', 'one\n\ntwo', '--project', 'demo']),
    );
    good(await box.here(['ticket', 'add', '--title', 'Done', '--project', 'demo']));
    good(await box.here(['ticket', 'move', 'MC-2', 'done']));
    const path = file('plan.md', good(await box.here(['ticket', 'export', '--format', 'markdown'])).out);
    good(await box.here(['ticket', 'import', path, '--project', 'demo'], '', elsewhere()));
    const all = JSON.parse(
      good(await box.here(['ticket', 'list', '--json'], '', elsewhere())).out,
    ) as object[];
    expect(all).toMatchObject([{ body: 'one\n\ntwo', source: 'md:plan.md:MC-1' }]);
  });
});

describe('over HTTP', () => {
  const on = (url: string, token: string): void => {
    box.configure(
      `[board]\nkind = "mission-control"\nurl = ${JSON.stringify(url)}\ntoken_env = "MC_TOKEN"\n`,
    );
    box.env.MC_TOKEN = token;
  };

  it('an import and an export are the same', async () => {
    const server = await Served.start();
    try {
      on(server.url, server.token);
      const path = file('t.csv', 'id,title,depends_on\n2,Then,1\n1,First,\n');
      good(await bring(path));
      expect(good(await bring(path)).out).toBe('0 added, 2 there already\n');
      good(await box.here(['ticket', 'add', '--title', 'Here', '--project', 'demo']));
      const all = file('all.jsonl', good(await box.here(['ticket', 'export'])).out);
      expect(good(await bring(all)).out).toBe('0 added, 3 there already\n');
    } finally {
      expect(await server.destroy()).toEqual([]);
    }
  });

  it('a server of an earlier contract is told from one that can', async () => {
    const old = createServer((_, response) => {
      response.writeHead(404, { 'content-type': 'application/problem+json' });
      response.end('{"type":"missing","title":"missing","status":404,"detail":"no such operation"}');
    });
    await new Promise<void>((up) => old.listen(0, '127.0.0.1', up));
    const url = `http://127.0.0.1:${(old.address() as AddressInfo).port}/v1`;
    const board = httpBoard({ url, token: 't', limits: HTTP });
    await expect(board.bySource(['a'])).rejects.toMatchObject({
      exit: 78,
      message: expect.stringContaining('1.3.0'),
    });
    old.closeAllConnections();
    await new Promise((down) => old.close(down));
  });
});
