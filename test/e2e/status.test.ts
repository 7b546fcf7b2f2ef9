import { spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { width } from '../../src/report/table.ts';
import { HOLDING_HOOK, Rig } from '../support/rig.ts';
import { BIN, until } from '../support/sandbox.ts';
import { Terminal } from '../support/terminal.ts';

let rig: Rig;
let terminal: Terminal | undefined;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  terminal?.close();
  terminal = undefined;
  await rig.box.destroy();
});

const STATUS = `${process.execPath} ${BIN} status`;

async function busyBoard(): Promise<void> {
  rig.configure({ limits: '[limits]\nmax_agents = 3\nretry_base_seconds = 600\n' });
  const [held] = await rig.held(1);
  const asks = rig.add('ask');
  const dies = rig.add(
    'die',
    '--title',
    'Behebe 日本語のタイトル 🎉 mit einem sehr langen Titel, der nie auf eine Zeile passt',
  );
  await rig.tickHere();
  await rig.settle(asks, 'needs_input');
  await rig.gone(rig.run(dies).pid);
  // The agent asks before its turn ends, and only a tick sees that it has.
  const idle = async () => {
    await rig.tickHere();
    return /alive +idle/.test((await rig.box.here(['status'])).out);
  };
  expect(await until(idle)).toBe(true);
  rig.add('hold', '--depends-on', held ?? '');
}

describe('status', () => {
  it('tells all seven statuses, the slots, who asks, what is tried again and when, in 80 columns', async () => {
    await busyBoard();
    const { out, err, code } = await rig.box.here(['status'], '', { COLUMNS: '80' });
    expect({ err, code }).toEqual({ err: '', code: 0 });
    for (const line of out.split('\n')) expect(width(line), line).toBeLessThanOrEqual(80);
    expect(out.replace(/\n +/g, '  ')).toMatch(
      /^tickets +todo 2 +needs_input 1 +in_progress 1 +in_review 0 +done 0 +cancelled 0 +blocked 0\n/,
    );
    expect(out).toMatch(/^slots +1 of 3 /m);
    expect(out).toMatch(/^last tick +(now|\d+s ago), ok$/m);
    expect(out).toMatch(
      /MC-2 +! alive +idle, needs_input .*\n +asks: Which colour shall the button have\?\n +mc\/MC-2/,
    );
    expect(out).toMatch(/MC-1 +> alive /);
    expect(out).toMatch(/^ +MC-3 +in \d+m +at \d\d:\d\d:\d\dZ +attempt 2 +Behebe 日本語/m);
    expect(out).toMatch(/^ +MC-3: the agent ended without a report/m);
    // What waits for a person stands first.
    expect(out.indexOf('MC-2')).toBeLessThan(out.indexOf('MC-1 '));
  });

  it('calls an agent that is gone after its report ended, and one that is gone without a report dead', async () => {
    const [reports, dies] = [rig.add('review'), rig.add('die')];
    await rig.tickHere();
    await rig.settle(reports, 'in_review');
    for (const id of [reports, dies]) await rig.gone(rig.run(id).pid);
    const { out } = await rig.box.here(['status']);
    expect(out).toMatch(/MC-1 +- ended +in_review /);
    expect(out).toMatch(/MC-2 +x dead /);
    expect(out.indexOf('MC-2')).toBeLessThan(out.indexOf('MC-1'));
  });

  it('cuts nothing on a pipe, and says the same in JSON', async () => {
    await busyBoard();
    const { out } = await rig.box.here(['status']);
    expect(out).not.toContain('…');
    expect(out).toContain('der nie auf eine Zeile passt');
    expect(out).toContain(join(rig.box.state, 'worktrees', 'demo', 'MC-1'));
    expect(JSON.parse((await rig.box.here(['status', '--json'])).out)).toMatchObject({
      counts: { todo: 2, needs_input: 1, in_progress: 1, in_review: 0, done: 0, cancelled: 0, blocked: 0 },
      live: expect.arrayContaining([
        expect.objectContaining({
          ticket: 'MC-2',
          verdict: 'alive',
          question: 'Which colour shall the button have?',
        }),
      ]),
      waiting: [{ id: 'MC-2', question: 'Which colour shall the button have?' }],
      slots: {
        used: 1,
        max: 3,
        projects: { demo: { used: 1, max: null } },
        agents: { scripted: { used: 1 } },
      },
      retries: [
        {
          id: 'MC-3',
          attempts: 1,
          not_before_at_ms: expect.any(Number),
          why: expect.stringContaining('exit code'),
        },
      ],
      accounts: [],
      ticks: { last_at_ms: expect.any(Number), coming: true, interval_ms: 60_000 },
      config_errors: [],
    });
  });

  it('shows limited and unready profiles, a switch, and a question that nobody is there to hear', async () => {
    await rig.tickHere('reconcile');
    const asks = rig.add('ask');
    rig.box.sql("UPDATE tickets SET status = 'needs_input', reason_text = 'Which one?' WHERE id = ?", asks);
    rig.box.sql("INSERT INTO accounts (name, not_before_at_ms) VALUES ('a', ?)", Date.now() + 3_600_000);
    rig.box.sql("INSERT INTO accounts (name, not_ready) VALUES ('b', 'log in first')");
    await rig.box.here([
      'killswitch',
      'on',
      '--scope',
      'project:demo',
      '--reason',
      'release day',
      '--for',
      '2h',
    ]);
    const { out } = await rig.box.here(['status']);
    expect(out).toMatch(/^account +a is limited, next launch in \d+[mh] /m);
    expect(out).toMatch(/^account +b is NOT READY: log in first \(then: mc-pickup agents ready b\)$/m);
    expect(out).toMatch(/^killswitch ON for project:demo: no launches, ends in \dh .*: release day$/m);
    expect(out).toMatch(/asks, and has no agent\n +MC-1 +! Which one\?/);
  });
});

describe('status --check', () => {
  const check = async (...more: string[]) => await rig.box.here(['status', '--check', ...more]);
  const asJson = async () => JSON.parse((await check('--json')).out) as Record<string, unknown>;
  const aged = (ms: number) =>
    rig.box.sql(
      'UPDATE ticks SET started_at_ms = started_at_ms - ?, finished_at_ms = finished_at_ms - ?',
      ms,
      ms,
    );

  it('is 69 before the first tick, 0 after it, and 69 once three intervals are over; one line each time', async () => {
    rig.add('hold');
    expect(await check()).toMatchObject({
      code: 69,
      out: expect.stringMatching(/^mc-pickup: NO TICK HAS EVER COME: .*\n$/),
    });
    await rig.tickHere('reconcile');
    expect(await check()).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^mc-pickup: ticks come: .*\n$/),
    });
    aged(90_000);
    const { intervals, ...late } = await asJson();
    expect(late).toMatchObject({ ok: true, because: 'ticks_come' });
    expect(intervals).toBeGreaterThanOrEqual(1.5);
    aged(600_000);
    expect(await check()).toMatchObject({ code: 69, err: '' });
    expect((await check()).out).toMatch(
      /^mc-pickup: TICKS HAVE STOPPED: the last one was 1\dm ago, more than 3 intervals.*\n$/,
    );
    expect(await asJson()).toMatchObject({ ok: false, because: 'stopped', age_ms: expect.any(Number) });
    expect((await rig.box.here(['status'])).out).toMatch(/^last tick +1\dm ago, ok; TICKS HAVE STOPPED/m);
  });

  it('knows a tick that the killswitch halts from none', async () => {
    await rig.tickHere('reconcile');
    aged(3_600_000);
    await rig.box.here(['killswitch', 'on', '--level', 'all', '--reason', 'release day']);
    expect((await check()).code).toBe(69);
    expect((await rig.box.here(['dispatch'])).code).toBe(0);
    expect(await check()).toMatchObject({
      code: 0,
      out: expect.stringMatching(/the killswitch halts them: .*release day/),
    });
    expect(await asJson()).toMatchObject({ ok: true, because: 'halted' });
    const gate = join(rig.box.state, 'gate.json');
    const old = JSON.parse(readFileSync(gate, 'utf8')) as { last_halted_at_ms: number };
    writeFileSync(gate, JSON.stringify({ ...old, last_halted_at_ms: old.last_halted_at_ms - 3_600_000 }));
    expect((await check()).code).toBe(69);
  });

  it('takes a long tick for what it is, and a clock that was set back for nothing', async () => {
    rig.configure({ project: HOLDING_HOOK });
    const id = rig.add('hold');
    await rig.tickHere('reconcile');
    aged(3_600_000);
    const tick = await rig.heldTick(id);
    if (existsSync('/proc/locks')) expect(await asJson()).toMatchObject({ ok: true, because: 'running' });
    // Looking has not been in its way.
    rig.letGo(id);
    expect((await rig.report(tick)).dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
    aged(-86_400_000);
    expect(await asJson()).toMatchObject({ ok: false, because: 'in_the_future' });
  });

  it('is 69 and one line where the board cannot be read, and writes nothing', async () => {
    expect((await check()).code).toBe(69);
    expect(existsSync(rig.box.state)).toBe(false);
    await rig.tickHere('reconcile');
    renameSync(rig.box.boardFile, `${rig.box.boardFile}.kept`);
    writeFileSync(rig.box.boardFile, 'this is no board, but long enough to be taken for one'.repeat(20));
    const done = await check();
    expect(done).toMatchObject({ code: 69, err: '' });
    expect(done.out).toMatch(/^mc-pickup: the board cannot be read: .*\n$/);
    expect(await asJson()).toMatchObject({
      ok: false,
      because: 'board_unreadable',
      error: expect.any(String),
    });
    renameSync(`${rig.box.boardFile}.kept`, rig.box.boardFile);
    expect((await check()).code).toBe(0);
  });

  it('refuses what it cannot be asked together with: exit 2', async () => {
    for (const more of [['--watch'], ['--interval', '3']]) expect((await check(...more)).code).toBe(2);
    expect((await rig.box.here(['status', '--watch', '--interval', '0'])).code).toBe(2);
  });
});

describe('status --watch', () => {
  it('redraws in place, at once when the terminal changes its size, and gives the screen back: exit 0', async () => {
    await busyBoard();
    terminal = new Terminal(rig.box.env, 80, 24);
    terminal.type('echo before');
    terminal.type(`${STATUS} --watch --interval 600; echo ended with $?`);
    const small = await terminal.shows(/tried again later/);
    expect(small).not.toContain('echo before');
    for (const line of small.split('\n')) expect(width(line), line).toBeLessThanOrEqual(80);
    expect(small).not.toContain('worktrees/demo/MC-1  ');
    terminal.resize(200, 50);
    // One line an agent, long before the next look is due.
    await terminal.shows(/MC-1 .*mc\/MC-1-do-hold +\S*worktrees\/demo\/MC-1 +Do hold/);
    terminal.resize(60, 8);
    await terminal.shows(/\.\.\. \d+ more lines: mc-pickup status has all\s*$/);
    terminal.press('C-c');
    const after = await terminal.shows(/ended with 0/);
    expect(after).not.toContain('in_progress');
  });

  it('looks again by itself, and goes when it is told to', async () => {
    await rig.tickHere('reconcile');
    terminal = new Terminal(rig.box.env, 80, 24);
    terminal.type(`${STATUS} --watch --interval 1; echo ended with $?`);
    await terminal.shows(/none yet/);
    rig.add('hold');
    await terminal.shows(/todo 1/);
    const pid = rig.box
      .processes()
      .find((one) => /status/.test(readFileSync(`/proc/${one}/cmdline`, 'utf8')));
    process.kill(pid ?? expect.fail('no process'), 'SIGTERM');
    await terminal.shows(/ended with 0/);
  });

  it('prints a block each time on a pipe, until nobody reads any more', async () => {
    rig.add('hold');
    const child = spawn(process.execPath, [BIN, 'status', '--watch', '--interval', '1'], {
      env: rig.box.env,
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk;
    });
    const code = new Promise((done) => child.once('close', done));
    expect(await until(() => out.split('tickets').length > 2)).toBe(true);
    expect(out).toMatch(/^tickets[^\u001b]*\nlooked at 20\S+ \S+Z; again every 1 s.*\n\ntickets/);
    child.stdout.destroy();
    expect(await code).toBe(0);
  });
});
