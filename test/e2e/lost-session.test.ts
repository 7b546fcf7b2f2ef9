/** A client that is to go on with a session which it does not have any more: "No conversation found with session ID". */
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

const SESSION = '0199a4c2-1111-4222-8333-444455556666';

it('costs no attempt: the next one begins anew, with the whole prompt, and that session is never tried again', async () => {
  const file = join(rig.box.dir, 'claude.sh');
  const record = `$HOME/.claude/projects/x/${SESSION}.jsonl`;
  // Each run of it is noted by what it was to go on with; only the first one of all says that it has this session.
  writeFileSync(
    file,
    `#!/bin/sh
[ "$1" = --version ] && echo "2.1.330 (Claude Code)" && exit
notes=$MC_PICKUP_STATE_DIR/notes; mkdir -p "$notes"
for word; do case $word in --resume=*)
  echo resumed >>"$notes/runs"; echo "No conversation found with session ID: \${word#--resume=}"; exit 1
esac; done
mkdir -p "$HOME/.claude/projects/x"
echo '{"type":"user","message":{"role":"user","content":"x"}}' >"${record}"
[ -e "$notes/runs" ] || printf '{"session_id":"${SESSION}","prompt":"x"}' | mc-event UserPromptSubmit
cp "$MC_PROMPT_FILE" "$notes/prompt"; echo x >left.txt
echo fresh >>"$notes/runs"
exec sleep 1000
`,
    { mode: 0o755 },
  );
  rig.configure({ more: `[agent.odd]\nkind = "claude"\nargv = [${JSON.stringify(file)}]\n` });
  const words = ['ticket', 'add', '--project', 'demo', '--agent', 'odd', '--title', 'The roof', '--json'];
  const { id } = JSON.parse((await rig.box.here(words)).out) as { id: string };
  const runs = () => rig.box.note('runs').split('\n').filter(Boolean);
  const ticked = (count: number) =>
    until(async () => {
      await rig.tickHere();
      return runs().length >= count;
    });
  await rig.tickHere();
  expect(await until(() => runs().length === 1)).toBe(true);
  await rig.tickHere();
  await rig.kill(rig.run(id).pid);
  expect(await ticked(3)).toBe(true);
  expect(runs()).toEqual(['fresh', 'resumed', 'fresh']);
  expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', attempts: 1 });
  expect(rig.runs(id).map(({ end_reason }) => end_reason)).toEqual(['agent_killed', 'session_lost', null]);
  const prompt = rig.box.note('prompt');
  expect(prompt).toMatch(
    /The roof[\s\S]*An earlier attempt ended: agent_killed[\s\S]*The worktree is as it was left[\s\S]*left\.txt/,
  );
  // The next one is not sent there either.
  await rig.kill(rig.run(id).pid);
  expect(await ticked(4)).toBe(true);
  expect(runs()).toEqual(['fresh', 'resumed', 'fresh', 'fresh']);
});
