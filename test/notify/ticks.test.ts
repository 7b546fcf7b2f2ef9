/** What real ticks tell: real agents on a real board, real receivers, real programs. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Message } from '../../src/notify/event.ts';
import { genuine, Receiver } from '../support/receiver.ts';
import { Rig, state } from '../support/rig.ts';
import { LIMITS, type Ran } from '../support/sandbox.ts';
import { waitFor } from '../support/wait.ts';

/** So short that a back-off is over at once, and no gap is one. */
const QUICK = `${LIMITS}interval_seconds = 0.05\n`;
const ALL =
  'on = ["needs_input", "parked", "blocked", "in_review", "done", "retry", "not_ready", "killswitch", "ticks_stopped"]';
const SECRET = 'a-long-secret';
/** As long as a tick ever waits for a channel; what must be waited for in vain is given less. */
const LONGEST_S = 15;

let rig: Rig;
let receiver: Receiver;
beforeEach(async () => {
  rig = new Rig();
  receiver = await Receiver.start();
  writeFileSync(join(rig.box.dir, 'secret'), `${SECRET}\n`, { mode: 0o600 });
});
afterEach(async () => {
  await receiver.close();
  await rig.box.destroy();
});

const hook = (on = ALL, path = '/hook', limits = LIMITS, seconds = LONGEST_S): void =>
  rig.configure({
    limits,
    more: `[[notify]]\n${on}\nwebhook = { url = "${receiver.url}${path}", secret_file = "secret", timeout_seconds = ${seconds} }\n`,
  });

/** A program that keeps what it reads, and does more. */
function program(name: string, more = ''): string {
  const file = join(rig.box.dir, name);
  writeFileSync(file, `#!/bin/sh\ncat >>"${file}.got"\n${more}\n`);
  chmodSync(file, 0o755);
  return file;
}
const gotBy = (file: string): Message[] =>
  existsSync(`${file}.got`)
    ? readFileSync(`${file}.got`, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Message)
    : [];

/** A tick that leaves this process free to answer. */
const tick = (...args: string[]): Promise<Ran> => rig.box.start(['dispatch', ...args]);
const kinds = (messages: readonly Message[]): string[] =>
  messages.flatMap(({ events }) => events.map(({ kind, ticket }) => `${ticket ?? '-'} ${kind}`));

/** A ticket whose agent has said this once its tick was over: that one does not tell it any more. */
async function onceSaid(behave: 'ask' | 'blocked', title = `Do ${behave}`): Promise<string> {
  const id = rig.add(`${behave}, when told`, `--title=${title}`);
  expect(await tick()).toMatchObject({ code: 0, err: '' });
  rig.box.signal(`${id}.told`);
  await rig.settle(id, behave === 'ask' ? 'needs_input' : 'blocked');
  return id;
}

describe('by a webhook', () => {
  it('what was asked between two ticks is told by the next one, once, and signed', async () => {
    hook();
    const id = await onceSaid('ask');
    expect(receiver.got).toEqual([]);
    for (let n = 0; n < 3; n++) expect(await tick()).toMatchObject({ code: 0, err: '' });
    expect(receiver.got).toHaveLength(1);
    const [got] = receiver.got;
    const [message] = receiver.messages;
    expect(got && genuine(got, SECRET)).toBe(true);
    expect(got && genuine(got, 'another')).toBe(false);
    expect(got && genuine({ ...got, body: `${got.body} ` }, SECRET)).toBe(false);
    expect(got?.headers['x-mc-event-id']).toBe(message?.id);
    expect(message).toMatchObject({
      schema: 'mc-pickup.notification/1',
      title: `mc-pickup: ${id} needs input`,
      text: `${id} (Do ask) asks: Which colour shall the button have?`,
      more: 0,
      dropped: 0,
      events: [{ kind: 'needs_input', ticket: id, project: 'demo', title: 'Do ask' }],
    });
  });

  it('what an agent reports and what becomes of a failure are told, and what a person does is not', async () => {
    hook();
    const [blocks, reviews, dies, mine] = [
      rig.add('blocked'),
      rig.add('review'),
      rig.add('die'),
      rig.add('hold'),
    ];
    await tick();
    await rig.settle(blocks, 'blocked');
    await rig.settle(reviews, 'in_review');
    await rig.holding(mine);
    await rig.box.here(['ticket', 'move', mine, 'blocked', '--why', 'mine']);
    await waitFor(async () => {
      expect((await tick()).code).toBe(0);
      return rig.ticket(dies).status === 'blocked';
    });
    await tick();
    const told = kinds(receiver.messages);
    expect(told).toEqual(
      expect.arrayContaining([
        `${blocks} blocked`,
        `${reviews} in_review`,
        `${dies} retry`,
        `${dies} blocked`,
      ]),
    );
    expect(told.filter((one) => !one.endsWith('retry'))).toHaveLength(3);
    expect(told.join()).not.toContain(mine);
  });

  it('a question that was answered before anybody could be told is not told', async () => {
    hook();
    const id = await onceSaid('ask');
    expect((await rig.box.here(['answer', id, 'Blue.'])).code).toBe(0);
    await rig.settle(id, 'in_review');
    await tick();
    expect(kinds(receiver.messages)).toEqual([`${id} in_review`]);
  });

  it('a receiver that is down for three ticks hears of each thing once when it is up again', async () => {
    hook('on = ["blocked"]', '/hook', QUICK);
    const first = await onceSaid('blocked');
    receiver.manner = 503;
    const said = [(await tick()).err];
    const second = rig.add('blocked');
    await waitFor(async () => {
      said.push((await tick()).err);
      return rig.ticket(second).status === 'blocked' && receiver.got.length >= 3;
    });
    // One line for the beginning of the trouble, and no more, and nothing of the path.
    expect(said[0]).toMatch(
      /^mc-pickup: the notification by webhook http:\/\/127\.0\.0\.1:\d+ failed: it answered 503/,
    );
    expect(said.slice(1).join('')).toBe('');
    expect(said.join('')).not.toContain('/hook');
    const ids = new Set(receiver.got.map(({ headers }) => headers['x-mc-event-id']));
    expect(ids.size).toBe(1);
    const doctor = await rig.box.here(['doctor']);
    expect(doctor.out).toContain('it answered 503');
    receiver.got.length = 0;
    receiver.manner = 204;
    const back = await waitFor(async () => {
      const done = await tick();
      return kinds(receiver.messages).length >= 2 && done.err;
    });
    expect(back).toContain('get through again');
    for (let n = 0; n < 3; n++) expect((await tick()).err).toBe('');
    expect(kinds(receiver.messages)).toEqual([`${first} blocked`, `${second} blocked`]);
    expect(receiver.got[0]?.headers['x-mc-event-id']).toBe([...ids][0]);
  });

  it.each([
    ['does not answer', 'hang', 'no answer in time'],
    ['cuts the connection', 'cut', 'could not be reached'],
    ['sends it somewhere else', { to: 'http://127.0.0.1:9/else' }, 'redirects'],
    ['refuses it', 403, 'it answered 403'],
  ] as const)('a receiver that %s hurts no tick', async (_, manner, words) => {
    hook(ALL, '/hook', LIMITS, manner === 'hang' ? 2 : LONGEST_S);
    await onceSaid('blocked');
    receiver.manner = manner;
    const done = await tick('--json');
    expect(done.code).toBe(0);
    expect(JSON.parse(done.out)).toMatchObject({ outcome: 'ok' });
    expect(done.err).toContain(words);
    expect(done.err.trim().split('\n')).toHaveLength(1);
  });

  it('a secret that others may read signs nothing', async () => {
    hook();
    chmodSync(join(rig.box.dir, 'secret'), 0o644);
    await onceSaid('blocked');
    expect((await tick()).err).toContain('may be read by others: chmod 600');
    expect(receiver.got).toEqual([]);
  });

  it('a flood of two hundred is one message with the first ten, and the number of the others', async () => {
    hook();
    await tick();
    const now = Date.now();
    rig.box.sql(
      `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 200)
       INSERT INTO tickets (title, project, status, reason)
       SELECT 'Flood ' || value, 'demo', 'blocked', 'agent_dead' FROM n`,
    );
    rig.box.sql(
      `INSERT INTO activity (at_ms, ticket_id, actor, kind, because, text)
       SELECT ?, id, 'tick:t-1', 'retry', 'agent_dead', 'it died' FROM tickets`,
      now,
    );
    await tick();
    await tick();
    expect(receiver.got).toHaveLength(1);
    const [message] = receiver.messages;
    expect(message?.events).toHaveLength(10);
    expect(message).toMatchObject({ more: 190, title: 'mc-pickup: 200 things happened' });
    expect(message?.text).toContain('and 190 more');
    expect(receiver.got[0]?.body.length).toBeLessThan(20_000);
  });

  it('a board that was restored to an older state makes nothing be told twice, and the new told', async () => {
    hook();
    const first = rig.add('blocked');
    await tick();
    expect((await rig.box.start(['killswitch', 'on'])).code).toBe(0); // for the restore; told as well
    await rig.settle(first, 'blocked');
    const { file } = JSON.parse((await rig.box.here(['backup', '--json'])).out) as { file: string };
    await tick();
    rig.box.sql(
      `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 80)
       INSERT INTO activity (at_ms, kind, actor) SELECT ?, 'comment', 'ann' FROM n`,
      Date.now(),
    );
    await tick();
    expect(kinds(receiver.messages).filter((one) => one.endsWith('blocked'))).toEqual([`${first} blocked`]);
    expect((await rig.box.here(['restore', file])).code).toBe(0);
    await rig.box.start(['killswitch', 'off']);
    receiver.got.length = 0;
    const second = rig.add('blocked');
    await tick();
    await rig.settle(second, 'blocked');
    await tick();
    await tick();
    const told = kinds(receiver.messages).filter((one) => !one.includes('killswitch'));
    expect(told).toEqual([`${second} blocked`]);
  });

  it('two hosts on one board give the same event the same id', async () => {
    hook();
    const other = join(rig.box.dir, 'other');
    mkdirSync(other, { mode: 0o700 });
    const there = { MC_PICKUP_STATE_DIR: other };
    const id = rig.add('hold');
    await tick();
    await rig.holding(id);
    // The second host looks at the same file from a state dir of its own.
    rig.box.sql('PRAGMA wal_checkpoint(TRUNCATE)');
    const { linkSync } = await import('node:fs');
    for (const name of ['board.sqlite', 'board.sqlite-wal', 'board.sqlite-shm'])
      if (existsSync(join(rig.box.state, name)) && !existsSync(join(other, name)))
        linkSync(join(rig.box.state, name), join(other, name));
    expect(existsSync(join(rig.box.state, 'host-id'))).toBe(true);
    await rig.box.start(['dispatch', '--max', '0'], there);
    const env = { MC_RUN_ID: rig.run(id).mark };
    expect((await rig.box.start(['report', 'blocked', '--message', 'No key.'], env)).code).toBe(0);
    await tick();
    await rig.box.start(['dispatch', '--max', '0'], there);
    const told = receiver.messages.map(({ events }) => events.map((one) => one.id));
    expect(told).toHaveLength(2);
    expect(told[0]).toEqual(told[1]);
    expect(new Set(receiver.messages.map(({ host }) => host.id)).size).toBe(2);
  });
});

describe('by a command', () => {
  const configured = (file: string, more = '', limits = LIMITS, seconds = LONGEST_S): void =>
    rig.configure({
      limits,
      more: `[[notify]]\n${ALL}\ncommand = { argv = ["${file}", "fixed"], timeout_seconds = ${seconds} }\n${more}`,
    });
  it('the words of a ticket reach it by its standard input alone', async () => {
    const file = program('tell', `tr '\\0' '\\n' </proc/$$/cmdline >"$0.argv"; env >"$0.env"`);
    configured(file);
    const title = `x"; touch ${rig.box.dir}/pwned; \u001b[201~ <!channel> @here $(id)`;
    await onceSaid('blocked', title);
    expect(await tick()).toMatchObject({ code: 0, err: '' });
    const [message] = gotBy(file);
    expect(message?.events[0]?.title).toContain('touch');
    expect(JSON.stringify(message)).not.toContain('\\u001b');
    // Nothing that a chat would take for a call or a link.
    expect(message?.text).not.toMatch(/[<>@]/);
    expect(readFileSync(`${file}.argv`, 'utf8')).toBe(`/bin/sh\n${file}\nfixed\n`);
    expect(readFileSync(`${file}.env`, 'utf8')).not.toContain('touch');
    expect(existsSync(join(rig.box.dir, 'pwned'))).toBe(false);
  });

  it('one that hangs is killed with all that it started, and another channel does not wait for it', async () => {
    const slow = program('slow', `sleep 300 & echo $! >"$0.child"; echo $$ >"$0.self"; wait`);
    const quick = program('quick');
    const beside = `[[notify]]\n${ALL}\ncommand = { argv = ["${quick}"], timeout_seconds = ${LONGEST_S} }\n`;
    configured(slow, beside, LIMITS, 3);
    const id = await onceSaid('blocked');
    const running = rig.box.begin(['dispatch']);
    await waitFor(() => gotBy(quick).length === 1 && existsSync(`${slow}.self`));
    const done = await running.done;
    expect(done.code).toBe(0);
    expect(done.err).toContain('it did not end in time, and was killed');
    expect(kinds(gotBy(quick))).toEqual([`${id} blocked`]);
    for (const name of ['child', 'self']) {
      const pid = Number(readFileSync(`${slow}.${name}`, 'utf8'));
      await waitFor(() => state(pid) === null || state(pid) === 'Z');
    }
  });

  it('two ticks that end at once tell each thing once', async () => {
    const file = program('tell', 'sleep 0.5');
    configured(file);
    const id = await onceSaid('blocked');
    const first = rig.box.begin(['dispatch']);
    await waitFor(() => gotBy(file).length === 1); // it is telling, and its tick is over
    expect(await tick()).toMatchObject({ code: 0, err: '' });
    expect(await first.done).toMatchObject({ code: 0, err: '' });
    await tick();
    expect(kinds(gotBy(file))).toEqual([`${id} blocked`]);
  });

  it('an agent that ends its turn without a report is told by what the tick makes of it', async () => {
    const file = program('tell');
    configured(file);
    const id = rig.add('hold');
    await tick();
    await rig.holding(id);
    const live = rig.run(id);
    rig.box.sql(
      `INSERT INTO activity (at_ms, ticket_id, run_id, actor, kind, because, text)
       VALUES (?, ?, ?, 'tick:t-1', 'moved', 'idle_without_report', 'in_review')`,
      ...[Date.now(), id, live.id],
    );
    rig.box.sql("UPDATE tickets SET status = 'in_review' WHERE id = ?", id);
    await tick();
    expect(kinds(gotBy(file))).toEqual([`${id} in_review`]);
    expect(gotBy(file)[0]?.text).toBe(`${id} (Do hold) is ready for review`);
  });

  it('one that fails says why, and one that is not there is said', async () => {
    const file = program('tell', 'echo "no such room" >&2; exit 9');
    configured(file, `[[notify]]\n${ALL}\ncommand = { argv = ["/nowhere/tell"] }\n`);
    await onceSaid('blocked');
    const done = await tick();
    expect(done.code).toBe(0);
    expect(done.err).toContain('failed: exit 9: no such room');
    expect(done.err).toContain('/nowhere/tell is not there');
  });

  it('one that reads nothing and leaves a child behind has done its work', async () => {
    const file = join(rig.box.dir, 'deaf');
    writeFileSync(file, `#!/bin/sh\nsleep 30 &\necho $! >"$0.child"\nexit 0\n`, { mode: 0o755 });
    configured(file);
    await onceSaid('blocked');
    expect(await tick()).toMatchObject({ code: 0, err: '' });
    process.kill(Number(readFileSync(`${file}.child`, 'utf8')), 'SIGKILL');
  });

  it('a tick that is killed between sending and noting it sends the same message once more, with the same id', async () => {
    const file = program('tell', `[ -e "$0.once" ] || { : >"$0.once"; kill -9 $PPID; }`);
    configured(file);
    await onceSaid('blocked');
    expect((await tick()).code).toBe(null);
    expect(gotBy(file)).toHaveLength(1);
    for (let n = 0; n < 3; n++) expect(await tick()).toMatchObject({ code: 0, err: '' });
    const [first, second, ...others] = gotBy(file);
    expect(others).toEqual([]);
    expect(second).toEqual(first);
  });

  it('a project or a label keeps to its own, and what belongs to no ticket goes to all', async () => {
    const [mine, theirs, urgent] = [program('mine'), program('theirs'), program('urgent')];
    rig.configure({
      more: `[project.other]\nrepo = "${rig.box.repo}"\n
[[notify]]\nproject = "demo"\ncommand = { argv = ["${mine}"] }
[[notify]]\nproject = "other"\ncommand = { argv = ["${theirs}"] }
[[notify]]\nlabel = "urgent"\ncommand = { argv = ["${urgent}"] }\n`,
    });
    const plain = await onceSaid('blocked');
    const hot = rig.add('blocked', '--label', 'urgent');
    await tick();
    await rig.settle(hot, 'blocked');
    await tick();
    await rig.box.here(['killswitch', 'on', '--reason', 'release']);
    expect(kinds(gotBy(mine))).toEqual([`${plain} blocked`, `${hot} blocked`, '- killswitch']);
    expect(kinds(gotBy(theirs))).toEqual(['- killswitch']);
    expect(kinds(gotBy(urgent))).toEqual([`${hot} blocked`, '- killswitch']);
  });

  it('a record that nothing can be made of begins anew, is said once, and floods nobody', async () => {
    const file = program('tell');
    configured(file);
    await onceSaid('blocked');
    const notified = join(rig.box.state, 'notified.json');
    expect(statSync(notified).mode & 0o777).toBe(0o600);
    writeFileSync(notified, '{"half');
    expect((await tick()).err).toContain('cannot be understood: notifications begin anew');
    expect(await tick()).toMatchObject({ code: 0, err: '' });
    expect(gotBy(file)).toEqual([]);
  });

  it('where nothing can be noted nothing is sent, and the tick is as it was', async () => {
    const file = program('tell');
    configured(file);
    await onceSaid('blocked');
    // The tick that has launched it may have seen its report already.
    const before = gotBy(file);
    const notified = join(rig.box.state, 'notified.json');
    rmSync(notified);
    mkdirSync(join(notified, 'full'), { recursive: true });
    const done = await tick();
    expect(done.code).toBe(0);
    expect(done.err).toContain('nobody could be notified');
    expect(gotBy(file)).toEqual(before);
  });
});

describe('of the killswitch', () => {
  it('a trip, a switch by hand and its end are told, each once', async () => {
    hook();
    const file = join(rig.box.state, 'killswitch.json');
    await tick();
    const ids = ['die', 'die', 'die'].map((word) => rig.add(word));
    await waitFor(async () => {
      await tick();
      return existsSync(file);
    });
    await tick();
    const trips = receiver.messages
      .flatMap(({ events }) => events)
      .filter(({ kind }) => kind === 'killswitch');
    expect(trips.map(({ because }) => because)).toEqual(['tripped']);
    expect(trips[0]?.text).toContain('tripped by itself');
    expect(ids).toHaveLength(3);
    receiver.got.length = 0;
    await rig.box.start(['killswitch', 'off']);
    await rig.box.start(['killswitch', 'on', '--level', 'all', '--reason', 'release day']);
    expect(await tick()).toMatchObject({ code: 0, err: '' });
    await rig.box.start(['killswitch', 'off']);
    const told = receiver.messages.flatMap(({ events }) => events);
    expect(told.map(({ because }) => because)).toEqual(['switched_off', 'switched_on', 'switched_off']);
    expect(told[1]?.text).toMatch(/^killswitch switched on by \S+, for everything: no ticks: release day$/);
  });

  it('one that somebody wrote into the file, and one that expired, are found by the next tick', async () => {
    hook();
    await tick();
    const one = { level: 'dispatch', scope: 'project:demo', reason: 'by hand', author: 'ann', at_ms: 1 };
    const file = join(rig.box.state, 'killswitch.json');
    writeFileSync(file, JSON.stringify({ switches: [{ ...one, expires_at_ms: Date.now() + 60_000 }] }));
    await tick();
    writeFileSync(file, JSON.stringify({ switches: [{ ...one, expires_at_ms: Date.now() - 1 }] }));
    const notified = join(rig.box.state, 'notified.json');
    // As if the minute had passed.
    writeFileSync(
      notified,
      readFileSync(notified, 'utf8').replace(/"expires_at_ms":\d+/, '"expires_at_ms":5'),
    );
    await tick();
    const told = receiver.messages.flatMap(({ events }) => events);
    expect(told.map(({ because, project }) => [because, project])).toEqual([
      ['switched_on', 'demo'],
      ['expired', 'demo'],
    ]);
  });

  it('a damaged board is told, though nothing can be read from it', async () => {
    hook();
    await tick();
    const board = join(rig.box.state, 'board.sqlite');
    const whole = readFileSync(board);
    writeFileSync(board, Buffer.alloc(8192, 'x'));
    for (const name of ['-wal', '-shm']) rmSync(join(rig.box.state, `board.sqlite${name}`), { force: true });
    expect((await tick()).code).not.toBe(0);
    writeFileSync(board, whole);
    const told = receiver.messages.flatMap(({ events }) => events);
    expect(told.map(({ kind, because }) => [kind, because])).toEqual([['killswitch', 'tripped']]);
  });
});

describe('of ticks that stopped', () => {
  it('the tick that comes at last tells of the gap, and a halt is none', async () => {
    hook(ALL, '/hook', QUICK);
    await tick();
    const notified = join(rig.box.state, 'notified.json');
    const back = (ms: number): void => {
      const record = JSON.parse(readFileSync(notified, 'utf8')) as {
        tick: { finished_at_ms: number; mono_ms: number };
      };
      record.tick.finished_at_ms -= ms;
      record.tick.mono_ms -= ms;
      writeFileSync(notified, JSON.stringify(record));
    };
    rig.configure({
      limits: `${LIMITS}interval_seconds = 60\n`,
      more: `[[notify]]\nwebhook = { url = "${receiver.url}" }\n`,
    });
    await tick(); // the channel is another one now
    expect(receiver.got).toEqual([]);
    back(600_000);
    await tick();
    await tick();
    const [told, ...others] = receiver.messages.flatMap(({ events }) => events);
    expect(others).toEqual([]);
    expect(told).toMatchObject({ kind: 'ticks_stopped', because: 'came_back' });
    expect(told?.text).toMatch(/^ticks come again: there was none for 10m, from \S+Z to \S+Z$/);
    expect(receiver.got[0]?.headers['x-mc-signature']).toBeUndefined();
  });

  it('a second scheduler that looks tells it once for each time', async () => {
    const file = program('tell');
    rig.configure({ more: `[[notify]]\ncommand = { argv = ["${file}"] }\n` });
    await tick();
    expect((await rig.box.here(['status', '--check', '--notify'])).code).toBe(0);
    rig.box.sql('UPDATE ticks SET finished_at_ms = finished_at_ms - 3600000');
    for (let n = 0; n < 3; n++) expect((await rig.box.here(['status', '--check', '--notify'])).code).toBe(69);
    const told = gotBy(file).flatMap(({ events }) => events);
    expect(told).toMatchObject([{ kind: 'ticks_stopped', because: 'stopped' }]);
  });
});

describe('on the desktop', () => {
  it('notify-send gets the words behind "--", without marks', async () => {
    const bin = join(rig.box.dir, 'bin');
    mkdirSync(bin);
    writeFileSync(
      join(bin, 'notify-send'),
      `#!/bin/sh\nfor word; do printf '%s\\0' "$word"; done >>"${bin}/argv"\n`,
      { mode: 0o755 },
    );
    rig.configure({ more: '[[notify]]\ndesktop = true\n' });
    const title = '--icon=/etc/passwd <b>&amp; "q"';
    const id = await onceSaid('blocked', title);
    const PATH = `${bin}:${rig.box.env.PATH}`;
    expect(await rig.box.start(['dispatch'], { PATH })).toMatchObject({ code: 0, err: '' });
    const argv = readFileSync(join(bin, 'argv'), 'utf8').split('\0').slice(0, -1);
    expect(argv).toEqual([
      '--app-name=mc-pickup',
      '--',
      `mc-pickup: ${id} blocked`,
      `${id} (--icon=/etc/passwd ‹b›&amp;amp; "q") is blocked: The API key is missing.`,
    ]);
  });
});

describe('notify test', () => {
  it('sends one message through each channel, and says what came of it', async () => {
    const file = program('tell');
    const none = await rig.box.here(['notify', 'test']);
    expect(none).toMatchObject({ code: 78 });
    expect(none.err).toContain('has no [[notify]]');
    rig.configure({
      more: `[[notify]]\ncommand = { argv = ["${file}"] }
[[notify]]\non = ["done"]\nwebhook = { url = "${receiver.url}/a-secret-path", secret_env = "HOOK" }\n`,
    });
    const good = await rig.box.start(['notify', 'test'], { HOOK: SECRET });
    expect(good).toMatchObject({ code: 0, err: '' });
    expect(good.out.split('\n')[1]).toBe(`ok    webhook ${receiver.url}  hears of done`);
    expect(receiver.got[0] && genuine(receiver.got[0], SECRET)).toBe(true);
    expect(kinds(gotBy(file))).toEqual(['- test']);
    const bad = await rig.box.start(['notify', 'test']);
    expect(bad.code).toBe(3);
    expect(bad.out).toContain(`FAIL  webhook ${receiver.url}  the environment has no HOOK`);
    expect(bad.out).not.toContain('a-secret-path');
  });
});
