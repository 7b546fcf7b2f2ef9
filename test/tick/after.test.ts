import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeContext } from '../../src/context.ts';
import { faultNote } from '../../src/machine/paths.ts';
import { EXIT } from '../../src/model/errors.ts';
import { type After, after } from '../../src/tick/after.ts';
import { FOLLOW_UPS, type FollowUp, type Worked } from '../../src/tick/follow-ups.ts';
import { aPolicy } from '../support/builders.ts';
import { Rig } from '../support/rig.ts';

const HOUR_MS = 3_600_000;
const WORKED = {} as Worked;

let dir: string;
let said: string[];
let done: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-after-'));
  said = [];
  done = [];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** One that is due and goes well, unless it is said otherwise. */
function one(name: FollowUp['name'], more: Partial<FollowUp> = {}): FollowUp {
  return {
    name,
    failed: `${name} failed`,
    bound_ms: () => 60_000,
    due: () => true,
    run: async () => void done.push(name),
    ...more,
  };
}

function of(...table: readonly FollowUp[]): After {
  const context = makeContext({ stateDir: dir }, {});
  const out = { ...context.out, warn: (text: string) => void said.push(text) };
  return after({ ...context, out }, { dispatch: true }, table);
}

/** A tick that worked, and what followed it. True = one was cut off. */
async function follow(...table: readonly FollowUp[]): Promise<boolean> {
  const then = of(...table);
  await then.begin(aPolicy());
  await then.locked(WORKED, EXIT.ok);
  return then.end(EXIT.ok);
}

describe('what follows a tick', () => {
  it('runs in the order of the table, what needs the lock before the lock is let go', async () => {
    const then = of(one('retention', { locked: true }), one('page'), one('metrics'));
    await then.begin(aPolicy());
    await then.locked(WORKED, EXIT.ok);
    expect(done).toEqual(['retention']);
    expect(await then.end(EXIT.ok)).toBe(false);
    expect(done).toEqual(['retention', 'page', 'metrics']);
    expect(said).toEqual([]);
  });

  it('is nothing where it is not due, and where the tick never read its configuration', async () => {
    await follow(one('page', { due: () => false }), one('metrics'));
    expect(done).toEqual(['metrics']);
    expect(await of(one('page', { always: true })).end(EXIT.ok)).toBe(false);
    expect(done).toEqual(['metrics']);
  });

  it('is, after a tick that could not work, what always follows', async () => {
    const then = of(one('page'), one('ping', { always: true }));
    await then.begin(aPolicy());
    await then.end(EXIT.unavailable);
    expect(done).toEqual(['ping']);
  });

  it('is told once an hour while it fails in the same way, and stops nothing else', async () => {
    const fails = one('page', { run: () => Promise.reject(new Error('no room')) });
    await follow(fails, one('metrics'));
    await follow(fails, one('metrics'));
    expect(said).toEqual(['page failed: no room']);
    expect(done).toEqual(['metrics', 'metrics']);
    const note = faultNote({ state: dir }, 'page');
    utimesSync(note, new Date(), new Date(Date.now() - HOUR_MS));
    await follow(fails);
    expect(said).toEqual(['page failed: no room', 'page failed: no room']);
    await follow(one('page', { run: () => Promise.reject(new Error('no right')) }));
    expect(said.at(-1)).toBe('page failed: no right');
    await follow(one('page'));
    expect(existsSync(note)).toBe(false);
  });

  it('that fails before it waits, or whose look fails, stops nothing either', async () => {
    const throws = (): never => {
      throw new Error('at once');
    };
    await follow(one('ping', { run: throws }), one('page', { due: throws }), one('metrics'));
    expect(said).toEqual(['ping failed: at once']);
    expect(done).toEqual(['page', 'metrics']);
  });

  it.each([true, undefined])(
    'that hangs is cut off, told to change nothing more, and what comes after it runs (locked: %s)',
    async (locked) => {
      let told: AbortSignal | undefined;
      const hangs = one('retention', {
        ...(locked === true ? { locked } : {}),
        bound_ms: () => 20,
        run: (_, signal) => {
          told = signal;
          return new Promise(() => undefined);
        },
      });
      expect(await follow(hangs, one('metrics'))).toBe(true);
      expect(told?.aborted).toBe(true);
      expect(said).toEqual(['retention failed: it was not through after 0 s']);
      expect(done).toEqual(['metrics']);
    },
  );
});

it('a process of which something was cut off ends all the same, with its exit code and all that it has said', () => {
  const main = JSON.stringify(join(import.meta.dirname, '../../src/main.ts'));
  const script = `import { endSoon } from ${main};
process.exitCode = 3;
setInterval(() => undefined, 1000);
process.stdout.write('x'.repeat(200_000));
endSoon();`;
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    ...{ encoding: 'utf8', timeout: 30_000, killSignal: 'SIGKILL' },
  });
  expect({ status: done.status, out: done.stdout.length, err: done.stderr }).toEqual({
    ...{ status: 3, out: 200_000, err: '' },
  });
});

describe('a real tick of which all follow-ups fail', () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(async () => {
    await rig.box.destroy();
  });

  it('does its work, exits 0, and says each of them once', async () => {
    const busy = join(rig.box.dir, 'notes.txt');
    writeFileSync(busy, 'mine\n');
    utimesSync(busy, 1, 1);
    const textfiles = join(rig.box.dir, 'textfiles');
    mkdirSync(textfiles);
    writeFileSync(join(textfiles, 'mc_pickup.prom'), 'mine\n');
    rig.configure({
      more: `[page]\nfile = ${JSON.stringify(busy)}\n[metrics]\ntextfile_dir = ${JSON.stringify(textfiles)}
[ping]\nurl = "http://127.0.0.1:9/nobody"\n[[notify]]\non = ["done"]\ncommand = { argv = ["false"] }\n`,
    });
    const id = rig.add('hold');
    mkdirSync(join(rig.box.state, 'notify-lock.sqlite'));
    const first = rig.box.run(['dispatch', '--json']);
    expect(first.code).toBe(0);
    expect(JSON.parse(first.out)).toMatchObject({ outcome: 'ok', counts: { launched: 1 } });
    expect(first.err.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^mc-pickup: nobody could be notified: /),
      expect.stringMatching(/^mc-pickup: the metrics were not written: /),
      expect.stringMatching(/^mc-pickup: the page was not written: /),
    ]);
    expect(rig.ticket(id).status).toBe('in_progress');
    expect(rig.box.run(['dispatch'])).toMatchObject({ code: 0, err: '', out: '' });
  });
});

describe('the table', () => {
  const names = FOLLOW_UPS.map(({ name }) => name);

  it('names each once, and puts what needs the lock first', () => {
    expect(names).toEqual(['retention', 'ping', 'notify', 'metrics', 'changes', 'publish', 'page', 'pool']);
    expect(FOLLOW_UPS.filter(({ locked }) => locked).map(({ name }) => name)).toEqual(['retention']);
  });

  it('gives each a bound, and finds none due where the configuration asks for none', async () => {
    const over = {
      ...{ context: makeContext({ stateDir: dir }, {}), policy: aPolicy(), wish: { dispatch: true } },
      ...{ began: { started_at_ms: 0, mono_ms: 0, halts: null }, ping: null, worked: null, code: EXIT.ok },
    };
    for (const one of FOLLOW_UPS) {
      expect(one.bound_ms(over), one.name).toBeGreaterThan(0);
      expect(await one.due(over), one.name).toBe(false);
    }
  });
});
