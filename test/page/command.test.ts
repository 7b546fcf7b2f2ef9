import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Served } from '../support/mission-control/served.ts';
import { Rig } from '../support/rig.ts';
import { AGENT, LIMITS } from '../support/sandbox.ts';

let rig: Rig;
let file: string;
beforeEach(async () => {
  rig = new Rig();
  file = join(rig.box.dir, 'board.html');
  expect((await rig.box.here(['init'])).code).toBe(0);
});
afterEach(() => rig.box.destroy());

const page = async (...args: string[]) => await rig.box.here(['page', ...args]);
const isPage = (text: string) => /^<!doctype html>.*<\/html>\n$/s.test(text);
const mode = (path: string) => statSync(path).mode & 0o777;
const leftovers = () => readdirSync(rig.box.dir).filter((name) => name.includes('.tmp'));

describe('mc-pickup page', () => {
  it('writes one whole file for its owner alone, says which, and leaves no trace on the board', async () => {
    rig.add('hold');
    const before = readFileSync(join(rig.box.state, 'board.sqlite'));
    const done = await page('--out', file);
    expect(done).toMatchObject({ code: 0, err: '' });
    expect(done.out).toMatch(/board\.html \(\d+ KiB\)\n$/);
    expect(isPage(readFileSync(file, 'utf8'))).toBe(true);
    expect(readFileSync(file, 'utf8')).toContain('Do hold');
    expect(mode(file)).toBe(0o600);
    expect(readFileSync(join(rig.box.state, 'board.sqlite')).equals(before)).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  it('tells scripts the same as JSON', async () => {
    const done = await page('--out', file, '--days', '2', '--json');
    expect(JSON.parse(done.out)).toEqual({ file, bytes: statSync(file).size, days: 2 });
  });

  it('keeps the mode of a page that was there, and writes through a link', async () => {
    await page('--out', file);
    chmodSync(file, 0o644);
    const link = join(rig.box.dir, 'link.html');
    symlinkSync(file, link);
    expect((await page('--out', link)).code).toBe(0);
    expect(mode(file)).toBe(0o644);
    expect(statSync(link).ino).toBe(statSync(file).ino);
  });

  it('goes to stdout, where a pipe can take it', async () => {
    expect(isPage((await page('--out', '-')).out)).toBe(true);
  });

  it.each(['', 'Nonsense/Zone', ':/etc/localtime', 'America/New_York'])(
    'knows a time zone whatever TZ is: %j',
    (TZ) => {
      const done = rig.box.run(['page', '--out', '-'], '', { TZ });
      expect(done).toMatchObject({ code: 0, err: '' });
      expect(done.out).toMatch(
        TZ === 'America/New_York' ? /Times are of America.New_York;/ : /Times are of [A-Z][\w/+-]+;/,
      );
    },
  );

  it('survives times on the board that are none', async () => {
    const id = rig.add('hold');
    rig.box.sql(
      'UPDATE tickets SET not_before_at_ms = 9000000000000000000, updated_at_ms = -9000000000000000 WHERE id = ?',
      id,
    );
    rig.box.sql(
      "INSERT INTO activity (at_ms, ticket_id, kind, because) VALUES (9000000000000000, ?, 'moved', 'done')",
      id,
    );
    rig.box.sql(
      "INSERT INTO runtime_sessions (id, ticket_id, host_id, claimed_at_ms) VALUES ('x', ?, 'h', 9000000000000000)",
      id,
    );
    expect(await page('--out', file)).toMatchObject({ code: 0, err: '' });
    expect(readFileSync(file, 'utf8')).toContain(`<b>${id}</b>`);
  });

  it('shows a board that is on a server', async () => {
    const server = await Served.start();
    const far = new Rig({ server });
    try {
      const id = far.add('hold');
      const done = await far.box.here(['page', '--out', file]);
      expect(done).toMatchObject({ code: 0, err: '' });
      expect(readFileSync(file, 'utf8')).toContain(`<code>${server.url}</code>`);
      expect(readFileSync(file, 'utf8')).toContain(`<b>${id}</b>`);
    } finally {
      await far.box.destroy();
      expect(await server.destroy()).toEqual([]);
    }
  });

  it('works without a ticket and without a configuration', async () => {
    const done = await rig.box.here(['page', '--out', file], '', {
      MC_PICKUP_CONFIG: join(rig.box.dir, 'no'),
    });
    expect(done.code).toBe(0);
    expect(readFileSync(file, 'utf8')).toContain('No tickets yet');
  });

  it.each([
    ['a directory', () => rig.box.dir, /is a directory: name a file in it/],
    [
      'what is no page',
      () => join(rig.box.dir, 'config.toml'),
      /is no page of mc-pickup, and is left as it is/,
    ],
    ['the board', () => join(rig.box.state, 'board.sqlite'), /is no page of mc-pickup/],
    ['a device', () => '/dev/null', /is no regular file: use - for stdout/],
    [
      'a place that is not there',
      () => join(rig.box.dir, 'no', 'x.html'),
      /there is no directory .*: make it first/,
    ],
    ['no name', () => '', /--out must name a file/],
  ])('refuses %s, and leaves it as it was', async (_, where, complaint) => {
    rig.add('hold');
    const path = where();
    const before = path !== '' && existsSync(path) && statSync(path).isFile() ? readFileSync(path) : null;
    const done = await page('--out', path);
    expect(done).toMatchObject({ code: 2, out: '' });
    expect(done.err).toMatch(complaint);
    expect(done.err.trim().split('\n')).toHaveLength(1);
    if (before !== null) expect(readFileSync(path).equals(before)).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  it.each([
    [['--days', '0'], /--days must be from 1 to 90/],
    [['--days', '91'], /--days must be from 1 to 90/],
    [['--days', 'x'], /not a whole number/],
  ])('refuses %j', async (more, complaint) => {
    const done = await page('--out', file, ...more);
    expect(done.code).toBe(2);
    expect(done.err).toMatch(complaint);
  });

  it('has stdout for one thing alone', async () => {
    expect(await page('--out', '-', '--json')).toMatchObject({ code: 2, out: '' });
  });
});

describe('a tick', () => {
  const configure = (lines: string) => rig.configure({ more: `[page]\n${lines}` });
  const age = (minutes: number) => {
    const at = Date.now() / 1000 - minutes * 60;
    utimesSync(file, at, at);
  };

  it('writes the page that is configured, and again only when it is old enough', async () => {
    configure(`file = ${JSON.stringify(file)}\nevery_minutes = 10`);
    await rig.tickHere();
    expect(readFileSync(file, 'utf8')).toContain('A tick writes this page anew every 10 minutes');
    expect(readFileSync(file, 'utf8')).toContain('<strong>Ticks come:</strong>');
    age(9);
    const before = statSync(file).mtimeMs;
    await rig.tickHere();
    expect(statSync(file).mtimeMs).toBe(before);
    age(11);
    await rig.tickHere('reconcile');
    expect(statSync(file).mtimeMs).toBeGreaterThan(before);
    age(-60); // a clock that was set back
    const ahead = statSync(file).mtimeMs;
    await rig.tickHere();
    expect(statSync(file).mtimeMs).toBeLessThan(ahead);
  });

  it('finds it below the home by ~/, and shows what it has just launched', async () => {
    configure('file = "~/board.html"');
    const id = rig.add('hold');
    await rig.tickHere();
    const text = readFileSync(join(rig.box.env.HOME ?? '', 'board.html'), 'utf8');
    expect(text).toContain(`<b>${id}</b>`);
    expect(text).toContain('of 8 slots');
  });

  it('writes none when it is dry or halted', async () => {
    configure(`file = ${JSON.stringify(file)}`);
    await rig.tickHere('dispatch', '--dry-run');
    await rig.box.here(['killswitch', 'on', '--level', 'all', '--reason', 'x']);
    await rig.tickHere();
    expect(existsSync(file)).toBe(false);
  });

  it('says once what goes wrong with the page, not at every tick; doctor has it until it is written', async () => {
    configure(`file = "${rig.box.dir}/none/board.html"`);
    expect((await rig.box.here(['dispatch'])).err).toContain('the page was not written');
    expect(await rig.box.here(['dispatch'])).toMatchObject({ code: 0, err: '' });
    const found = async () =>
      JSON.parse((await rig.box.here(['doctor', '--json'])).out) as { check: string }[];
    expect((await found()).filter(({ check }) => check === 'page')).toHaveLength(1);
    mkdirSync(join(rig.box.dir, 'none'));
    expect(await rig.box.here(['dispatch'])).toMatchObject({ code: 0, err: '' });
    expect((await found()).filter(({ check }) => check === 'page')).toEqual([]);
  });

  it('knows ticks that the killswitch halts from those that have stopped', async () => {
    rig.configure({ limits: `${LIMITS}interval_seconds = 0.01\n` });
    await rig.box.here(['dispatch']);
    await rig.box.here(['killswitch', 'on', '--level', 'all']);
    rig.configure({ limits: `${LIMITS}interval_seconds = 60\n` });
    rig.box.sql(
      'UPDATE ticks SET started_at_ms = started_at_ms - 900000, finished_at_ms = finished_at_ms - 900000',
    );
    await rig.box.here(['dispatch']);
    const page = (await rig.box.here(['page', '--out', '-'])).out;
    expect(page).toContain('Ticks come, and the killswitch halts them');
    expect(page).not.toContain('have stopped');
  });

  it('is as good without it: what goes wrong with the page is a warning', async () => {
    const other = join(rig.box.dir, 'notes.txt');
    writeFileSync(other, 'mine\n');
    utimesSync(other, 1, 1);
    configure(`file = ${JSON.stringify(other)}`);
    const id = rig.add('hold');
    const done = await rig.box.here(['dispatch', '--json']);
    expect(done.code).toBe(0);
    expect(JSON.parse(done.out)).toMatchObject({ outcome: 'ok', counts: { launched: 1 } });
    expect(done.err).toMatch(/^mc-pickup: the page was not written: .*is no page of mc-pickup/);
    expect(rig.ticket(id).status).toBe('in_progress');
    expect(readFileSync(other, 'utf8')).toBe('mine\n');
    mkdirSync(file);
    configure(`file = ${JSON.stringify(file)}`);
    expect(await rig.box.here(['dispatch'])).toMatchObject({ code: 0, out: '' });
  });

  it.each([
    ['file = "board.html"', /page\.file: must be an absolute path or begin with ~\//],
    ['every_minutes = 5', /page\.file: is missing/],
    ['file = "/x"\nevery_minutes = 0', /page\.every_minutes: must be a number above 0/],
    ['file = "/x"\nevry_minutes = 5', /page\.evry_minutes: unknown key \(did you mean "every_minutes"\?\)/],
  ])('complains of a configuration such as %j with its line', async (lines, complaint) => {
    configure(lines);
    const done = await rig.box.here(['dispatch']);
    expect(done.code).toBe(78);
    expect(`${done.err}${done.out}`).toMatch(complaint);
    expect(`${done.err}${done.out}`).toMatch(/config\.toml:\d+:\d+: /);
  });

  it('knows no other form of it', async () => {
    rig.box.configure(
      `page = "/x"\n[project.demo]\nrepo = ${JSON.stringify(rig.box.repo)}\n[agent.a]\nkind = "command"\nargv = [${JSON.stringify(AGENT)}]\n`,
    );
    expect((await rig.box.here(['dispatch'])).code).toBe(78);
  });
});
