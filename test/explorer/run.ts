/*
 * `npm run test:model`: walks every interleaving within the bounds, then takes each rule out in turn, and wants to see
 * the counterexample. `-- --long` walks further. Exit 1 = a violation, or an ablation that nothing was found of.
 */
import { type Ablation, type Bounds, type Explored, Explorer } from './explore.ts';

const LONG = process.argv.includes('--long');
const ALL = Number.POSITIVE_INFINITY;

/** Each is walked to its end, so that within its bounds the answer is a proof. */
const WALKS: readonly Bounds[] = LONG
  ? [
      { ticks: 2, overlap: 2, crashes: 1, events: 2, states: ALL },
      { ticks: 3, overlap: 2, crashes: 1, events: 1, states: ALL },
      { ticks: 2, overlap: 2, crashes: 2, events: 2, states: ALL },
      { ticks: 2, overlap: 1, crashes: 1, events: 3, states: ALL },
      { ticks: 2, overlap: 2, crashes: 0, events: 3, states: 6_000_000 },
    ]
  : [
      { ticks: 2, overlap: 2, crashes: 1, events: 2, states: ALL },
      { ticks: 1, overlap: 1, crashes: 1, events: 3, states: ALL },
    ];

const STATUS_GUARD =
  /status = @status AND owner IS @owner AND claim_epoch = @claim_epoch AND version = @version/g;
const UNSETTLED = /status NOT IN \('in_review', 'done', 'cancelled', 'blocked'\)/g;

/** A rule, what the program is without it, and within which bounds that must show. */
const ABLATIONS: readonly (readonly [string, Ablation, Bounds])[] = [
  [
    'at most one live row, by the database itself',
    { sql: { drop: ['INDEX runtime_one_live'] } },
    { ticks: 1, overlap: 1, crashes: 0, events: 1, states: ALL },
  ],
  [
    'unknown is not dead',
    { blind: { unknownIsDead: true } },
    { ticks: 2, overlap: 1, crashes: 0, events: 1, states: ALL },
  ],
  [
    'registration by compare-and-swap: who loses exits',
    { launcherIgnoresRegistration: true },
    { ticks: 2, overlap: 2, crashes: 0, events: 0, states: ALL },
  ],
  [
    'the launcher registers itself',
    { launcherDoesNotRegister: true },
    { ticks: 2, overlap: 2, crashes: 0, events: 0, states: ALL },
  ],
  [
    'a write repeats what was observed (status, owner, epoch, version)',
    { sql: { rewrite: (sql) => sql.replace(STATUS_GUARD, '1').replace(UNSETTLED, '1') } },
    { ticks: 2, overlap: 2, crashes: 0, events: 2, states: ALL },
  ],
  [
    'the runtime is believed (adopt on 409)',
    { blind: { runtimeNotBelieved: true } },
    { ticks: 2, overlap: 1, crashes: 0, events: 1, states: ALL },
  ],
  [
    'the start time is part of the identity',
    { blind: { startIgnored: true } },
    { ticks: 1, overlap: 1, crashes: 0, events: 2, states: ALL },
  ],
];

const bounds = ({ ticks, overlap, crashes, events }: Bounds): string =>
  `${ticks} ticks (${overlap} at once), ${crashes} crashes, ${events} events`;

const numbers = (n: number): string => n.toLocaleString('en-US');

function show(done: Explored, ms: number): string {
  const walked = `${numbers(done.states)} states, ${numbers(done.transitions)} transitions`;
  const parts = `${numbers(done.boards)} boards, ${numbers(done.machines)} machines, ${numbers(done.nodes)} points of a tick`;
  const settled = `${numbers(done.settled)} settled by three clean ticks`;
  return `${walked} (${parts}; ${settled})${done.exhausted ? '' : ', cut off'}, ${(ms / 1000).toFixed(1)} s`;
}

let failed = 0;
let states = 0;
for (const walk of WALKS) {
  const start = Date.now();
  const done = await new Explorer().explore(walk);
  states += done.states;
  process.stdout.write(
    `${bounds(walk)}: ${show(done, Date.now() - start)}: ${done.found === null ? 'no violation' : 'VIOLATION'}\n`,
  );
  if (done.found === null) continue;
  failed += 1;
  process.stdout.write(`${done.found.what}\n${done.found.trace.map((line) => `    ${line}`).join('\n')}\n`);
}

let shown = 0;
for (const [rule, ablation, walk] of ABLATIONS) {
  const { found, states: walked } = await new Explorer(ablation).explore(walk);
  if (found === null) {
    failed += 1;
    process.stdout.write(
      `\nWITHOUT "${rule}" nothing was found in ${numbers(walked)} states (${bounds(walk)})\n`,
    );
    continue;
  }
  shown += 1;
  process.stdout.write(
    `\nwithout "${rule}": ${found.what}\n${found.trace.map((line) => `    ${line.slice(0, 150)}`).join('\n')}\n`,
  );
}

const violations = failed - (ABLATIONS.length - shown);
process.stdout.write(
  `\n${numbers(states)} states, ${violations} violations; ${shown} of ${ABLATIONS.length} rules shown to matter\n`,
);
process.exitCode = failed === 0 ? 0 : 1;
