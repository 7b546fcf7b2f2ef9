import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from '../support/rig.ts';
import { git } from '../support/sandbox.ts';

let rig: Rig;
beforeAll(() => {
  rig = new Rig();
  const agent = join(rig.box.dir, 'rebases');
  rig.configure({ more: `[agent.rebases]\nkind = "command"\nargv = [${JSON.stringify(agent)}]\n` });
  // The first attempt is killed in the middle of a rebase, and of git's own work on the index.
  writeFileSync(
    agent,
    `#!/bin/sh
notes=$MC_PICKUP_STATE_DIR/notes; mkdir -p $notes; echo "$MC_RUN_ID $$" >>$notes/$MC_TICKET_ID.started
g() { git -c user.name=agent -c user.email=agent@localhost -c core.editor=true "$@"; }
if [ ! -e $notes/$MC_TICKET_ID.first ]; then
  : >$notes/$MC_TICKET_ID.first
  echo mine >README.md && g commit -qam mine
  g rebase theirs
  : >$(git rev-parse --git-dir)/index.lock
  [ $MC_TICKET_ID = MC-1 ] || { trap '' HUP; sleep 600 </dev/null >/dev/null 2>&1 & echo $! >$notes/left; }
  kill -9 $$
fi
if [ -e $notes/left ]; then kill $(cat $notes/left); rm $notes/left $(git rev-parse --git-dir)/index.lock; fi
echo both >README.md
g add README.md && g rebase --continue && mc-pickup report review --message done
`,
  );
  chmodSync(agent, 0o755);
  const { repo } = rig.box;
  git(rig.box, 'switch', '-q', '-c', 'theirs');
  writeFileSync(join(repo, 'README.md'), 'theirs\n');
  git(rig.box, 'commit', '-qam', 'theirs');
  git(rig.box, 'switch', '-q', 'main');
});
afterAll(() => rig.box.destroy());

test('killed in a rebase, the next agent is told and ends it, and the review has its commits', async () => {
  const id = rig.add('rebase', '--agent', 'rebases');
  await rig.ticksUntilStarted(id, 2);
  await rig.settle(id, 'in_review');
  const { mark } = rig.runs(id).at(-1) ?? expect.fail('no run');
  const prompt = readFileSync(join(rig.box.state, 'runs', mark, 'prompt.md'), 'utf8');
  expect(prompt).toContain(
    `which was left on something else than its branch mc/${id}-do-rebase. Stay in it.`,
  );
  expect(prompt).toContain('A rebase is in progress in it: look at what it has done');
  expect(prompt).toMatch(/ticket-data \w+\n[\s\S]*both modified: +README.md[\s\S]*\w+ ticket-data>>>/);
  expect(existsSync(join(rig.box.repo, '.git', 'worktrees', id, 'index.lock'))).toBe(false);
  const said = rig.box.sql<{ text: string }>("SELECT text FROM activity WHERE kind = 'warning' ORDER BY id");
  expect(said.map(({ text }) => text)).toEqual([
    expect.stringContaining('index.lock was left by a run that has ended'),
    expect.stringContaining('is on a detached HEAD'),
    expect.stringContaining('a rebase is in progress'),
  ]);
  expect(rig.box.run(['diff', id]).out).toMatch(/ mine\n[\s\S]*\+both/);
  expect(rig.ticket(id).attempts).toBe(1);
});

test('what a dead run has left at work in the worktree is told to the next agent, and its lock stays', async () => {
  const id = rig.add('rebase', '--agent', 'rebases');
  await rig.ticksUntilStarted(id, 2);
  await rig.settle(id, 'in_review');
  const { mark } = rig.runs(id).at(-1) ?? expect.fail('no run');
  const prompt = readFileSync(join(rig.box.state, 'runs', mark, 'prompt.md'), 'utf8');
  expect(prompt).toMatch(/git is locked by .*index\.lock \(process \d+ works there\)/);
  expect(prompt).toMatch(/processes work in .* already: \d+ \(sleep\)/);
});
