import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FAIL_BIN } from '../crash/cell.ts';
import { AGENT, LIMITS, makeSandbox, type Ran, type Sandbox, until } from '../support/sandbox.ts';
import { waitFor } from '../support/wait.ts';

/** Idle from the start; notes every key as it comes and acknowledges nothing. */
const DEAF = `#!/bin/sh
mkdir -p "$MC_PICKUP_STATE_DIR/notes"
stty -icanon -echo
mc-event idle </dev/null
exec cat >>"$MC_PICKUP_STATE_DIR/notes/typed"
`;
/** The same, and the first key finds it opening a dialog. */
const DIALOG = DEAF.replace(
  'exec cat',
  `dd bs=1 count=1 2>/dev/null >>"$MC_PICKUP_STATE_DIR/notes/typed"
echo '{"question":"Allow it?"}' | mc-event waiting
exec cat`,
);
/** Asks for a permission as Claude Code does, with a registry that says `busy` until the dialog is closed by a key. */
const ASKS = `#!/bin/sh
stty -icanon -echo
level() {
  mkdir -p "$HOME/.claude/sessions"
  echo "{\\"pid\\":$$,\\"status\\":\\"$1\\"}" >"$HOME/.claude/sessions/$$.json"
}
level busy
echo '❯ 1. Yes'
echo '{"tool_name":"Bash","tool_input":{"command":"touch it"}}' | mc-event PermissionRequest
key=$(dd bs=1 count=1 2>/dev/null | od -An -tx1)
echo $key >"$MC_PICKUP_STATE_DIR/notes/key"
printf '\\033[2J\\033[H'
level idle
exec sleep 300
`;

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(async () => {
  await box.destroy();
});

function launch(kind: 'command' | 'claude', program: string, behave = 'none'): string {
  let argv = program;
  if (program !== AGENT) {
    argv = join(box.dir, 'agent.sh');
    writeFileSync(argv, program, { mode: 0o755 });
  }
  box.configure(`${LIMITS}
[project.demo]
repo = ${JSON.stringify(box.repo)}
base = "main"
fetch = false

[agent.scripted]
kind = "${kind}"
argv = [${JSON.stringify(argv)}]
`);
  const words = ['--project', 'demo', '--agent', 'scripted', '--title', 'Do', '--body', `behave: ${behave}`];
  const added = box.run(['ticket', 'add', ...words, '--json']);
  expect(added).toMatchObject({ code: 0, err: '' });
  expect(box.run(['dispatch', '--json'])).toMatchObject({ code: 0, err: '' });
  return (JSON.parse(added.out) as { id: string }).id;
}
/** Sends as soon as the agent's own word lets it. */
async function sendOnceIdle(id: string, text: string): Promise<Ran> {
  let done: Ran = { code: null, out: '', err: '' };
  const went = await until(() => {
    done = box.run(['send', id, text, '--json']);
    return done.code !== 75;
  });
  expect(went, done.err).toBe(true);
  return done;
}
function event(id: string, kind: string): void {
  const mark = box.sql<{ mark: string }>('SELECT mark FROM runtime_sessions WHERE ticket_id = ?', id)[0]
    ?.mark;
  writeFileSync(join(box.state, 'runs', mark ?? '', 'events', `${kind}.${randomUUID()}`), '{}');
}
function deliveries(): Record<string, unknown>[] {
  return box.sql("SELECT outcome, ack_source FROM deliveries WHERE kind = 'send' ORDER BY at_ms");
}

it('presses no Enter into a dialog that opens after the paste: indeterminate', async () => {
  const id = launch('command', DIALOG);
  const sent = await sendOnceIdle(id, 'hello');
  expect(sent).toMatchObject({ code: 4, err: '' });
  expect(JSON.parse(sent.out)).toMatchObject({ outcome: 'indeterminate' });
  expect(await until(() => box.note('typed').startsWith('hello'))).toBe(true);
  expect(box.note('typed')).toBe('hello');
  expect(deliveries()).toEqual([{ outcome: 'indeterminate', ack_source: 'turn:0' }]);
  expect(box.run(['send', id, 'hello']).err).toContain('dialog');
});

it('a dialog that a person has closed is gone, though no event tells and the level lagged behind it', async () => {
  mkdirSync(join(box.state, 'notes'), { recursive: true });
  const id = launch('claude', ASKS);
  let denied: Ran = { code: null, out: '', err: '' };
  const went = await until(() => {
    denied = box.run(['answer', id, '--deny', '--json']);
    return denied.code !== 75;
  });
  expect(went, denied.err).toBe(true);
  expect(denied).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(denied.out)).toMatchObject({ outcome: 'delivered' });
  expect(box.note('key')).toBe('1b\n');
  expect(box.sql("SELECT ack_source FROM deliveries WHERE kind = 'permission'")).toEqual([
    { ack_source: 'screen' },
  ]);
  expect(box.run(['answer', id, '--allow']).code).toBe(75);
});

it('a dialog that takes no notice of its key is not said to be closed', async () => {
  mkdirSync(join(box.state, 'notes'), { recursive: true });
  const id = launch('claude', ASKS.replace(/^key=.*$/ms, 'exec cat >/dev/null\n'));
  let denied: Ran = { code: null, out: '', err: '' };
  const went = await until(() => {
    denied = box.run(['answer', id, '--deny', '--json']);
    return denied.code !== 75;
  });
  expect(went, denied.err).toBe(true);
  expect(denied.code).toBe(4);
  expect(JSON.parse(denied.out)).toMatchObject({ outcome: 'indeterminate' });
});

it('a question of a client that reports its turns is answered only when its turn has ended', async () => {
  const id = launch('claude', AGENT, 'ask');
  const status = () => box.sql<{ status: string }>('SELECT status FROM tickets WHERE id = ?', id)[0]?.status;
  expect(await until(() => status() === 'needs_input')).toBe(true);
  event(id, 'UserPromptSubmit');
  box.sql('UPDATE tickets SET reason_turn = 1 WHERE id = ?', id); // the prompt's own turn, in which it asks
  const early = box.run(['send', id, 'Blue']);
  expect(early.code).toBe(75);
  expect(early.err).toContain('RuntimeBusyError');
  expect(deliveries()).toEqual([]);
  event(id, 'Stop');
  expect(box.run(['send', id, '-'], 'Blue\n')).toMatchObject({ code: 0, err: '' });
  expect(await until(() => box.note(`${id}.answers`) === 'Blue\n')).toBe(true);
});

it('delivers no text twice: the same one is refused until a turn shows that the first arrived', async () => {
  const id = launch('command', DEAF);
  expect(JSON.parse((await sendOnceIdle(id, 'hello')).out)).toMatchObject({ outcome: 'indeterminate' });
  const again = box.run(['send', id, 'hello']);
  expect(again.code).toBe(75);
  expect(again.err).toMatch(/not acknowledged.*attach/);
  expect(box.note('typed')).toBe('hello\n');
  expect(deliveries()).toEqual([{ outcome: 'indeterminate', ack_source: 'turn:0' }]);

  expect(box.run(['send', id, 'other'])).toMatchObject({ code: 4, err: '' });
  box.sql("UPDATE deliveries SET outcome = 'pending' WHERE ack_source = 'turn:0'"); // as a crash leaves it
  expect(box.run(['send', id, 'other']).code).toBe(75);

  event(id, 'busy');
  await new Promise((done) => setTimeout(done, 20));
  event(id, 'idle');
  // The turn shows that it had arrived: so it is said, and not sent once more.
  const proved = box.run(['send', id, 'other']);
  expect(proved).toMatchObject({ code: 0, err: '' });
  expect(proved.out).toContain('delivered before');
  expect(box.note('typed')).toBe('hello\nother\n');
  expect(deliveries().slice(1)).toEqual([{ outcome: 'delivered', ack_source: 'event' }]);
  expect(box.run(['send', id, 'other'])).toMatchObject({ code: 4, err: '' }); // on purpose, a second time
  expect(box.note('typed')).toBe('hello\nother\nother\n');
  // What came after it, and arrived, is no word on the first one.
  expect(box.run(['send', id, 'hello'])).toMatchObject({
    code: 75,
    err: expect.stringContaining('not acknowledged'),
  });
  expect(box.note('typed')).toBe('hello\nother\nother\n');
});

/** Asks, and lives until it is told to end. */
const DYING = `#!/bin/sh
mc-pickup report needs-input --message 'Which colour?'
mc-event idle </dev/null
while [ ! -e "$MC_PICKUP_STATE_DIR/notes/end" ]; do sleep 0.05; done
`;

it('an answer to an agent that dies at that moment is kept, and its ticket goes to the next attempt', async () => {
  const id = launch('command', DYING);
  const status = () => box.sql<{ status: string }>('SELECT status FROM tickets WHERE id = ?', id)[0]?.status;
  expect(await until(() => status() === 'needs_input')).toBe(true);
  // Its pane takes nothing any more, and its process is still there: so it is with a client of a gigabyte.
  expect(box.tmux('set-option', '-p', '-t', '%0', '@mc_run', 'gone').code).toBe(0);
  const answering = box.start(['answer', id, 'Blue']);
  const refused = "SELECT 1 FROM deliveries WHERE kind = 'answer' AND outcome = 'refused'";
  expect(await until(() => box.sql(refused).length === 1)).toBe(true);
  box.signal('end');
  const answered = await answering;
  expect(answered).toMatchObject({ code: 0, err: '' });
  expect(answered.out).toContain('the ticket is in todo');
  expect(status()).toBe('todo');
});

it('a text that is typed has its Enter, though C-c ends the one that types it', async () => {
  const id = launch('command', DEAF);
  expect(await until(() => box.run(['send', id, 'first', '--json']).code !== 75)).toBe(true);
  const sending = box.begin(['send', id, 'half a word']);
  expect(await until(() => box.note('typed').endsWith('half a word'))).toBe(true);
  process.kill(sending.pid, 'SIGINT');
  expect((await sending.done).code).toBe(null);
  expect(await until(() => box.note('typed').endsWith('half a word\n'), 5000)).toBe(true);
});

/** Takes texts as Claude Code does: the terminal shows what is typed, and Enter sends it. */
const COMPOSER = `#!/bin/sh
mkdir -p "$MC_PICKUP_STATE_DIR/notes"
while :; do
  printf '\\n────\\n❯ '
  echo '{}' | mc-event Stop
  IFS= read -r text || exit 0
  echo '{}' | mc-event UserPromptSubmit
  echo "$text" >>"$MC_PICKUP_STATE_DIR/notes/typed"
done
`;

/** \`send\` is killed between its paste and its Enter. */
async function killedAfterPaste(id: string, text: string): Promise<void> {
  const env = { MC_PICKUP_FAILPOINT: `send-pasted:kill:${join(box.dir, 'hit')}` };
  await waitFor(async () => (await box.begin(['send', id, text], env, FAIL_BIN).done).code === null);
}

it('a text that its killed sender left without Enter is seen, and no text is joined to it', async () => {
  const id = launch('claude', COMPOSER);
  await killedAfterPaste(id, 'first');
  for (let n = 0; n < 2; n++)
    expect(box.run(['send', id, 'second'])).toMatchObject({
      code: 75,
      err: expect.stringMatching(/showing a text that had no Enter.*press Enter/),
    });
  // A person sends it.
  expect(box.tmux('send-keys', '-t', '%0', 'Enter').code).toBe(0);
  expect(await until(() => box.note('typed') === 'first\n')).toBe(true);
  expect(await sendOnceIdle(id, 'second')).toMatchObject({ code: 0, err: '' });
  expect(box.note('typed')).toBe('first\nsecond\n');
  expect(deliveries()).toMatchObject([{ outcome: 'delivered' }, { outcome: 'delivered' }]);
  // Nor to the words of a person who is typing.
  box.tmux('send-keys', '-l', '-t', '%0', 'half a');
  expect(await until(() => box.tmux('capture-pane', '-p', '-t', '%0').out.includes('half a'))).toBe(true);
  expect(box.run(['send', id, 'third']).code).toBe(75);
  box.tmux('send-keys', '-t', '%0', 'C-u');
  expect(await sendOnceIdle(id, 'third')).toMatchObject({ code: 0, err: '' });
  expect(box.note('typed')).toBe('first\nsecond\nthird\n');
});

/** The same, and after this text it draws the whole screen, without a place for texts, until a key is pressed. */
const COVERED = COMPOSER.replace(
  '  echo "$text"',
  `  [ "$text" != cover ] || { printf '\\033[?1049h\\033[2J\\033[Hsome dialog'; echo '{}' | mc-event Stop; IFS= read -r key; printf '\\033[?1049l'; }
  echo "$text"`,
);

it('a client gets in a file what it would read something into, and nothing while something covers its composer', async () => {
  const id = launch('claude', COVERED);
  const typed = () => box.note('typed').split('\n').filter(Boolean);
  expect(await sendOnceIdle(id, 'look at @/etc/hostname\r\nand\u0007 $HOME')).toMatchObject({
    code: 0,
    err: '',
  });
  expect(await sendOnceIdle(id, '!touch it')).toMatchObject({ code: 0, err: '' });
  const [first = '', second] = typed();
  const file =
    /^Read the file (\/\S+\/text-[0-9a-f]{16}\.md): all of it is a message for you/.exec(first)?.[1] ?? '';
  expect(readFileSync(file, 'utf8')).toBe('look at @/etc/hostname\nand $HOME');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(second).toBe('Message for you: !touch it');
  // The same text is the same one, though its file would be another.
  box.sql(
    "UPDATE deliveries SET outcome = 'indeterminate', ack_source = 'turn:0' WHERE outcome = 'delivered'",
  );
  await waitFor(() =>
    box.run(['send', id, 'look at @/etc/hostname\nand $HOME']).err.includes('sent already'),
  );
  box.sql("UPDATE deliveries SET outcome = 'delivered'");

  expect((await sendOnceIdle(id, 'cover')).code).toBe(0);
  const covered = () => box.run(['send', id, 'late']).err;
  await waitFor(() => covered().includes('something else than where it takes a text'));
  box.tmux('send-keys', '-t', '%0', 'Enter');
  expect(await sendOnceIdle(id, 'late')).toMatchObject({ code: 0, err: '' });
  expect(typed().slice(2)).toEqual(['cover', 'late']);
});

it('where no composer is seen, the text after a killed sender is refused once, with what to do', async () => {
  const id = launch('command', DEAF);
  await killedAfterPaste(id, 'first');
  expect(await until(() => box.note('typed') === 'first')).toBe(true);
  const refused = box.run(['send', id, 'second']);
  expect(refused.code).toBe(75);
  expect(refused.err).toMatch(/maybe showing a text that had no Enter.*killed.*press Enter/);
  expect(box.note('typed')).toBe('first');
  expect(deliveries()).toEqual([{ outcome: 'indeterminate', ack_source: 'turn:0' }]);
  box.tmux('send-keys', '-t', '%0', 'Enter');
  expect(box.run(['send', id, 'second'])).toMatchObject({ code: 4, err: '' });
  expect(box.note('typed')).toBe('first\nsecond\n');
});
