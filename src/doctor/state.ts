import { existsSync, lstatSync, statSync } from 'node:fs';
import { shellQuote } from '../machine/files.ts';
import { BY_DESCRIPTOR } from '../machine/foreign.ts';
import { switchFile } from '../machine/killswitch.ts';
import type { Places } from '../machine/paths.ts';
import { colonIn, stateFault } from '../machine/state.ts';
import { ledBy } from '../runs/tools.ts';
import { about, type Finding } from './finding.ts';

/** The state dir, and what in it nobody else may read or change. */
export function stateFindings(places: Places, env: NodeJS.ProcessEnv, uid = process.getuid?.()): Finding[] {
  const dir = stateDir(places.state, uid);
  if (dir.result !== 'ok') return [dir];
  return [dir, files(places, env), ...links(places), ...tools(places)];
}

/** What lies in them is reached through no link, so with one in its place nothing is found, and nothing is launched. */
function links({ runs, own, hooks, marks, asking, bin, worktrees }: Places): Finding[] {
  const { warn, fail } = about('state links');
  const linked = [runs, own, hooks, marks, asking, bin, worktrees].find(
    (path) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true,
  );
  if (linked !== undefined)
    return [
      fail(
        `${linked} is a symlink, and is not followed: whoever can write there could have made it`,
        `look where it leads, then rm ${shellQuote(linked)} (for another disk, move the whole state dir: --state-dir)`,
      ),
    ];
  if (BY_DESCRIPTOR) return [];
  return [
    warn(
      'unknown: this system has no /proc/self/fd, so a directory that is swapped for a link and back within one look is not noticed',
      'nothing, if the agents are yours; else run them in a sandbox that keeps the state dir out of reach',
    ),
  ];
}

function stateDir(dir: string, uid: number | undefined): Finding {
  const { ok, warn, fail } = about('state dir');
  if (lstatSync(dir, { throwIfNoEntry: false }) === undefined && stateFault(dir) === null)
    return warn(`${dir} is not there yet`, 'mc-pickup init');
  const fault = stateFault(dir);
  if (fault !== null) return fail(fault, 'mend it, or name another state dir with --state-dir');
  if (dir.includes(':')) return fail(colonIn(dir), 'move it to a path without one: --state-dir');
  const stat = statSync(dir);
  if (uid !== undefined && stat.uid !== uid)
    return fail(
      `${dir} belongs to user ${stat.uid}, and this is user ${uid}`,
      `run mc-pickup as its owner, or sudo chown -R ${uid} ${shellQuote(dir)}`,
    );
  return (stat.mode & 0o077) === 0
    ? ok(dir)
    : fail(`${dir} is open to other users (${modeText(stat.mode)})`, `chmod 700 ${dir}`);
}

/** The directory keeps others out already: only a board or a switch that others may write is more than untidy. */
function files(places: Places, env: NodeJS.ProcessEnv): Finding {
  const { ok, warn, fail } = about('state files');
  const { board, host, lock, runs, marks, bin, worktrees, server, socket } = places;
  const own = [
    ...[board, `${board}-wal`, `${board}-shm`, lock, host],
    ...[runs, marks, bin, worktrees, server, socket],
  ];
  const open = [...own, switchFile(places, env)].flatMap((path) => {
    const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
    return (mode & 0o077) === 0 ? [] : [{ path, mode }];
  });
  const [first] = open;
  if (first === undefined) return ok('for you alone');
  const refused = open.find(({ path, mode }) => path === board && (mode & 0o022) !== 0);
  const says = `${(refused ?? first).path} is open to other users (${modeText((refused ?? first).mode)})${open.length > 1 ? `, and ${open.length - 1} more` : ''}`;
  const fix = `chmod go-rwx ${open.map(({ path }) => path).join(' ')}`;
  return refused === undefined ? warn(says, fix) : fail(says, fix);
}

/** What schedulers start, and living agents report with: it names the Node and the program that last launched one. */
function tools(places: Places): Finding[] {
  const { ok, warn } = about('tools');
  const led = ledBy(places);
  if (led === null) {
    if (!existsSync(places.board)) return [];
    const says = `there is no launcher ${places.bin}/mc-pickup: neither the lines of schedule install nor an agent can start mc-pickup`;
    return [warn(says, 'mc-pickup init')];
  }
  const { file, gone, program, looks } = led;
  const anew = 'mc-pickup init writes it anew, for the program where it is now';
  if (gone === null)
    return [
      looks
        ? ok(`${file} leads to ${program}`)
        : warn(`${file} is of 0.1, and ends with Node or the program where they are now`, anew),
    ];
  if (program === null)
    return [warn(`${file} leads to ${gone}, which is gone: a living agent can't report`, anew)];
  return [
    warn(
      `${file} leads to ${gone}, which is gone; it has found ${program}, and starts that`,
      'mc-pickup schedule install, which names what there is now',
    ),
  ];
}

function modeText(mode: number): string {
  return `mode ${(mode & 0o777).toString(8).padStart(4, '0')}`;
}
