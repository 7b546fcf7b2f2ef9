/** A client that comes up with a dialog which nobody knows: a person is asked, with its screen, and nothing is typed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { until } from '../support/sandbox.ts';

/** Claude Code as it comes up where a repository names a server for it: no hook runs and no record is written before that is answered. */
const CLIENT = `#!/bin/sh
[ "$1" = --version ] && echo 9.9.9 && exit
stty -icanon -echo
printf 'New MCP server found in .mcp.json: docs\\n\\n❯ 1. Use this MCP server\\n  2. Continue without it\\n'
dd bs=1 count=1 2>/dev/null >"$MC_PICKUP_STATE_DIR/notes/typed"
printf '\\033[2J\\033[H'
echo '{"session_id":"00000000-0000-4000-8000-000000000000","prompt":"p"}' | mc-event UserPromptSubmit
exec sleep 300
`;

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

/** A tick after so much observed time. */
async function tickAfter(ms: number): Promise<ReturnType<typeof rig.tick>> {
  rig.box.sql('UPDATE hosts SET mono_ms = mono_ms - ?', ms);
  return await rig.tickHere();
}

it('a dialog that is not known: after two minutes a person is asked, with the screen, and nothing is typed ("New MCP server found")', async () => {
  const client = join(rig.box.dir, 'client.sh');
  writeFileSync(client, CLIENT, { mode: 0o755 });
  rig.configure({ more: `\n[agent.real]\nkind = "claude"\nargv = [${JSON.stringify(client)}]\n` });
  const id = rig.add('none', '--agent', 'real');
  rig.box.signal('here'); // makes the notes
  expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
  const shown = () => rig.box.tmux('capture-pane', '-p', '-t', rig.run(id).tmux_pane).out;
  expect(await until(() => shown().includes('2. Continue'))).toBe(true);

  await tickAfter(5000);
  await tickAfter(5000);
  expect(rig.ticket(id).status).toBe('in_progress');
  expect((await tickAfter(120_000)).reconcile).toMatchObject([
    { kind: 'ask', ticket: id, because: 'agent_waiting', after: 'needs_input' },
  ]);
  const { reason_text: question } = rig.ticket(id);
  expect(question).toContain('New MCP server found in .mcp.json: docs');
  expect(question).toContain(`mc-pickup attach ${id}`);
  expect((await tickAfter(120_000)).reconcile).toEqual([]); // it stands
  for (const words of [['Use it'], ['--allow']]) {
    const answered = await rig.box.here(['answer', id, ...words]);
    expect(answered.code).toBe(75);
    expect(answered.err).toContain(`mc-pickup attach ${id}`);
  }
  expect(rig.box.note('typed')).toBe('');

  expect(rig.box.tmux('send-keys', '-t', rig.run(id).tmux_pane, '1').code).toBe(0); // the person
  expect(await until(() => rig.box.note('typed') === '1')).toBe(true);
  expect(
    await until(async () => {
      await rig.tickHere();
      return rig.ticket(id).status === 'in_progress';
    }),
  ).toBe(true);
});

/** Claude Code while its own tool asks: an option has whatever an agent likes to write. */
const ASKING = `#!/bin/sh
[ "$1" = --version ] && echo 9.9.9 && exit
stty -icanon -echo
rule=$(printf '%0100d' 0 | sed 's/0/─/g')
at=1 own='Type something.' question='Which colour?'
row() { [ "$at" = "$1" ] && printf '❯ ' || printf '  '; printf '%s. %s\\n' "$1" "$2"; }
draw() {
  printf '\\033[2J\\033[H%s\\n ☐ Choice\\n\\n%s\\n\\n' "$rule" "$question"
  row 1 'red'; row 2 "#{pane_id}; \\"it's\\" \\\\ #(date) *"; row 3 "$own"
  printf '%s\\n  4. Chat about this\\n\\nEnter to select\\n' "$rule"
}
id='"session_id":"00000000-0000-4000-8000-000000000000"'
echo "{$id,\\"prompt\\":\\"p\\"}" | mc-event UserPromptSubmit
draw
echo "{$id,\\"tool_name\\":\\"AskUserQuestion\\",\\"tool_input\\":{\\"questions\\":[{\\"question\\":\\"$question\\",\\"options\\":[{\\"label\\":\\"red\\"},{\\"label\\":\\"odd\\"}]}]}}" | mc-event PreToolUse
while :; do
  key=$(dd bs=1 count=1 2>/dev/null | tr '\\r\\n' ..; echo x)
  key=\${key%x}
  printf '%s' "$key" >>"$MC_PICKUP_STATE_DIR/notes/typed"
  [ -e "$MC_PICKUP_STATE_DIR/notes/other" ] && question='Which size?'
  case $at$key in
    33*) at=3 ;;
    3.|1[12]) break ;;
    3*) [ "$own" = 'Type something.' ] && own=; own=$own$key ;;
    13) at=3 ;;
  esac
  draw
done
printf '\\033[2J\\033[H'
echo "{$id,\\"tool_name\\":\\"AskUserQuestion\\"}" | mc-event PostToolUse
exec sleep 300
`;

it("a question of the client's own tool is answered by the keys for it, one look at the very rows before each", async () => {
  const client = join(rig.box.dir, 'client.sh');
  writeFileSync(client, ASKING, { mode: 0o755 });
  rig.configure({ more: `\n[agent.real]\nkind = "claude"\nargv = [${JSON.stringify(client)}]\n` });
  rig.box.signal('here'); // makes the notes
  const asking = async () => {
    const id = rig.add('none', '--agent', 'real');
    await rig.tickHere();
    expect(
      await until(async () => {
        await rig.tickHere();
        return rig.ticket(id).status === 'needs_input';
      }),
    ).toBe(true);
    return id;
  };
  const answer = (id: string, ...words: string[]) => rig.box.here(['answer', id, ...words]);

  const first = await asking();
  expect(rig.ticket(first).reason_text).toBe('Which colour?\n  1. red\n  2. odd');
  expect((await rig.box.here(['explain', first])).out).toMatch(
    /answer MC-1 N .*\n.*answer MC-1 "\.\.\." .*\n.*attach/,
  );
  for (const words of [['3'], ['1 2'], ['--allow']])
    expect(await answer(first, ...words)).toMatchObject({ code: 2 });
  expect(rig.box.note('typed')).toBe('');
  const done = await answer(first, '2');
  expect(done).toMatchObject({ code: 0, err: '' });
  expect(done.out).toContain('answered: Which colour?');
  expect(rig.box.note('typed')).toBe('2');
  expect(rig.ticket(first).status).toBe('in_progress'); // it has looked once more: no tick is needed for that
  // It belongs to the ticket, whose next attempt would have it.
  expect(rig.box.sql('SELECT text FROM answers WHERE ticket_id = ?', first)).toMatchObject([
    { text: expect.stringContaining('Which colour?\n#{pane_id}') },
  ]);

  const second = await asking();
  expect(await answer(second, 'teal; #{x} "y"')).toMatchObject({ code: 0, err: '' });
  expect(rig.box.note('typed')).toBe('23teal; #{x} "y".');

  // While it was answered it came to ask something else: nothing more is pressed, and the words are not kept as said.
  const third = await asking();
  rig.box.signal('other');
  const changed = await answer(third, 'teal');
  expect(changed).toMatchObject({ code: 75 });
  expect(rig.box.note('typed')).toBe('23teal; #{x} "y".3');
});

it('a dialog of the first run is told at the first tick 15 s after the start, though it was drawn since the last one', async () => {
  const client = join(rig.box.dir, 'client.sh');
  const shows =
    '[ "$1" = --version ] && echo 9.9.9 && exit\nprintf "Is this a project you trust?\\n\\n  1. Yes, I trust this folder\\n"';
  writeFileSync(client, `#!/bin/sh\n${shows}\nexec sleep 300\n`, { mode: 0o755 });
  rig.configure({ more: `\n[agent.real]\nkind = "claude"\nargv = [${JSON.stringify(client)}]\n` });
  const id = rig.add('none', '--agent', 'real');
  await rig.tickHere();
  const shown = () => rig.box.tmux('capture-pane', '-p', '-t', rig.run(id).tmux_pane).out;
  expect(await until(() => shown().includes('I trust this folder'))).toBe(true);
  rig.box.sql('UPDATE runtime_sessions SET registered_at_ms = registered_at_ms - 15000');
  await rig.tickHere();
  expect(rig.ticket(id)).toMatchObject({ status: 'needs_input', attempts: 0 });
  expect(rig.ticket(id).reason_text).toContain('mc-pickup init --project --trust');
});
