/*
 * `npm run test:model`: walks every interleaving within the bounds, then takes each rule out in turn, and wants to see
 * the counterexample. `-- --long` walks further. Exit 1 = a violation, or an ablation that nothing was found of. Walks are apart from each
 * other, so there are as many at once as there are processors.
 */
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { type Bounds, type Explored, Explorer } from './explore.ts';
import { ABLATIONS, LONG_WALKS, WALKS, type Walk } from './walks.ts';

/** One walk, or one rule taken out, by its place in its table. */
interface Task {
  readonly table: 'walks' | 'long' | 'ablations';
  readonly n: number;
}

interface Done extends Task {
  readonly explored: Explored;
  readonly ms: number;
}

const walksOf = (table: Task['table']): readonly Walk[] => (table === 'long' ? LONG_WALKS : WALKS);

async function work({ table, n }: Task): Promise<Done> {
  const start = Date.now();
  const [, ablation, walk] = table === 'ablations' ? (ABLATIONS[n] ?? []) : ['', {}, walksOf(table)[n]];
  if (walk === undefined) throw new Error(`no ${table} ${n}`);
  const explored = await new Explorer(ablation, walk.scene).explore(walk);
  return { table, n, explored, ms: Date.now() - start };
}

const bounds = ({ ticks, overlap, crashes, events }: Bounds): string =>
  `${ticks} ticks (${overlap} at once), ${crashes} crashes, ${events} events`;

const numbers = (n: number): string => n.toLocaleString('en-US');

function show(done: Explored, ms: number): string {
  const walked = `${numbers(done.states)} states, ${numbers(done.transitions)} transitions`;
  const parts = `${numbers(done.boards)} boards, ${numbers(done.machines)} machines, ${numbers(done.nodes)} points of a tick`;
  const settled = `${numbers(done.settled)} settled by clean ticks`;
  return `${walked} (${parts}; ${settled})${done.exhausted ? '' : ', cut off'}, ${(ms / 1000).toFixed(1)} s`;
}

/** Each as soon as a processor is free, the first ones first; what they found, in their order. */
async function all(tasks: readonly Task[]): Promise<Done[]> {
  const done: Done[] = [];
  let next = 0;
  const one = async (): Promise<void> => {
    const worker = new Worker(new URL(import.meta.url));
    try {
      for (let at = next++; at < tasks.length; at = next++) {
        const answer = new Promise<Done>((found, failed) => {
          worker.once('message', found).once('error', failed);
        });
        worker.postMessage(tasks[at]);
        done[at] = await answer;
        worker.removeAllListeners('error');
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), tasks.length) }, one));
  return done;
}

async function main(): Promise<void> {
  const table = process.argv.includes('--long') ? 'long' : 'walks';
  const tasks: Task[] = [
    ...walksOf(table).map((_, n) => ({ table, n }) as const),
    ...ABLATIONS.map((_, n) => ({ table: 'ablations', n }) as const),
  ];
  let [states, violations, shown] = [0, 0, 0];
  for (const { table: of, n, explored, ms } of await all(tasks)) {
    const { found } = explored;
    const lines = found?.trace
      .map((line) => `    ${line.slice(0, of === 'ablations' ? 150 : 1000)}`)
      .join('\n');
    if (of !== 'ablations') {
      const walk = walksOf(of)[n];
      if (walk === undefined) continue;
      states += explored.states;
      const told = walk.with === undefined ? '' : `${walk.with}: `;
      const result = found === null ? 'no violation' : 'VIOLATION';
      process.stdout.write(`${told}${bounds(walk)}: ${show(explored, ms)}: ${result}\n`);
      if (found === null) continue;
      violations += 1;
      process.stdout.write(`${found.what}\n${lines}\n`);
      continue;
    }
    const [rule = '', , walk] = ABLATIONS[n] ?? [];
    if (found !== null) shown += 1;
    process.stdout.write(
      found === null
        ? `\nWITHOUT "${rule}" nothing was found in ${numbers(explored.states)} states${walk === undefined ? '' : ` (${bounds(walk)})`}\n`
        : `\nwithout "${rule}": ${found.what}\n${lines}\n`,
    );
  }
  process.stdout.write(
    `\n${numbers(states)} states, ${violations} violations; ${shown} of ${ABLATIONS.length} rules shown to matter\n`,
  );
  process.exitCode = violations === 0 && shown === ABLATIONS.length ? 0 : 1;
}

if (isMainThread) await main();
else
  parentPort?.on('message', (task: Task) => {
    work(task).then(
      (done) => parentPort?.postMessage(done),
      (error: unknown) => {
        throw error;
      },
    );
  });
