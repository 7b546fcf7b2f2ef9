/** A child process of the board's tests: `<state dir> <cap> <ticks>`. It claims as a tick does: under the tick lock, from
 *  one look at the board, what the decision says. Prints what it won and how often it came too late. */
import { setTimeout as pause } from 'node:timers/promises';
import { claim } from '../../src/act/launch/index.ts';
import { realOutside } from '../../src/act/real.ts';
import { openBoard } from '../../src/board/sqlite/index.ts';
import { decide } from '../../src/decide/index.ts';
import { tryTickLock } from '../../src/machine/lock.ts';
import { placesOf } from '../../src/machine/paths.ts';
import { observe } from '../../src/tick/observe/index.ts';
import { aPolicy } from './builders.ts';

const [stateDir = '', cap = '', ticks = ''] = process.argv.slice(2);
const places = placesOf({ stateDir, config: `${stateDir}/config.toml` }, {});
const policy = aPolicy({ limits: { max_agents: Number(cap), max_launches_per_tick: 1000 } });
const tmux = { socket: places.socket, serverFile: places.server, binary: 'tmux' };
const board = openBoard(places.board);
const known = { board, policy, tick_id: `t-${process.pid}`, clock: Date.now };
const here = { ...known, places, tmux, env: {}, node: process.execPath, bin: 'bin' };
const hands = { ...known, outside: realOutside(here) };
const won: string[] = [];
let overlaps = 0;

for (let held = 0; held < Number(ticks); ) {
  const lock = tryTickLock(places.lock);
  if (lock === null) {
    overlaps += 1;
    await pause(1);
    continue;
  }
  held += 1;
  const eyes = {
    places,
    board,
    tmux,
    policy,
    project: null,
    env: {},
    now_ms: Date.now(),
    mono_ms: 1,
    repair: false,
    claimersEnded: async () => false,
  };
  const world = await observe(eyes);
  // A more urgent ticket comes in after each look: whoever looks next plans another set.
  const urgent = {
    title: 'urgent',
    body: '',
    status: 'todo',
    priority: 0,
    project: 'house',
    labels: [],
  } as const;
  const from = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
  await board.addTicket({ ...urgent, ...from }, { now_ms: Date.now() });
  for (const step of decide(world, policy, { dispatch: true, max: null, project: null }).dispatch) {
    if (step.kind !== 'launch') continue;
    const claimed = await claim(step, world, hands);
    if ('run' in claimed && !('result' in claimed)) won.push(step.ticket);
    await pause(2);
  }
  lock.release();
}
await board.close();
process.stdout.write(JSON.stringify({ won, overlaps }));
