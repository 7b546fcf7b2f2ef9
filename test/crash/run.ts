/*
 * `npm run test:crash`: every failpoint of the source, hit in five ways, alone and beside another tick.
 * `-- --points PATTERN` and `-- --kinds kill,stop` choose some, `-- --half` of each failpoint and kind either the cell alone or the one
 * beside another tick, in turn. Exit 1 = a cell in which something was not restored.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Cell, KINDS, type Kind, runCell } from './cell.ts';

const SRC = join(import.meta.dirname, '../../src');

function option(name: string): string | null {
  const at = process.argv.indexOf(name);
  return at < 0 ? null : (process.argv[at + 1] ?? null);
}

/** The failpoints, by the source itself; those of `send`, and of a client that is asked to quit, are in no tick of a cell (`e2e/send`, `e2e/settled`). */
const points = [
  ...new Set(
    readdirSync(SRC, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .flatMap((path) => [
        ...readFileSync(join(SRC, path), 'utf8').matchAll(/failpoint\('(?!send-|quit-)([a-z-]+)'\)/g),
      ])
      .map((match) => match[1] ?? ''),
  ),
]
  .filter((point) => new RegExp(option('--points') ?? '').test(point))
  .sort();
const kinds = KINDS.filter((kind: Kind) => (option('--kinds') ?? KINDS.join(',')).split(',').includes(kind));

/** A registration is the tick's work, or where no pipe can be made the launcher's own: then it begins with a program. */
const rows = points.flatMap((point) => [
  ...(point === 'register-begin' ? [] : [{ point, alone: false }]),
  ...(point.startsWith('register-') ? [{ point, alone: true }] : []),
]);
const all: Cell[] = rows.flatMap((row) =>
  kinds.flatMap((kind) => [false, true].map((overlap) => ({ ...row, kind, overlap }))),
);
const cells = process.argv.includes('--half') ? all.filter((_, n) => ((n >> 1) + n) % 2 === 0) : all;
/** The ticks of a cell are waited for one by one: only processes of their own run cells side by side. */
const WORKERS = Math.max(2, availableParallelism() + 1);
const own = option('--worker');
if (own !== null) {
  // Each has some of every kind: a tick that is stopped is waited for by the second.
  for (const [n, cell] of cells.entries())
    if ((n + Math.floor(n / kinds.length)) % WORKERS === Number(own))
      process.stdout.write(`${JSON.stringify({ n, wrong: await runCell(cell) })}\n`);
  process.exit();
}

function nameOf({ point, alone = false }: Pick<Cell, 'point' | 'alone'>): string {
  return `${point}${alone ? ', without a pipe' : ''}`;
}

const results = new Map<Cell, string | null>();
const start = performance.now();

async function worker(n: number): Promise<void> {
  const args = [...process.argv.slice(1), '--worker', String(n)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const { n: at, wrong } = JSON.parse(line) as { n: number; wrong: string | null };
    const cell = cells[at];
    if (cell === undefined) continue;
    results.set(cell, wrong);
    if (wrong !== null)
      process.stdout.write(
        `${nameOf(cell)} ${cell.kind}${cell.overlap ? ' beside another tick' : ''}: ${wrong}\n`,
      );
  }
}

await Promise.all(Array.from({ length: WORKERS }, (_, n) => worker(n)));

const mark = (row: (typeof rows)[number], kind: Kind): string =>
  [false, true]
    .map((overlap) =>
      cells.find((one) => nameOf(one) === nameOf(row) && one.kind === kind && one.overlap === overlap),
    )
    .map((cell) => (cell === undefined ? '-' : results.get(cell) === null ? 'ok' : 'FAIL'))
    .join('/');
process.stdout.write(`\n| failpoint (alone/beside another tick) | ${kinds.join(' | ')} |\n`);
process.stdout.write(`| --- |${kinds.map(() => ' --- |').join('')}\n`);
for (const row of rows)
  process.stdout.write(`| ${nameOf(row)} | ${kinds.map((kind) => mark(row, kind)).join(' | ')} |\n`);
// A cell without a result is one whose worker died.
const wrong = cells.filter((cell) => results.get(cell) !== null).length;
const seconds = ((performance.now() - start) / 1000).toFixed(0);
process.stdout.write(
  `\n${points.length} failpoints, ${cells.length} cells${cells.length < all.length ? ` of ${all.length} (without --half: all)` : ''}, ${wrong} not restored, ${seconds} s\n`,
);
process.exitCode = wrong === 0 && cells.length > 0 ? 0 : 1;
