/** A child process of the board's tests: `<board> <lock> <name> <cap> <ticks>`. It claims as a tick does: under the tick
 *  lock, from one look at the board, what the decision says. Prints what it won and how often it came too late. */
import { setTimeout as pause } from 'node:timers/promises';
import { openBoard, tryTickLock } from '../../src/board/sqlite/index.ts';
import { decide } from '../../src/decide/index.ts';
import { aPolicy, aProfile, aProject, aWorld, observed } from './builders.ts';

const [path = '', lockFile = '', name = '', cap = '', ticks = ''] = process.argv.slice(2);
const policy = aPolicy({
  limits: { max_agents: Number(cap), max_launches_per_tick: 1000 },
  projects: [aProject({ name: 'p' })],
  agents: [aProfile({ name: 'a' })],
  default_agent: 'a',
});
const board = openBoard(path);
const won: string[] = [];
let overlaps = 0;

for (let held = 0; held < Number(ticks); ) {
  const lock = tryTickLock(lockFile);
  if (lock === null) {
    overlaps += 1;
    await pause(1);
    continue;
  }
  held += 1;
  const look = { owners: [], authors: [], projects: ['p'], host_id: 'h', now_ms: 1, limit: 500 };
  const { tickets, runtimes } = await board.snapshot(look);
  const world = aWorld({ host_id: 'h', tickets, runtimes: runtimes.map((row) => observed(row)) });
  // A more urgent ticket comes in after each look: whoever looks next plans another set.
  const urgent = {
    title: 'urgent',
    body: '',
    status: 'todo',
    priority: 0,
    project: 'p',
    labels: [],
  } as const;
  const from = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
  await board.addTicket({ ...urgent, ...from }, 1);
  for (const step of decide(world, policy, { dispatch: true, max: null, project: null }).dispatch) {
    if (step.kind !== 'launch') continue;
    const { ticket, guard, agent, project, attempt } = step;
    const run = `${name}-${held}-${ticket}`;
    const request = { ticket, guard, run, agent, project, attempt, host_id: 'h', boot_id: null };
    if ((await board.claim(request, name, 1)) === 'won') won.push(ticket);
    await pause(2);
  }
  lock.release();
}
board.close();
process.stdout.write(JSON.stringify({ won, overlaps }));
