/**
 * docs/worked-example.md, for real: fifty tickets of a task list go through agents in tmux to pull requests on a forge that
 * stands on loopback, with one round of rework, one merge and one close; each thing is told once, and what is proposed for
 * cleaning is what is safe and nothing else.
 */
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ForgeRig } from '../forge/rig.ts';
import { Receiver } from '../support/receiver.ts';
import { AGENT, BOUND_MS, git, until } from '../support/sandbox.ts';

const TICKETS = 50;

// Agents that are done at once are told of in one message, which lists ten: no more than five at work and five just done.
let shop: ForgeRig;
let team: Receiver;
beforeAll(async () => {
  shop = await ForgeRig.start();
  team = await Receiver.start();
  shop.rig.configure({
    limits:
      'default_agent = "worker"\n[limits]\nmax_agents = 5\nmax_launches_per_tick = 5\nretry_base_seconds = 0.2\n',
    project: `[project.demo.review]\n${shop.gitHub()}`,
    more: `
[agent.worker]
kind = "command"
argv = [${JSON.stringify(AGENT)}]
env = { MC_BEHAVE = "review" }

[[notify]]
on = ["in_review", "done", "cancelled", "blocked", "needs_input"]
webhook = { url = "${team.url}/team" }
`,
  });
});
afterAll(async () => {
  await shop.destroy();
  await team.close();
});

const count = (status: string): number =>
  shop.rig.box.sql<{ n: number }>('SELECT count(*) AS n FROM tickets WHERE status = ?', status)[0]?.n ?? 0;
const open = (): number =>
  shop.rig.box.sql<{ n: number }>("SELECT count(*) AS n FROM reviews WHERE stage = 'open'")[0]?.n ?? 0;

async function run(...args: string[]): Promise<string> {
  const done = await shop.run(...args);
  // What follows a tick is bounded, and on a loaded machine says so: the next tick does it.
  const err = done.err.replace(/^.*it was not through after \d+ s.*\n/gm, '');
  expect({ ...done, err }, args.join(' ')).toMatchObject({ code: 0, err: '' });
  return done.out;
}

/** Ticks, as a scheduler starts them, until something holds. */
async function ticking(what: string, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 2 * BOUND_MS; performance.now() < end && !holds(); ) {
    const done = await shop.tick();
    expect([what, done.code, done.err]).toEqual([what, 0, '']);
    await until(() => holds() || count('in_progress') === 0); // agents work between two ticks
  }
  expect([what, holds()]).toEqual([what, true]);
}

/** How often each ticket was told of as this. */
function told(kind: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const event of team.messages.flatMap(({ events }) => events))
    if (event.kind === kind) found.set(event.ticket ?? '', (found.get(event.ticket ?? '') ?? 0) + 1);
  return found;
}

it('fifty tickets go from a list to pull requests, through rework, a merge and a close, and are cleaned up', async () => {
  const { rig, forge } = shop;
  const { box } = rig;
  const plan = join(box.dir, 'plan.md');
  cpSync(join(import.meta.dirname, 'plan.md'), plan);

  // In: once, whatever is run twice, and trusted only when a person says so.
  expect(await run('ticket', 'import', plan, '--project', 'demo', '--dry-run')).toContain('50');
  expect(existsSync(box.boardFile)).toBe(false);
  await run('ticket', 'import', plan, '--project', 'demo');
  await run('ticket', 'import', plan, '--project', 'demo');
  expect(count('todo')).toBe(TICKETS);
  expect((await shop.tick()).skipped.map(({ because }) => because)).toContain('untrusted');
  const ids = box.sql<{ id: string }>('SELECT id FROM tickets ORDER BY seq').map(({ id }) => id);
  for (const id of ids) await run('ticket', 'move', id, 'todo');

  // Through: an agent each, in tmux, in a worktree of its own, and out to the forge.
  await ticking('all in review', () => count('in_review') === TICKETS);
  await ticking('all open on the forge', () => open() === TICKETS);
  expect(forge.pulls).toHaveLength(TICKETS);
  expect(shop.opened()).toHaveLength(TICKETS);
  expect(new Set(forge.branches()).size).toBe(TICKETS + 1);
  for (const id of ids) expect(rig.runs(id)).toHaveLength(1);

  // One is sent back with words, and comes again on the same branch and in the same pull request.
  const [merged = '', closed = '', again = ''] = ids;
  const pull = (id: string) => forge.pulls.find(({ branch }) => branch.startsWith(`mc/${id}-`));
  const before = forge.tip(pull(again)?.branch ?? '');
  await run('ticket', 'rework', again, '--message', 'Also for customers without an account.');
  await ticking('the reworked one in review again', () => rig.ticket(again).status === 'in_review');
  expect(rig.runs(again)).toHaveLength(2);
  const second = rig.runs(again).at(-1);
  expect(rig.runFile(second?.mark ?? '', 'prompt.md')).toContain('Also for customers without an account.');
  await ticking('its second commit on the forge', () => forge.tip(pull(again)?.branch ?? '') !== before);

  // One is merged there, one is closed.
  forge.merge(pull(merged)?.number ?? 0);
  forge.close(pull(closed)?.number ?? 0);
  await ticking(
    'done and cancelled',
    () => rig.ticket(merged).status === 'done' && rig.ticket(closed).status === 'cancelled',
  );
  expect(count('in_review')).toBe(TICKETS - 2);

  // Told: once each.
  await shop.tick();
  expect(told('in_review')).toEqual(new Map(ids.map((id) => [id, id === again ? 2 : 1])));
  expect(told('done')).toEqual(new Map([[merged, 1]]));
  expect(told('cancelled')).toEqual(new Map([[closed, 1]]));
  expect(told('blocked').size + told('needs_input').size).toBe(0);
  expect(team.messages.every(({ more, dropped }) => more === 0 && dropped === 0)).toBe(true);

  // What may go is the worktree of the merged one and, since its commits are on the remote, of the closed one.
  git(box, 'fetch', '-q', 'origin');
  const proposed = JSON.parse(await run('clean', '--only', 'worktrees', '--json')) as {
    readonly items: readonly { readonly ticket: string | null; readonly because: string }[];
    readonly left: readonly object[];
  };
  expect(proposed.items.map(({ ticket }) => ticket).sort()).toEqual([merged, closed].sort());
  const cleaned = JSON.parse(await run('clean', '--only', 'worktrees', '--yes', '--json')) as {
    readonly items: readonly { readonly ticket: string; readonly result: string; readonly restore: string }[];
  };
  expect(cleaned.items.map(({ result }) => result)).toEqual(['done', 'done']);
  const worktree = (id: string) => join(box.state, 'worktrees', 'demo', id);
  expect(ids.filter((id) => !existsSync(worktree(id)))).toEqual([merged, closed]);

  // And out again: whatever board reads it has the same tickets.
  const out = join(box.dir, 'board.jsonl');
  await run('ticket', 'export', out);
  expect(readFileSync(out, 'utf8').trim().split('\n')).toHaveLength(TICKETS);
  mkdirSync(join(box.dir, 'other'));
  await run('--state-dir', join(box.dir, 'other'), 'ticket', 'import', out);
  const kept = JSON.parse(await run('--state-dir', join(box.dir, 'other'), 'ticket', 'list', '--json')) as {
    status: string;
  }[];
  expect(kept.filter(({ status }) => status === 'in_review')).toHaveLength(TICKETS - 2);
});
