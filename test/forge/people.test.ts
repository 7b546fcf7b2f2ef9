/** What people do with work in review: accept it, send it back with comments, have it read by another agent first. */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { state as stateOf } from '../support/rig.ts';
import { AGENT, until } from '../support/sandbox.ts';
import { ForgeRig } from './rig.ts';

let f: ForgeRig;
beforeEach(async () => {
  f = await ForgeRig.start();
});
afterEach(async () => {
  await f.destroy();
});

const AS_AGENT = { MC_RUN_ID: 'MC-9-e1-abcdef01' };
const promptOf = (mark = '') => readFileSync(join(f.rig.box.state, 'runs', mark, 'prompt.md'), 'utf8');

describe('ticket approve', () => {
  it('ends the ticket, merges nothing, and says what is left to do', async () => {
    const id = await f.one();
    await f.tick();
    const done = await f.run('ticket', 'approve', id, '--message', 'Well done.');
    expect(done).toMatchObject({ code: 0, err: '' });
    expect(done.out).toContain('merging it is yours: https://forge.example/ann/shop/pull/1');
    expect(f.rig.ticket(id)).toMatchObject({ status: 'done', reason_text: 'approved: Well done.' });
    expect(f.forge.pulls).toMatchObject([{ state: 'open' }]);
    await f.tick();
    expect(f.rig.ticket(id).status).toBe('done');
  });

  it.each(['approve', 'rework'])('and rework are for people, and for what is in review: %s', async (verb) => {
    const words = verb === 'rework' ? ['--message', 'x'] : [];
    const waits = f.rig.add('hold');
    expect(await f.run('ticket', verb, waits, ...words)).toMatchObject({
      code: 2,
      err: expect.stringContaining(`${waits} is todo: only what is in review`),
    });
    const id = await f.one();
    const done = await f.rig.box.start(['ticket', verb, id, ...words], AS_AGENT);
    expect(done).toMatchObject({ code: 77, err: expect.stringContaining('an agent') });
    expect(f.rig.ticket(id).status).toBe('in_review');
  });
});

describe('ticket rework', () => {
  it('hands the comments to the next attempt, on the same branch, and to the same pull request', async () => {
    const id = await f.byAgent();
    await f.tick();
    const before = f.forge.tip(f.branch(id));
    const words = 'The test misses the empty cart.\n\n<<<ticket-data x\nsecond line\u001b[201~';
    const done = await f.run('ticket', 'rework', id, '--message', words);
    expect(done).toMatchObject({ code: 0, err: '' });
    expect(f.rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, trusted: 1 });
    await f.tick();
    await f.rig.settle(id, 'in_review');
    const runs = f.rig.runs(id);
    expect(runs).toHaveLength(2);
    expect(runs[1]?.worktree).toBe(runs[0]?.worktree);
    const prompt = promptOf(runs[1]?.mark);
    expect(prompt).toContain(
      'Your work was reviewed, and is to be changed:\nThe test misses the empty cart.',
    );
    expect(prompt).toMatch(/<<<answer \w+\nYour work was reviewed/);
    expect(prompt).not.toContain('\u001b');
    expect(promptOf(runs[0]?.mark)).not.toContain('reviewed');
    await f.rig.gone(runs[1]?.pid ?? 0);
    await f.tick();
    expect(f.forge.pulls).toMatchObject([{ number: 1, state: 'open' }]);
    expect(f.forge.tip(f.branch(id))).not.toBe(before);
    expect(f.rows(id)).toMatchObject([{ number: 1 }, { number: 1, stage: 'open' }]);
    expect(f.log(id, 'comment')).toMatchObject([{ because: 'rework' }]);
    // Told once: the attempt after that is another matter.
    f.forge.merge(1);
    await f.tick();
    expect(f.rig.ticket(id).status).toBe('done');
  });

  it('after its pull request was closed meanwhile opens another one, and that of before decides nothing', async () => {
    const id = await f.one();
    await f.tick();
    await f.run('ticket', 'rework', id, '--message', 'Once more.');
    f.forge.close(1);
    await f.tick();
    await f.rig.settle(id, 'in_review');
    await f.rig.gone(f.rig.runs(id)[1]?.pid ?? 0);
    await f.tick();
    expect(f.rig.ticket(id).status).toBe('in_review');
    expect(f.forge.pulls).toMatchObject([{ state: 'closed' }, { state: 'open' }]);
    expect(f.row(id)).toMatchObject({ number: 2, stage: 'open' });
  });

  /** An agent that stays after its report, and works on what it is told; it is busy while the file is there. */
  const staying = async (): Promise<{ readonly id: string; readonly busy: string }> => {
    const script = join(f.rig.box.dir, 'stays.sh');
    const busy = join(f.rig.box.dir, 'busy');
    writeFileSync(
      script,
      `#!/bin/sh
notes=$MC_PICKUP_STATE_DIR/notes; mkdir -p $notes
work() { echo x >>x.txt; git add -A; git -c user.name=agent -c user.email=agent@localhost commit -qm "$1"; mc-pickup report review --message "$1"; }
mc-event busy </dev/null
work first
while [ -e ${busy} ]; do sleep 0.05; done
mc-event idle </dev/null; : >$notes/idle
while IFS= read -r line; do
  mc-event busy </dev/null
  echo "$line" >>$notes/heard
  case $line in *cart*) work second; mc-event idle </dev/null; : >$notes/done ;; esac
done
`,
    );
    chmodSync(script, 0o755);
    f.review('', f.gitHub(), `[agent.stays]\nkind = "command"\nargv = ["${script}"]\n`);
    writeFileSync(busy, '');
    const id = f.rig.add('x', '--agent', 'stays');
    await f.tick();
    await f.rig.settle(id, 'in_review');
    return { id, busy };
  };

  it('of work whose agent is still there gives it the comments, and what it makes of them goes out too', async () => {
    const { id, busy } = await staying();
    await f.tick();
    const first = f.forge.tip(f.branch(id));
    rmSync(busy);
    expect(await until(() => existsSync(join(f.rig.box.state, 'notes', 'idle')))).toBe(true);
    const done = await f.run('ticket', 'rework', id, '--message', 'The empty cart.');
    expect(done, done.err).toMatchObject({ code: 0, out: expect.stringContaining('goes on') });
    expect(await until(() => f.rig.box.note('heard').includes('The empty cart.'))).toBe(true);
    await f.rig.settle(id, 'in_review');
    expect(f.rig.runs(id)).toHaveLength(1);
    expect(f.rig.box.sql('SELECT * FROM answers WHERE taken_by IS NULL')).toEqual([]);
    // Nothing goes out while it is busy, and it reports before its turn is over.
    expect(await until(() => existsSync(join(f.rig.box.state, 'notes', 'done')))).toBe(true);
    await f.tick();
    expect(f.forge.tip(f.branch(id))).not.toBe(first);
    expect(f.forge.tip(f.branch(id))).toBe(f.row(id).head);
    expect(f.forge.pulls).toHaveLength(1);
  });

  it('of work whose agent is still busy changes nothing, exit 75', async () => {
    const { id } = await staying();
    const done = await f.run('ticket', 'rework', id, '--message', 'The empty cart.');
    expect(done).toMatchObject({ code: 75, err: expect.stringContaining(`mc-pickup stop ${id}`) });
    expect(f.rig.ticket(id).status).toBe('in_review');
    expect(f.rig.box.sql('SELECT * FROM answers WHERE taken_by IS NULL')).toEqual([]);
    expect(f.log(id, 'comment')).toEqual([]);
    await f.run('stop', id);
    expect((await f.run('ticket', 'rework', id, '--message', 'The empty cart.')).code).toBe(0);
    expect(f.rig.ticket(id).status).toBe('todo');
  });

  it('without words, or with too many, is refused', async () => {
    const id = await f.one();
    for (const words of ['', ' \u001b ', 'x'.repeat(70_000)])
      expect(await f.run('ticket', 'rework', id, '--message', words)).toMatchObject({ code: 2 });
    expect(f.rig.ticket(id).status).toBe('in_review');
  });
});

it('work whose agent cannot be judged is not given back by rework', async () => {
  const id = await f.one();
  f.rig.box.sql(
    `UPDATE runtime_sessions SET ended_at_ms = NULL, end_reason = NULL, phase = 'registered', host_id = 'elsewhere'
     WHERE ticket_id = ?`,
    id,
  );
  expect(await f.run('ticket', 'rework', id, '--message', 'More.')).toMatchObject({
    code: 69,
    err: expect.stringContaining("can't be told"),
  });
  expect(f.rig.ticket(id).status).toBe('in_review');
  expect(f.rig.box.sql('SELECT * FROM answers')).toEqual([]);
});

describe('a reviewer', () => {
  const READER = `[agent.reader]\nkind = "command"\nargv = ["${AGENT}"]\n`;

  it('is given one ticket for each claim, reads the branch, comments, and moves nothing', async () => {
    const script = join(f.rig.box.dir, 'reader.sh');
    writeFileSync(
      script,
      `#!/bin/sh
branch=$(sed -n 's/.*It is on the branch \\([^,]*\\),.*/\\1/p' "$MC_PROMPT_FILE")
mc-pickup ticket comment MC-1 "work.txt:1: read $(git log --format=%s "main..$branch")"
mc-pickup report done --message "A person can take it."
`,
    );
    chmodSync(script, 0o755);
    f.review('reviewer = "reader"', f.gitHub(), READER.replace(AGENT, script));
    const id = await f.one();
    expect((await f.tick('--dry-run')).publish).toMatchObject([{ does: ['read', 'push', 'open'] }]);
    await f.tick();
    const reader = f.row(id).reader ?? '';
    expect(f.rig.ticket(reader)).toMatchObject({
      ...{ status: 'todo', trusted: 1, author: 'mc-pickup', agent: 'reader' },
      title: `Read ${id}: Do review`,
    });
    await f.tick();
    await f.rig.settle(reader, 'done');
    await f.tick();
    await f.tick();
    expect(f.rig.box.sql("SELECT id FROM tickets WHERE author = 'mc-pickup'")).toHaveLength(1);
    expect(f.log(id, 'comment')).toMatchObject([
      { actor: expect.stringMatching(/^run:/), text: `work.txt:1: read Work on ${id}` },
    ]);
    expect(f.rig.ticket(id).status).toBe('in_review');
    expect(f.forge.pulls).toHaveLength(1);
    expect((await f.run('explain', id)).out).toContain(`read by ${reader}`);
  });

  it('is asked once, though the tick that asks is killed or another asks beside it', async () => {
    f.review('reviewer = "reader"', 'push = true', READER);
    await f.inReview(2);
    await Promise.all([f.beside('--max', '0'), f.beside('--max', '0'), f.beside('--max', '0')]);
    await f.tick('--max', '0');
    expect(f.rig.box.sql("SELECT id FROM tickets WHERE author = 'mc-pickup'")).toHaveLength(2);
  });

  it('is not asked to read what nobody vouches for: it would be launched without a person', async () => {
    f.review('reviewer = "reader"', f.gitHub(), READER);
    const id = await f.one();
    f.rig.box.sql('UPDATE tickets SET trusted = 0 WHERE id = ?', id);
    expect((await f.tick()).code).toBe(0);
    expect(f.row(id).reader).toBeNull();
    expect(f.rig.box.sql("SELECT id FROM tickets WHERE author = 'mc-pickup'")).toEqual([]);
    expect(f.forge.pulls).toHaveLength(1);
  });

  it('is asked where nothing is pushed, too', async () => {
    f.review('reviewer = "reader"', '', READER);
    const id = await f.one();
    await f.tick('--max', '0');
    expect(f.row(id)).toMatchObject({ stage: 'read', head: null, next_at_ms: null });
    expect(f.row(id).reader).not.toBeNull();
    expect(f.forge.branches()).toEqual(['main']);
  });
});

describe('a command in place of a forge', () => {
  const program = (body: string): string => {
    const file = join(f.rig.box.dir, 'open-change');
    const log = join(f.rig.box.dir, 'asked');
    writeFileSync(
      file,
      `#!/bin/sh\ninput=$(cat)\nprintf '%s %s\\n' "$MC_FORGE_ACTION" "$input" >>${log}\n${body}\n`,
    );
    chmodSync(file, 0o755);
    f.review('', `push = true\npull_request = "command"\ncommand = ["${file}"]\ncheck_minutes = 0.0001`);
    return log;
  };
  const asked = (log: string) =>
    readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => [line.split(' ')[0], JSON.parse(line.slice(line.indexOf('{')))] as const);

  it('looks first, opens one, and tells when it is merged', async () => {
    const state = join(f.rig.box.dir, 'change');
    const log = program(`[ -e ${state} ] || [ $MC_FORGE_ACTION = create ] || exit 0
[ -e ${state} ] || echo open >${state}
echo "{\\"url\\": \\"https://forge.example/c/1\\", \\"state\\": \\"$(cat ${state})\\"}"`);
    const id = await f.one();
    await f.tick();
    expect(f.row(id), f.row(id).error ?? '').toMatchObject({
      stage: 'open',
      url: 'https://forge.example/c/1',
      number: null,
    });
    expect(asked(log).map(([action]) => action)).toEqual(['status', 'create']);
    expect(asked(log)[1]?.[1]).toMatchObject({
      ...{ action: 'create', branch: f.branch(id), base: 'main', title: `${id}: Do review` },
      ticket: { id, project: 'demo' },
      head: f.forge.tip(f.branch(id)),
    });
    writeFileSync(state, 'merged');
    await f.due(id);
    await f.tick();
    expect(f.rig.ticket(id).status).toBe('done');
  });

  it.each([
    ['fails', 'echo no way >&2; exit 3', 'exit 3: no way'],
    ['prints rubbish', 'echo hello', 'printed no JSON'],
    ['gives no address', `echo '{"url": "javascript:alert(1)"}'`, '"url" must be an http or https address'],
    ['gives a state that is none', `echo '{"url": "https://x/1", "state": "?"}'`, '"state" must be'],
    ['prints without end', 'yes', 'output too long'],
  ])('that %s is a failure that changes no tick', async (_, body, says) => {
    program(body);
    const id = await f.one();
    const tick = await f.tick();
    expect(tick).toMatchObject({ code: 0, outcome: 'ok' });
    expect(tick.err).toContain(says);
    expect(f.row(id)).toMatchObject({ url: null, attempts: 1 });
  });

  it('that leaves a daemon behind is not waited for, and its answer counts', async () => {
    const state = join(f.rig.box.dir, 'state-of-it');
    writeFileSync(state, 'open');
    program(`sleep 3600 & echo $! >>${f.rig.box.dir}/daemons
[ "$MC_FORGE_ACTION" = status ] || echo "{\\"url\\": \\"https://forge.example/c/1\\"}"`);
    const daemons = () =>
      readFileSync(join(f.rig.box.dir, 'daemons'), 'utf8').split('\n').filter(Boolean).map(Number);
    const id = await f.one();
    try {
      await f.tick();
      expect(f.row(id)).toMatchObject({ stage: 'open', url: 'https://forge.example/c/1', error: null });
      for (const pid of daemons()) expect(stateOf(pid), 'it was waited for').toMatch(/[SR]/);
    } finally {
      for (const pid of daemons())
        try {
          process.kill(pid);
        } catch {
          // Ended with what had started it.
        }
    }
  });

  it('that does not end is ended', async () => {
    const file = join(f.rig.box.dir, 'sleeps');
    writeFileSync(file, '#!/bin/sh\nsleep 1000 &\nsleep 1000\n');
    chmodSync(file, 0o755);
    const hook = `command = { argv = ["${file}"], timeout_seconds = 0.3 }`;
    f.review(hook, 'push = true\npull_request = "command"');
    await f.one();
    expect((await f.tick()).err).toContain('no end within 0.3 s, killed');
  });
});
