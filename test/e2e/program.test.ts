/** Which program the client of a run is: nothing else is typed at, and it is followed where it lives on in another process. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Rig, state } from '../support/rig.ts';
import { end, until } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

/** A profile whose program is this text; `kind` and the words around it may be others. */
function profile(text: string, kind = 'command', argv = (file: string): string[] => [file]): string {
  const file = program('client.sh', text);
  rig.configure({
    more: `[agent.own]\nkind = "${kind}"\nargv = ${JSON.stringify(argv(file))}\n`,
  });
  const words = ['--project', 'demo', '--agent', 'own', '--title', 'Do', '--body', 'x', '--json'];
  return (JSON.parse(rig.box.run(['ticket', 'add', ...words]).out) as { id: string }).id;
}

function program(name: string, text: string): string {
  const file = join(rig.box.dir, name);
  writeFileSync(file, text, { mode: 0o755 });
  return file;
}

const NOTES = 'n=$MC_PICKUP_STATE_DIR/notes; mkdir -p $n';
const HOLD = (name: string) => `while [ ! -e $n/${name} ]; do sleep 0.05; done`;

function pidIn(name: string): number {
  return Number(rig.box.note(name).trim());
}

async function noted(name: string): Promise<void> {
  expect(await until(() => rig.box.note(name) !== ''), `${name} never came`).toBe(true);
}

function recorded(id: string): { exe: string; script: string | null } | null {
  const [row] = rig.box.sql<{ program: string | null }>(
    'SELECT program FROM runtime_sessions WHERE ticket_id = ? AND ended_at_ms IS NULL',
    id,
  );
  return row?.program == null ? null : (JSON.parse(row.program) as { exe: string; script: string | null });
}

/** Its wrapper, if it has one, has become the client by now. */
const longAgo = () => rig.box.sql('UPDATE runtime_sessions SET registered_at_ms = registered_at_ms - 60000');

describe('the program of a client', () => {
  it('is recorded by the first tick that comes a minute after its exec, and never again', async () => {
    const id = rig.add('hold');
    rig.tick();
    await rig.holding(id);
    rig.tick();
    expect(recorded(id), 'it may be a wrapper yet').toBeNull();
    longAgo();
    rig.tick();
    const first = recorded(id);
    expect(first?.exe).toBe(readlinkSync(`/proc/${rig.run(id).pid}/exe`));
    expect(first?.script).toMatch(/test\/support\/agent\.sh$/);
    rig.box.sql(`UPDATE runtime_sessions SET program = '{"exe":"/x","exe_id":"1:1"}'`);
    rig.tick();
    expect(recorded(id)?.exe).toBe('/x');
  });
});

/** An agent that has asked, so that an answer is due, and does then what it is told. */
const ASKING = (then: string) => `#!/bin/bash
${NOTES}
mc-pickup report needs-input --message "Which?"
mc-event idle </dev/null
echo $$ >$n/asked
${HOLD('go')}
${then}
`;

/** The process group that has the terminal of a process. */
const front = (pid: number): number =>
  Number(/\) \S (?:-?\d+ ){4}(-?\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]);

describe('nothing is typed at', () => {
  async function refused(id: string, what: RegExp): Promise<void> {
    for (const words of [
      ['send', id, `touch ${rig.box.dir}/typed`],
      ['answer', id, `touch ${rig.box.dir}/typed`],
    ]) {
      const done = rig.box.run(words);
      expect(done.code).toBe(69);
      expect(`${done.out}${done.err}`).toMatch(what);
      expect(`${done.out}${done.err}`).toContain(`mc-pickup attach ${id}`);
    }
    expect(existsSync(`${rig.box.dir}/typed`)).toBe(false);
    expect(rig.box.sql('SELECT count(*) AS n FROM deliveries WHERE kind <> ?', 'prompt')).toEqual([{ n: 0 }]);
  }

  async function asking(id: string, looked: boolean): Promise<number> {
    rig.tick();
    await noted('asked');
    if (looked) {
      longAgo();
      rig.tick();
      expect(recorded(id)).not.toBeNull();
    }
    rig.box.signal('go');
    return pidIn('asked');
  }

  const exeOf = (pid: number) => readlinkSync(`/proc/${pid}/exe`);

  it.each([
    ['recorded by a tick', true, false],
    ['seen by no tick', false, false],
    ['seen by a tick as that', false, true],
  ])('a shell that the agent (%s) has become', async (_, looked, seen) => {
    const id = profile(ASKING('exec bash --norc'));
    const pid = await asking(id, looked);
    expect(await until(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('bash\0--norc'))).toBe(
      true,
    );
    if (seen) {
      longAgo();
      rig.tick();
    }
    await refused(id, /is "bash" now/);
  });

  it('another program that the agent has become', async () => {
    const id = profile(ASKING('set -- cat; exec python3 -c "import time; time.sleep(600)"'));
    const pid = await asking(id, true);
    expect(await until(() => exeOf(pid).includes('python'))).toBe(true);
    await refused(id, /python[\d.]* -c" now/);
  });

  it('a shell that the agent has started in the foreground of its terminal', async () => {
    const id = profile(ASKING('bash --norc -i'));
    const pid = await asking(id, true);
    expect(await until(() => front(pid) > 0 && front(pid) !== pid)).toBe(true);
    await refused(id, /"bash" \(pid \d+\) has its terminal/);
  });

  it.each([
    ['without job control', 'sh', ''],
    ['which has the terminal again', 'bash', 'set -m'],
  ])('a client that was stopped behind its wrapper, %s', async (_, shell, control) => {
    const client = program(
      'inner.sh',
      `#!/bin/sh\n${NOTES}; mc-event idle </dev/null; echo $$ >$n/inner; read -r line\n`,
    );
    const id = profile(
      `#!/bin/${shell}\n${control}\nmc-pickup report needs-input --message "Which?"\n${client}\n${NOTES}; read -r line; echo "$line" >$n/typed\n`,
    );
    rig.tick();
    await noted('inner');
    rig.tick();
    const inner = pidIn('inner');
    process.kill(inner, 'SIGSTOP');
    expect(await until(() => state(inner) === 'T')).toBe(true);
    const { pid } = rig.run(id);
    expect(await until(() => front(pid) === pid), 'the wrapper has the terminal again').toBe(true);
    await refused(id, new RegExp(`process ${inner} of its client is stopped`));
    process.kill(inner, 'SIGCONT');
  });
});

describe('a text reaches', () => {
  const READS = 'mc-event idle </dev/null; read -r line; mc-event busy </dev/null; echo "$line" >$n/line';

  async function reaches(id: string): Promise<void> {
    rig.tick();
    await noted('ready');
    rig.tick();
    let done = rig.box.run(['send', id, 'hello']);
    await until(() => {
      if (done.code === 75) done = rig.box.run(['send', id, 'hello']);
      return done.code !== 75;
    });
    expect(done).toMatchObject({ code: 0, err: '' });
    await noted('line');
    expect(rig.box.note('line')).toBe('hello\n');
  }

  const reader = () => program('reader.sh', `#!/bin/sh\n${NOTES}; echo $$ >$n/ready\n${READS}\nsleep 300\n`);

  it('an agent that is a script', async () => {
    await reaches(profile(`#!/bin/sh\n${NOTES}; echo $$ >$n/ready\n${READS}\nsleep 300\n`));
  });

  it.each([
    ['that starts the client', (client: string) => `#!/bin/sh\n${client}\n`],
    ['with job control', (client: string) => `#!/bin/bash\nset -m\n${client}\n`],
    ['that becomes the client later', (client: string) => `#!/bin/sh\nsleep 0.2\nexec ${client}\n`],
  ])('the client of a wrapper %s', async (_, wrapper) => {
    await reaches(profile(wrapper(reader())));
  });

  it('a client that took the place of its wrapper after a tick had looked', async () => {
    const id = profile(`#!/bin/sh\n${NOTES}; echo $$ >$n/began\n${HOLD('go')}\nexec $(cat $n/next)\n`);
    rig.tick();
    await noted('began');
    rig.tick();
    writeFileSync(join(rig.box.state, 'notes', 'next'), reader());
    rig.box.signal('go');
    await reaches(id);
    longAgo();
    rig.tick();
    expect(recorded(id)?.script).toBe(reader());
  });

  it('a client that has put its next version beside itself, and goes on in that', async () => {
    const version = (name: string): string => {
      const dir = join(rig.box.dir, `tool-${name}`);
      mkdirSync(dir);
      copyFileSync('/bin/bash', join(dir, 'tool'));
      return join(dir, 'tool');
    };
    const [old, next] = [version('1.9.0'), version('1.10.0')];
    const before = program('before', `${NOTES}; echo $$ >$n/began\n${HOLD('go')}\nexec $(cat $n/next)\n`);
    const id = profile('', 'command', () => [old, before]);
    rig.tick();
    await noted('began');
    longAgo();
    rig.tick();
    expect(recorded(id)?.exe).toBe(old);
    writeFileSync(join(rig.box.state, 'notes', 'next'), `${next} ${reader()}`);
    rig.box.signal('go');
    await reaches(id);
    expect(readlinkSync(`/proc/${rig.run(id).pid}/exe`)).toBe(next);
  });

  it('the client of a wrapper that is a line of shell', async () => {
    const client = reader();
    await reaches(profile('', 'command', () => ['sh', '-c', `${client}; echo done`]));
  });
});

describe('a client that outlives its wrapper', () => {
  const LIVES = `trap '' HUP; ${NOTES}; echo "$$" >>$n/clients; exec >/dev/null 2>&1; ${HOLD('go')}`;

  function clients(): number[] {
    return rig.box.note('clients').split('\n').filter(Boolean).map(Number);
  }

  /** The wrapper dies, and the client is the run from then on. */
  async function followed(id: string, seen: boolean): Promise<void> {
    rig.tick();
    await noted('clients');
    if (seen) {
      longAgo();
      rig.tick();
    }
    const before = rig.run(id);
    const [client = 0] = clients();
    expect(client).not.toBe(before.pid);
    if (state(before.pid) !== null) end(before.pid);
    await rig.gone(before.pid);
    let tick = rig.tick();
    await until(() => {
      if (tick.reconcile.length === 0) tick = rig.tick(); // forked a moment ago
      return tick.reconcile.length > 0;
    });
    expect(tick.reconcile).toMatchObject([
      { kind: 'follow', ticket: id, because: 'client_lives_on', result: 'adopted', after: 'in_progress' },
    ]);
    expect(tick.dispatch).toEqual([]);
    expect(rig.run(id)).toMatchObject({ id: before.id, pid: client });
    expect(rig.ticket(id)).toMatchObject({
      status: 'in_progress',
      attempts: 0,
      worker_pid: client,
      claim_epoch: 1,
    });
    expect(rig.tick()).toMatchObject({ reconcile: [], dispatch: [] });
    expect(clients()).toEqual([client]);
    expect(rig.box.run(['log', '--json']).out).toContain('client_lives_on');
    // Silent for longer than the TTL: parked like any other.
    rig.box.sql('UPDATE runtime_sessions SET silent_ms = 1e9');
    expect(rig.tick().reconcile).toMatchObject([{ kind: 'park', ticket: id, result: 'done' }]);
    // And once it is dead, it is dead.
    end(client);
    await rig.gone(client);
    expect(rig.tick().reconcile[0]).toMatchObject({ kind: 'end', ticket: id, result: 'done' });
  }

  const client = () => program('real-client', `#!/bin/sh\n${LIVES}\n`);

  it.each([
    ['a script, seen alive by a tick', true, () => profile(`#!/bin/sh\n${client()}\necho ended\n`)],
    ['a script that no tick saw alive', false, () => profile(`#!/bin/sh\n${client()}\necho ended\n`)],
    [
      'a script that has ended by itself',
      false,
      () => profile(`#!/bin/sh\ntrap '' HUP\n${client()} &\nsleep 0.2\nexit 3\n`),
    ],
    [
      'a line of shell',
      false,
      () => {
        const file = client();
        return profile('', 'command', () => ['sh', '-c', `${file}; echo ended`]);
      },
    ],
    [
      'the wrapper of a known client',
      false,
      () => {
        const file = program('claude', `#!/bin/sh\n${LIVES}\n`);
        return profile('', 'claude', () => ['sh', '-c', `${file} "$@"; echo ended`, 'sh']);
      },
    ],
    [
      'itself, in a session of its own',
      false,
      () =>
        profile(
          `#!/bin/sh\n[ "$1" = inner ] || { setsid "$0" inner & n=$MC_PICKUP_STATE_DIR/notes; ${HOLD('clients')}; exit 0; }\n${LIVES}\n`,
        ),
    ],
    [
      'itself, forked twice in Python',
      true,
      () =>
        profile(`#!/usr/bin/env python3
import os, time
notes = os.environ["MC_PICKUP_STATE_DIR"] + "/notes"
os.makedirs(notes, exist_ok=True)
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    os.chdir("/")
    with open(notes + "/clients", "a") as f: f.write(str(os.getpid()) + "\\n")
    while not os.path.exists(notes + "/go"): time.sleep(0.05)
    os._exit(0)
time.sleep(600)
`),
    ],
  ] as const)('is followed: %s', async (_, seen, make) => {
    await followed(make(), seen);
  });

  it('is not mistaken for what tools are left: they block nothing', async () => {
    const node = process.execPath;
    const server = program('server.js', 'setInterval(() => {}, 1000)');
    const id = profile(
      `#!${node}
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const notes = process.env.MC_PICKUP_STATE_DIR + '/notes';
fs.mkdirSync(notes, { recursive: true });
const quiet = { detached: true, stdio: 'ignore' };
const left = [spawn(${JSON.stringify(node)}, [${JSON.stringify(server)}], quiet), spawn('sleep', ['600'], quiet)];
fs.appendFileSync(notes + '/tools', left.map(({ pid }) => pid).join(' ') + '\\n');
setInterval(() => {}, 1000);
`,
    );
    rig.tick();
    await noted('tools');
    longAgo();
    rig.tick();
    const { pid } = rig.run(id);
    await rig.kill(pid);
    expect(rig.tick().reconcile[0]).toMatchObject({ kind: 'retry', ticket: id, after: 'todo' });
    await rig.due(id);
    expect(rig.tick().dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
    for (const tool of rig.box.note('tools').split(/\s/).filter(Boolean))
      expect(state(Number(tool))).not.toBeNull();
  });

  it('in its worktree, by no mark and no session of its run, has nobody put beside it', async () => {
    const id = profile(
      `#!/bin/sh\nenv -i PATH="$PATH" MC_PICKUP_STATE_DIR="$MC_PICKUP_STATE_DIR" setsid ${client()} &\nwait\n`,
    );
    rig.tick();
    await noted('clients');
    await rig.kill(rig.run(id).pid);
    const [alive = 0] = clients();
    for (let n = 0; n < 2; n++) {
      const { reconcile, dispatch, skipped } = rig.tick();
      expect([reconcile, dispatch]).toEqual([[], []]);
      expect(skipped).toMatchObject([
        { ticket: id, because: 'verdict_unknown', evidence: { because: 'client_unmarked' } },
      ]);
    }
    expect(rig.box.run(['explain', id]).out).toContain('client_unmarked');
    end(alive);
    await rig.gone(alive);
    expect(rig.tick().reconcile[0]).toMatchObject({ kind: 'retry', ticket: id });
  });

  it.each([
    ['its row', (id: string) => rig.lose(id)],
    [
      'its row and its pane',
      (id: string) => {
        rig.box.tmux('kill-pane', '-t', rig.run(id).tmux_pane);
        rig.lose(id);
      },
    ],
  ])('and of which the board has lost %s is the agent still', async (_, lose) => {
    const id = profile(`#!/bin/sh\n${client()}\necho ended\n`);
    rig.tick();
    await noted('clients');
    await rig.kill(rig.run(id).pid);
    lose(id);
    const ticks = [rig.tick(), rig.tick()].flatMap(({ reconcile, dispatch }) => [...reconcile, ...dispatch]);
    const begun = clients();
    const { pid } = rig.run(id);
    for (const one of begun) end(one);
    expect(begun).toEqual([pid]);
    expect(ticks.filter(({ kind }) => kind !== 'close_pane')).toMatchObject([
      { kind: 'adopt', ticket: id, because: 'runtime_busy', result: 'adopted' },
    ]);
  });

  it('is ended by stop, also before a tick has followed it', async () => {
    const id = profile(`#!/bin/sh\n${client()}\necho ended\n`);
    rig.tick();
    await noted('clients');
    await rig.kill(rig.run(id).pid);
    const [alive = 0] = clients();
    expect(state(alive)).not.toBeNull();
    expect(rig.box.run(['stop', id, '--grace', '1'])).toMatchObject({ code: 0 });
    await rig.gone(alive);
    expect(rig.live(id)).toBeUndefined();
  });
});
