/** What an agent says its session is: a word of the next attempt's command line, and a part of a path. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { until } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.box.destroy());

const GOOD = '0199a4c2-1111-4222-8333-444455556666';

/** A client that says this of its session in its first attempt, leaves a record of it, and is killed. */
async function client(session: string): Promise<string> {
  const file = join(rig.box.dir, 'claude.sh');
  const record = `$HOME/.claude/projects/x/${session}.jsonl`;
  writeFileSync(
    file,
    `#!/bin/sh
[ "$1" = --version ] && echo "2.1.330 (Claude Code)" && exit
notes=$MC_PICKUP_STATE_DIR/notes; mkdir -p "$notes"
n=$(ls "$notes" | grep -c argv)
for word; do printf '%s\\n' "$word"; done >"$notes/argv$n.new"
mkdir -p "$HOME/.claude/projects/x" "$(dirname "${record}")"
echo '{"type":"user","message":{"role":"user","content":"x"}}' >"${record}"
printf '%s' '${JSON.stringify({ session_id: session, prompt: 'x' })}' | mc-event UserPromptSubmit
mv "$notes/argv$n.new" "$notes/argv$n"
exec sleep 1000
`,
    { mode: 0o755 },
  );
  rig.configure({ more: `[agent.odd]\nkind = "claude"\nargv = [${JSON.stringify(file)}]\n` });
  const add = ['ticket', 'add', '--project', 'demo', '--agent', 'odd', '--title', 'odd', '--json'];
  return (JSON.parse((await rig.box.here(add)).out) as { id: string }).id;
}

async function secondArgv(session: string): Promise<string[]> {
  const id = await client(session);
  await rig.tickHere();
  expect(await until(() => rig.box.note('argv0') !== '')).toBe(true);
  await rig.tickHere();
  await rig.kill(rig.run(id).pid);
  expect(
    await until(async () => {
      await rig.tickHere();
      return rig.box.note('argv1') !== '';
    }),
  ).toBe(true);
  return rig.box.note('argv1').split('\n');
}

it.each(['--dangerously-skip-permissions', '../../../planted', 'a b', ''])(
  'that is none of its client (%j) is no argument of the next attempt, which begins anew',
  async (session) => {
    const argv = await secondArgv(session);
    expect(argv.join(' ')).not.toMatch(/dangerously|planted|resume/);
    expect(argv).toContain('--session-id');
    const rows = rig.box.sql<{ client_session: string | null }>(
      'SELECT client_session FROM runtime_sessions',
    );
    expect(rows.map(({ client_session }) => client_session)).toEqual([null, null]);
  },
  60_000,
);

it('is continued where it is one, in a word of which it cannot get out', async () => {
  expect(await secondArgv(GOOD)).toContain(`--resume=${GOOD}`);
});
