import { isTerminal, lacksProc, PROC, type Proc, procId } from '../machine/proc.ts';
import { type Standing, standingOf } from '../machine/process.ts';
import type { Runtime } from '../model/runtime.ts';
import { lookAtAll, membersOf } from './members.ts';
import {
  type Client,
  lookAtProgram,
  type Program,
  programName,
  readsCommands,
  stillProgram,
  whoseProgram,
} from './program.ts';

/**
 * Why nothing may be typed at the terminal of this runtime: its process is another program than the client by now, or something
 * else has the foreground of its terminal, so that the text would be a command line there. null = the client reads it, as far as
 * the system tells (only Linux does).
 */
export function whyNotTheClient(
  row: Runtime,
  ticket: string,
  client: Client,
  proc: Proc = PROC,
): string | null {
  const { pid } = row;
  if (pid === null || lacksProc(proc)) return null;
  const look = `look with mc-pickup attach ${ticket}`;
  const now = lookAtProgram(pid, proc);
  const at = standingOf(pid, proc);
  if (now === null || at === null)
    return procId(String(pid), proc) !== null
      ? `which program its process ${pid} runs can't be read: ${look}`
      : `its process ${pid} is gone`;
  if (!isIts(now, client))
    return `its process ${pid} is "${programName(now)}" now, in place of ${nameOf(client, row)}, and would take the text as its input: ${look}, or end it with mc-pickup stop ${ticket}`;
  const stopped = `is stopped (Ctrl-Z, SIGSTOP) and reads nothing: ${look}, or let it go on with kill -CONT`;
  if (isStopped(at)) return `its process ${pid} ${stopped} ${pid}`;
  if (at.tty === 0) return `its process ${pid} has no terminal of its own any more: ${look}`;
  const { members } = membersOf({ mark: row.mark, session: at.session }, lookAtAll(proc));
  const inTerminal = members.filter(({ tty }) => tty === at.tty);
  const its = inTerminal.filter((one) => one.pid !== pid && isMember(one, client, proc));
  const shell = inTerminal.find(
    (one) => one.pid !== pid && one.pgrp === at.tpgid && !isStopped(one) && takesCommands(one, proc),
  );
  if (shell !== undefined) return inFront(shell.pid);
  if (at.tpgid === at.pgrp) {
    // A wrapper is in front of a client of its own that was stopped.
    const [first] = its;
    return first !== undefined && its.every(isStopped)
      ? `process ${first.pid} of its client ${stopped} ${first.pid}`
      : null;
  }
  if (its.some((one) => one.pgrp === at.tpgid && !isStopped(one))) return null;
  const front = inTerminal.find(({ pgrp }) => pgrp === at.tpgid);
  return inFront(front?.pid ?? at.tpgid);

  function inFront(other: number): string {
    const program = lookAtProgram(other, proc);
    const what = program === null ? `process group ${at?.tpgid}` : `"${programName(program)}" (pid ${other})`;
    return `${what} has its terminal, not ${nameOf(client, row)}, and would take the text as its input: ${look}, and leave that program or go back to the client`;
  }
}

/** A shell at this terminal that has no process group of its own. */
function takesCommands({ pid }: Standing, proc: Proc): boolean {
  const program = lookAtProgram(pid, proc);
  return program !== null && readsCommands(program) && isTerminal(pid, 0, proc);
}

function isIts(now: Program, client: Client): boolean {
  if (client.recorded !== null && stillProgram(client.recorded, now)) return true;
  // Before any tick has looked, nothing but a shell without a script is known to be no client.
  if (client.recorded === null) return !readsCommands(now);
  return whoseProgram(now, client) !== 'other';
}

function isMember({ pid }: Standing, client: Client, proc: Proc): boolean {
  const program = lookAtProgram(pid, proc);
  return program !== null && whoseProgram(program, client) !== 'other';
}

function isStopped({ state }: Standing): boolean {
  return state === 'T' || state === 't';
}

function nameOf({ recorded }: Client, row: Runtime): string {
  return recorded === null ? `the agent ${row.agent}` : `"${programName(recorded)}"`;
}
