import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readObject, textOf, textOfFile, writeAtomic } from '../machine/files.ts';
import { inDir, inDirAt, inMadeDir, namesIn, removeIn, writeIn } from '../machine/foreign.ts';
import { identityFrom, identityIn, type ProcessIdentity } from '../model/identity.ts';
import { TICKET_ID } from '../model/ticket.ts';
import { objectOfRun, ownDir, writeOwn } from './dirs.ts';

/** The trace of a run beside the board: which process works on a ticket. */
export interface Mark extends ProcessIdentity {
  readonly ticket: string;
  readonly run: string;
}

const REGISTERED = 'registered.json';
/** So many names are looked at: a fleet has hundreds, and no tick is to take longer for what somebody has put there. */
const MOST_MARKS = 4000;

/** Leaves the mark of a ticket's run; it replaces an older one. */
export function writeMark(
  marks: string,
  ticket: string,
  mark: ProcessIdentity & { readonly run: string },
): void {
  const name = basename(pathOf(marks, ticket));
  const text = `${JSON.stringify({ ticket, run: mark.run, ...identityFrom(mark) })}\n`;
  inMadeDir(dirname(marks), basename(marks), (dir) => writeIn(dir, name, text));
}

/** Leaves which process registered as this run: the pane of a run may outlive its agent (a shell in it, another program), and
 *  only this process is the agent. */
export function writeRegistered(runDir: string, identity: ProcessIdentity): void {
  writeOwn(runDir, REGISTERED, `${JSON.stringify(identityFrom(identity))}\n`);
}

/** Notes what the files of an agent of before lack, in those that are still its own. */
export function fillWitnesses(
  marks: string,
  runDir: string,
  { ticket, ...one }: ProcessIdentity & { readonly run: string; readonly ticket: string | null },
): void {
  const lacks = (noted: ProcessIdentity | null): boolean =>
    noted !== null && noted.time_ns === null && noted.pid === one.pid && noted.pid_start === one.pid_start;
  if (lacks(readRegistered(runDir))) writeRegistered(runDir, one);
  const mark = ticket === null || !TICKET_ID.test(ticket) ? null : readMark(marks, ticket);
  if (mark?.run === one.run && lacks(mark)) writeMark(marks, mark.ticket, one);
}

/** The process that registered as this run; null = none did, or nothing can be read of it. */
export function readRegistered(runDir: string): ProcessIdentity | null {
  return identityIn(objectOfRun(runDir, REGISTERED));
}

/** It is there once the registration is on the board. */
export function registeredFile(runDir: string): string {
  return join(ownDir(runDir), REGISTERED);
}

/** All marks that can be read, at most `MOST_MARKS`; broken files are passed over. */
export function readMarks(marks: string): Mark[] {
  return marksOf(marks, ticketsIn(marks)?.tickets ?? []);
}

/** The marks of these tickets. */
export function marksOf(marks: string, tickets: readonly string[]): Mark[] {
  return tickets
    .filter((ticket) => TICKET_ID.test(ticket))
    .map((ticket) => readMark(marks, ticket))
    .filter((mark) => mark !== null);
}

/** Which marks are looked for, and what the last look has found. */
export interface MarkSearch {
  /** The file that holds that. It is written only with `remember`. */
  readonly memory: string;
  readonly remember: boolean;
  /** Tickets whose marks are looked for however many others there are. */
  readonly named: readonly string[];
  /** Whether nobody owns this mark. */
  readonly stray: (mark: Mark) => boolean;
  /** All that `stray` depends on, as text: with other owners the memory does not count. */
  readonly owners: string;
}

/** A directory that changed longer ago than this has got another time by the next change, on any file system. */
const AT_REST_MS = 5000;

/** The marks that nobody owns. In nearly every tick there is none; and that stays so until a mark is written or removed, which changes the
 *  time of the directory, or the owners change. So it is remembered, and hundreds of marks are not read every minute. */
export function strayMarks(marks: string, { memory, remember, named, stray, owners }: MarkSearch): Mark[] {
  const dir = statSync(marks, { bigint: true, throwIfNoEntry: false });
  if (dir === undefined) return [];
  const state = `${dir.ino} ${dir.mtimeNs} ${dir.ctimeNs}\n${owners}`;
  if (textOfFile(memory) === state) return [];
  const listed = ticketsIn(marks);
  if (listed === null) return [];
  if (listed.cut) return marksOf(marks, [...new Set([...named, ...listed.tickets])]).filter(stray);
  const read = marksOf(marks, listed.tickets);
  const found = read.filter(stray);
  const known = found.length === 0 && read.length === listed.tickets.length;
  if (known && remember && Date.now() - Number(dir.mtimeMs) > AT_REST_MS) keep(memory, state);
  return found;
}

function keep(memory: string, state: string): void {
  try {
    writeAtomic(memory, state);
  } catch {
    // They are read again by the next tick.
  }
}

/** The tickets of which there are marks, and whether there may be more. null = it can't be told. */
function ticketsIn(marks: string): { readonly tickets: readonly string[]; readonly cut: boolean } | null {
  try {
    const listed = inDirAt(marks, (dir) => namesIn(dir, MOST_MARKS));
    if (listed === null) return null;
    const tickets = listed.names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));
    return { tickets: tickets.filter((ticket) => TICKET_ID.test(ticket)).sort(), cut: listed.cut };
  } catch {
    return null;
  }
}

/** Removes the mark of a ticket if it is still this run's. */
export function removeMark(marks: string, ticket: string, run: string): boolean {
  const path = pathOf(marks, ticket);
  if (readMark(marks, ticket)?.run !== run) return false;
  return inDir(dirname(marks), basename(marks), (dir) => removeIn(dir, basename(path))) === true;
}

function readMark(marks: string, ticket: string): Mark | null {
  const file = readObject(pathOf(marks, ticket));
  const run = textOf(file, 'run');
  const identity = identityIn(file);
  if (textOf(file, 'ticket') !== ticket || run === null || identity === null) return null;
  return { ticket, run, ...identity };
}

function pathOf(marks: string, ticket: string): string {
  if (!TICKET_ID.test(ticket)) throw new Error(`not a ticket id: ${JSON.stringify(ticket)}`);
  return `${marks}/${ticket}.json`;
}
