import { join } from 'node:path';
import { numberOf, readObject, textOf } from '../../machine/files.ts';
import type { Activity } from '../../model/runtime.ts';
import type { AgentLook, Level } from '../adapter.ts';
import { claudeHome, claudeTranscript, readTail } from './transcript.ts';

/** `shell`: the turn is over, a background command still runs and will start the next one. */
const ACTIVITY: Readonly<Record<string, Activity>> = {
  busy: 'busy',
  shell: 'busy',
  waiting: 'waiting',
  idle: 'idle',
};

/** No event tells of these. What a sub-agent asks is in its event only, and is not to be covered here. */
const DIALOG = 'Claude Code shows a dialog of its own: attach and answer it';

/**
 * What the client writes into its session registry, one file for each process, at every change of state: right
 * also after an interrupt, which no hook tells. Undocumented, so anything unexpected says nothing.
 */
export function claudeLevel(look: AgentLook): Level | null {
  const row = readObject(join(claudeHome(look.env), 'sessions', `${look.pid}.json`));
  const activity = ACTIVITY[textOf(row, 'status') ?? ''];
  // kill -9 leaves the file, and the kernel may give the pid to another process.
  if (row === null || activity === undefined || numberOf(row, 'pid') !== look.pid) return null;
  if (!sameStart(textOf(row, 'procStart'), look.pid_start)) return null;
  const session = textOf(row, 'sessionId');
  const known = session === null ? {} : { session };
  if (activity === 'busy') return { activity, ...known };
  // A dialog and a refusal of the API are told in words by the transcript only; it is read no further than its tail.
  const tail = readTail(claudeTranscript({ ...look, session: session ?? look.session }));
  const refused = tail.refusal === null ? {} : { refusal: tail.refusal };
  if (activity === 'idle' && isStarting(tail.message_at_ms, numberOf(row, 'startedAt')))
    return { activity: 'unknown', ...known };
  if (activity !== 'waiting') return { activity, ...known, ...refused };
  const dialog = textOf(row, 'waitingFor') === 'dialog open' ? DIALOG : null;
  const question = tail.asks ?? tail.refusal?.says ?? dialog;
  return { activity, ...(question === null ? {} : { question }), ...known, ...refused };
}

/** The client calls itself idle before it takes the prompt of its command line: no message is of this process yet. */
function isStarting(message_at_ms: number | null, started_at_ms: number | null): boolean {
  return started_at_ms !== null && (message_at_ms ?? 0) < started_at_ms;
}

/** Kernel ticks where both sides count in them; other systems tell the start in words of their own. */
function sameStart(told: string | null, known: string): boolean {
  if (told === null || !/^\d+$/.test(told) || !/^\d+$/.test(known)) return true;
  return told === known;
}
