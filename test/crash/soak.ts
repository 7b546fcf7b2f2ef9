/*
 * `npm run test:soak -- [--kills N] [--walks N] [--minutes N]`: real ticks killed at random moments beside scripted agents
 * that really commit, then everything is counted; and random walks over the model, from a seed that is printed.
 * It stops in good order when the minutes are over, and says how far it came.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { randomWalks } from '../explorer/random.ts';
import { Rig } from '../support/rig.ts';
import { git, until } from '../support/sandbox.ts';

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(name);
  const value = at < 0 ? otherwise : Number(process.argv[at + 1]);
  if (!Number.isFinite(value) || value < 0) throw new Error(`${name} wants a number`);
  return value;
}

const KILLS = option('--kills', 2000);
const WALKS = option('--walks', 5000);
const end = performance.now() + option('--minutes', 60) * 60_000;
/** A tick that launches takes about this long here: a kill lands anywhere in it, or just after. */
const TICK_MS = 220;
const BATCH = 50;

const LIMITS = `[limits]
max_agents = 8
max_launches_per_tick = 8
max_attempts = 100
retry_base_seconds = 0.1
retry_max_seconds = 0.2
launch_deadline_seconds = 0.5
`;

interface Counted {
  kills: number;
  landed: number;
  tickets: number;
  agents: number;
  commits: number;
  reports: number;
}

/** So many kills on a board of its own; what was counted afterwards, each number exact or an error. */
async function campaign(kills: number): Promise<Counted> {
  const rig = new Rig({ limits: LIMITS });
  const ids: string[] = [];
  const counted: Counted = { kills: 0, landed: 0, tickets: 0, agents: 0, commits: 0, reports: 0 };
  try {
    for (; counted.kills < kills && performance.now() < end; counted.kills++) {
      if (counted.kills % 2 === 0) ids.push(rig.add('review'));
      const running = rig.box.begin(['dispatch', '--json']);
      const at = performance.now() + randomInt(TICK_MS * 1000) / 1000;
      await pause(Math.max(0, at - performance.now() - 2));
      while (performance.now() < at); // a timer is no better than a millisecond
      running.kill();
      if ((await running.done).code === null) counted.landed += 1;
    }
    const open = (): boolean =>
      ids.some((id) => rig.ticket(id).status !== 'in_review' || rig.live(id) !== undefined);
    const done = await until(() => {
      if (open()) rig.tick();
      return !open();
    });
    if (!done)
      throw new Error(
        `left over: ${JSON.stringify(ids.map((id) => rig.ticket(id)).filter(({ status }) => status !== 'in_review'))}`,
      );
    for (const id of ids) count(rig, id, counted);
    return counted;
  } finally {
    await rig.box.destroy();
  }
}

function count(rig: Rig, id: string, counted: Counted): void {
  const agents = rig.started(id);
  const { worktree } = rig.runs(id).at(-1) ?? { worktree: '' };
  const commits = git(rig.box, '-C', worktree, 'log', '--oneline', 'main..HEAD').trim().split('\n').length;
  const lines = readFileSync(join(worktree, `work-${id}.txt`), 'utf8')
    .trim()
    .split('\n').length;
  const reports =
    rig.box.sql<{ n: number }>(
      "SELECT count(*) AS n FROM activity WHERE ticket_id = ? AND kind = 'report'",
      id,
    )[0]?.n ?? 0;
  const found = { agents, commits, lines, reports };
  if (Object.values(found).some((n) => n !== 1))
    throw new Error(`${id}: ${JSON.stringify(found)}, each of them must be 1`);
  counted.tickets += 1;
  counted.agents += agents;
  counted.commits += commits;
  counted.reports += reports;
}

let failed = false;
const start = performance.now();
const since = (): string => `${((performance.now() - start) / 1000).toFixed(0)} s`;

const total: Counted = { kills: 0, landed: 0, tickets: 0, agents: 0, commits: 0, reports: 0 };
while (total.kills < KILLS && performance.now() < end && !failed) {
  try {
    const counted = await campaign(Math.min(BATCH, KILLS - total.kills));
    for (const name of Object.keys(total) as (keyof Counted)[]) total[name] += counted[name];
  } catch (error) {
    failed = true;
    process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
}
if (KILLS > 0)
  process.stdout.write(
    `${total.kills} of ${KILLS} ticks killed (${total.landed} before their end): ${total.tickets} tickets, ${total.agents} agents started, ` +
      `${total.commits} commits, ${total.reports} reports, ${failed ? 'NOT exact' : 'all exact'}; ${since()}\n`,
  );

const STEP = 100;
let walks = 0;
let seed = option('--seed', randomInt(2 ** 31));
while (walks < WALKS && performance.now() < end && !failed) {
  try {
    await randomWalks(Math.min(STEP, WALKS - walks), 120, seed);
    walks += STEP;
    seed = (seed + 1) % 2 ** 31;
  } catch (error) {
    failed = true;
    process.stdout.write(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}
if (WALKS > 0)
  process.stdout.write(
    `${walks} of ${WALKS} random walks, last seed ${seed}: ${failed ? 'VIOLATION' : 'no violation'}; ${since()}\n`,
  );
process.exitCode = failed ? 1 : 0;
