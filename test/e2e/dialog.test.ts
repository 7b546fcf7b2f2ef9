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
