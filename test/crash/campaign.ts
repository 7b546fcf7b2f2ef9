/*
 * `npm run test:kills -- [--kills N] [--seed N]`: ticks a second apart, each killed by SIGKILL at a random moment of its first 600 ms,
 * then one clean tick. After it every ticket has exactly one living agent, which its row names, or is in `todo`; nobody was charged for
 * it: no attempt, no back-off. Twice side by side: without hooks, and with hooks that take longer than a tick has. Exit 1 = some
 * ticket is not so.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Rig } from '../support/rig.ts';
import { until } from '../support/sandbox.ts';

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(name);
  const value = at < 0 ? otherwise : Number(process.argv[at + 1]);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} wants a number`);
  return value;
}

const KILLS = option('--kills', 200);
const SEED = option('--seed', randomInt(2 ** 31));
const INTERVAL_MS = 1000;
const LATEST_MS = 600;
/** How long launchers that were started may take to register, on a machine that does other things as well. */
const SETTLE_MS = 60_000;

// The deadline is the product's own: what waits for it is not healed by one tick.
const LIMITS = `[limits]
max_agents = 200
max_launches_per_tick = 4
`;
const HOOKS = `after_create = { argv = ["/bin/sh", "-c", "sleep 1.3"], timeout_seconds = 60 }
before_run = { argv = ["/bin/sh", "-c", "sleep 0.2"], timeout_seconds = 60 }`;
/** It costs nothing while it lives. */
const SLEEPER = `
[agent.sleeper]
kind = "command"
argv = ["/bin/sh", "-c", '''
mkdir -p "$MC_PICKUP_STATE_DIR/notes"
echo "$MC_RUN_ID $$" >>"$MC_PICKUP_STATE_DIR/notes/$MC_TICKET_ID.started"
exec sleep 86400
''']`;

/** Numbers in [0, 1) that depend on the seed alone (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Done {
  /** Killed before they had ended by themselves. */
  readonly landed: number;
  readonly tickets: number;
  readonly agents: number;
  /** Launches that were begun, in all. */
  readonly claims: number;
  readonly wrong: readonly string[];
}

async function campaign(project: string, seed: number): Promise<Done> {
  const rig = new Rig({ limits: LIMITS, project, more: SLEEPER });
  const random = numbers(seed);
  const ids: string[] = [];
  let landed = 0;
  try {
    for (let n = 0; n < KILLS; n++) {
      if (n % 4 === 0) ids.push(rig.add('sleep', '--agent', 'sleeper'));
      const next = performance.now() + INTERVAL_MS;
      const running = rig.box.begin(['dispatch', '--json']);
      await pause(random() * LATEST_MS);
      running.kill();
      if ((await running.done).code === null) landed += 1;
      await pause(Math.max(0, next - performance.now()));
    }
    const { code, outcome } = rig.tick();
    const wrong = code === 0 ? [] : [`the clean tick ended with ${code} (${outcome})`];
    const launching = "SELECT 1 FROM runtime_sessions WHERE phase = 'launching'";
    await until(() => rig.box.sql(launching).length === 0, SETTLE_MS);
    for (const id of ids) {
      // A registered launcher may be about to become its agent.
      await until(() => wrongWith(rig, id) === null, SETTLE_MS);
      const what = wrongWith(rig, id);
      if (what !== null) wrong.push(`${id}: ${what}`);
    }
    const agents = ids.reduce((sum, id) => sum + rig.agents(id).length, 0);
    const [claims] = rig.box.sql<{ n: number }>('SELECT count(*) AS n FROM runtime_sessions');
    return { landed, tickets: ids.length, agents, claims: claims?.n ?? 0, wrong };
  } finally {
    await rig.box.destroy();
  }
}

/** null = one living agent, or `todo`; and nothing was charged for what was killed. */
function wrongWith(rig: Rig, id: string): string | null {
  const { status, attempts, not_before_at_ms, reason } = rig.ticket(id);
  const agents = rig.agents(id);
  const row = rig.live(id);
  if (attempts !== 0) return `${attempts} attempts were charged (${reason}); it is ${status}`;
  if (not_before_at_ms !== null) return `it is held by a back-off (${reason}); it is ${status}`;
  if (status === 'todo')
    return agents.length > 0 || row !== undefined ? `todo, with agents ${agents.join(' ')}` : null;
  if (status !== 'in_progress') return `it is ${status} (${reason})`;
  if (row === undefined) return 'in_progress without a live row';
  if (agents.length !== 1 || agents[0] !== row.pid)
    return `agents ${agents.join(' ') || 'none'}, and a row in phase ${row.phase} of pid ${row.pid}`;
  return null;
}

process.stdout.write(`seed ${SEED}\n`);
const start = performance.now();
const variants = [
  ['without hooks', '', SEED],
  ['with slow hooks', HOOKS, SEED + 1],
] as const;
const done = await Promise.all(
  variants.map(async ([name, project, seed]) => [name, await campaign(project, seed)] as const),
);
let failed = false;
for (const [name, { landed, tickets, agents, claims, wrong }] of done) {
  failed ||= wrong.length > 0;
  const verdict = wrong.length === 0 ? 'each has one agent or is todo, uncharged' : `${wrong.length} WRONG`;
  process.stdout.write(
    `${name}: ${KILLS} kills (${landed} before the end of the tick), one clean tick: ${tickets} tickets, ${claims} claims, ${agents} agents, ${verdict}\n`,
  );
  for (const one of wrong) process.stdout.write(`    ${one}\n`);
}
process.stdout.write(`${((performance.now() - start) / 1000).toFixed(0)} s\n`);
process.exitCode = failed ? 1 : 0;
