/** What is measured, in the order in which it is: each section makes its world, measures, and takes it down. */

import { event, registration, sending, status } from './agents.ts';
import { fillBoard, reopen } from './boards.ts';
import { type Case, idleTick, makeCase, program } from './cases.ts';
import { otherReader, unbundle, unbundledTick } from './compare.ts';
import { FLOOR_COMMANDS } from './floor.ts';
import { Launches } from './launches.ts';
import { emptyNode } from './measure.ts';
import type { Report } from './report.ts';
import { populate, stillLive } from './runtimes.ts';

export interface Section {
  /** The rows that it gives. */
  readonly rows: readonly string[];
  /** Left out by `--quick`. */
  readonly slow?: true;
  run(report: Report): Promise<void>;
}

/** What a tick with nothing to do may take beside its time. One child: the recorded tmux server is asked, once. */
const IDLE = { peak: 1.5, children: 1 };

export const SECTIONS: readonly Section[] = [
  { rows: ['gate'], run: gate },
  { rows: ['idle-empty'], run: idleEmpty },
  { rows: ['idle-100-10', 'status'], run: idle100 },
  { rows: ['idle-10k'], run: idle10k },
  { rows: ['register', 'event'], run: called },
  { rows: ['send'], run: send },
  launching(1),
  { ...launching(4), slow: true },
  { ...launching(16), slow: true },
  { rows: ['idle-100k-200'], slow: true, run: idle100k },
  { rows: ['idle-100k', 'idle-1m'], slow: true, run: idle1m },
];

/** As on a machine in use: the compiled code that is kept is that of a tick with agents, for every other call as well. */
export async function warmUp({ scratch }: Report): Promise<void> {
  const one = makeCase(scratch, 'warm', 1);
  await populate(one, 1, scratch);
  for (let n = 0; n < 2; n++) program(one, 'dispatch');
  takeDown(one, scratch);
}

function takeDown(one: Case, scratch: Report['scratch']): void {
  scratch.endServer(one.places.socket);
  scratch.remove(one.dir);
}

async function gate(report: Report): Promise<void> {
  const one = makeCase(report.scratch, 'gate', 1);
  program(one, 'init');
  program(one, 'killswitch', 'on', '--level', 'all', '--reason', 'bench');
  const tick = idleTick('gate', one);
  await report.row(tick, emptyNode(one.env), { budgets: { ratio: 1.35, peak: 1.5, children: 0 } });
  takeDown(one, report.scratch);
}

async function idleEmpty(report: Report): Promise<void> {
  const one = makeCase(report.scratch, 'empty', 1);
  const tick = idleTick('idle-empty', one);
  await report.row(tick, emptyNode(one.env), { budgets: { ...IDLE, ratio: 1.8 } });
  if (!report.quick) await unbundled(report, 'idle-empty', one);
  takeDown(one, report.scratch);
}

async function idle100(report: Report): Promise<void> {
  const { scratch } = report;
  const one = await board(report, 'idle-100-10', { tickets: 90, todo: 4, live: 10 });
  const base = emptyNode(one.env);
  if (report.wants('idle-100-10')) {
    await report.row(idleTick('idle-100-10', one), base, { budgets: { ...IDLE, ratio: 2 } });
    await unbundled(report, 'idle-100-10', one);
    await readers(report, 'idle-100-10', one);
  }
  if (report.wants('status')) await report.row(status(one), base, { budgets: {} });
  await stillLive(one, 10);
  takeDown(one, scratch);
}

async function idle10k(report: Report): Promise<void> {
  const one = await board(report, 'idle-10k', { tickets: 9_950, todo: 300, live: 50 });
  await report.row(idleTick('idle-10k', one), emptyNode(one.env), { budgets: IDLE });
  await stillLive(one, 50);
  takeDown(one, report.scratch);
}

async function idle100k(report: Report): Promise<void> {
  // As many wait as on the board of 10,000: what is open does not grow with what was ever done.
  const one = await board(report, 'idle-100k-200', { tickets: 99_800, todo: 300, live: 200 });
  const tick = idleTick('idle-100k-200', one);
  const base = emptyNode(one.env);
  await report.row(tick, base, { budgets: { ...IDLE, ratio: 2.6 } });
  await readers(report, 'idle-100k-200', one);

  reopen(one);
  const waiting = idleTick('idle-100k-200, 3 % more in todo', one);
  const note = 'idle-100k-200, 3 % more in todo: some 3,300 that wait for trust; a tick looks at 500';
  report.compare(waiting, base, await report.measured([base, waiting], 'few'), null, note);
  await stillLive(one, 200);
  takeDown(one, report.scratch);
}

/** Ten times the history under the same backlog; then, for comparison, ten times the backlog too. */
async function idle1m(report: Report): Promise<void> {
  const { scratch } = report;
  const small = await board(report, 'idle-100k', { tickets: 100_000, todo: 3_000, live: 0 });
  const large = await board(report, 'idle-1m', { tickets: 1_000_000, todo: 3_000, live: 0 });
  const [some, many] = [idleTick('idle-100k', small), idleTick('idle-1m', large)];
  const base = emptyNode(small.env);
  const times = await report.measured([base, some, many], 'slow');
  await report.add(some, base, times, { budgets: IDLE });
  await report.add(many, base, times, { budgets: IDLE });
  report.compare(
    many,
    some,
    times,
    1.1,
    'idle-1m: ten times the history of idle-100k, the same 3,000 tickets in todo',
  );

  reopen(large);
  const waiting = idleTick('idle-1m, 3 % more in todo', large);
  const note = 'idle-1m, 3 % more in todo: some 36,000 that wait for trust, all over the board';
  report.compare(waiting, some, await report.measured([some, waiting], 'few'), null, note);
  for (const one of [small, large]) takeDown(one, scratch);
}

/** An idle board: what is done, what waits, and agents that live. */
async function board(
  { scratch }: Report,
  name: string,
  { live, ...filling }: { readonly tickets: number; readonly todo: number; readonly live: number },
): Promise<Case> {
  const one = makeCase(scratch, name, live);
  await fillBoard(one, filling, scratch);
  await populate(one, live, scratch);
  return one;
}

async function unbundled(report: Report, of: string, one: Case): Promise<void> {
  const { naive, late } = await unbundle(report.scratch);
  const base = emptyNode(one.env);
  const all = unbundledTick(`${of}, naive`, naive, one);
  const some = unbundledTick(`${of}, unbundled`, late, one);
  const times = await report.measured([base, some, all], 'few');
  report.compare(
    all,
    base,
    times,
    null,
    'naive: not bundled, every module of the source and execa imported at the top',
  );
  report.compare(some, base, times, null, 'unbundled: not bundled, with the late imports of the source');
}

async function readers(report: Report, of: string, one: Case): Promise<void> {
  const base = emptyNode(one.env);
  for (const which of ['python3', 'sqlite3'] as const) {
    const name = `${of}, ${which}`;
    const subject = await otherReader(which, name, one, report.scratch);
    if (typeof subject === 'string') report.note(`${name} is left out: ${subject}`);
    else {
      const note =
        'python3, sqlite3: only the SELECTs of such a tick; no tmux, no processes, nothing written';
      report.compare(subject, base, await report.measured([base, subject], 'few'), null, note);
    }
  }
}

async function called(report: Report): Promise<void> {
  const one = makeCase(report.scratch, 'called', 1);
  if (report.wants('register')) await report.row(registration(one), emptyNode(one.env), { budgets: {} });
  if (report.wants('event')) {
    const { event: subject, shell } = event(one);
    await report.row(subject, shell, { budgets: { ratio: 3 } });
  }
  takeDown(one, report.scratch);
}

async function send(report: Report): Promise<void> {
  const subject = await sending(report.scratch);
  await report.row(subject, emptyNode(subject.one.env), { budgets: {}, how: 'few' });
  report.note(
    'send waits 300 ms between paste and Enter, and then for the word of the client that a turn began',
  );
  takeDown(subject.one, report.scratch);
}

function launching(count: number): Section {
  const name = `dispatch-${count}`;
  return {
    rows: [name],
    run: async (report) => {
      const launches = await Launches.make(report.scratch, count);
      const base = emptyNode(launches.env);
      const [turn, side] = [launches.floor('in turn'), launches.floor('side by side')];
      const [node, tick] = [launches.floor('side by side, with Node'), launches.tick()];
      const times = await report.measured([base, turn, side, node, tick], count > 4 ? 'slow' : 'full');
      const budgets = count === 1 ? { children: 8 } : {};
      const counted = await report.add(tick, base, times, { budgets, once: true, ended: tick.end });
      report.compare(
        tick,
        turn,
        times,
        null,
        'floor in turn: the same git and tmux commands in a shell script, one by one',
      );
      const budget = count === 16 ? 2 : null;
      report.compare(
        tick,
        side,
        times,
        budget,
        'floor side by side: the same commands, at once as far as git allows it (see floor.ts)',
      );
      report.compare(
        tick,
        node,
        times,
        null,
        'floor with Node: the same, and an empty Node program for each launch, as a launcher registers that no tick answers',
      );
      if (count === 1 && counted !== null) sameAsFloor(report, counted.commands);
      launches.remove();
    },
  };
}

/** A floor that runs other commands than a tick measures something else. */
function sameAsFloor(report: Report, commands: readonly string[]): void {
  report.note(`what dispatch-1 starts: ${commands.map((what) => what.trim()).join(', ')}`);
  const own = commands.filter((what) => /^(git|tmux) /.test(what) && !what.includes('list-panes'));
  const floor = FLOOR_COMMANDS.filter((what) => !what.includes('list-panes'));
  if ([...own].sort().join() !== [...floor].sort().join())
    report.note(`the floor and a tick run other commands, see floor.ts: ${own.join(', ')}`);
}
