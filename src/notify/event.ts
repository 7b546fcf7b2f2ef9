import { createHash } from 'node:crypto';
import type { NotifySpec, Told } from '../model/policy.ts';

/** One thing that people are told. Its id is the same however often it is sent. */
export interface TellEvent {
  readonly id: string;
  readonly kind: Told | 'test';
  readonly at_ms: number;
  readonly ticket: string | null;
  readonly title: string | null;
  readonly project: string | null;
  readonly labels: readonly string[];
  readonly run: string | null;
  /** The literal reason: `asked`, `agent_dead`, `tripped`. */
  readonly because: string | null;
  /** What an agent or a person wrote: a question, the message of a report. Cleaned, and cut. */
  readonly text: string;
}

/** What goes through a channel in one piece. */
export interface Message {
  readonly schema: 'mc-pickup.notification/1';
  /** Of this very message; a repetition has it again. */
  readonly id: string;
  readonly host: { readonly id: string; readonly name: string };
  /** The whole in one line. */
  readonly title: string;
  /** The same in lines, an event each. */
  readonly text: string;
  readonly events: readonly TellEvent[];
  /** What happened besides, and is not listed. */
  readonly more: number;
  /** What could not be told within a day, and never will be. */
  readonly dropped: number;
}

/** The same words give the same id, on any host, after any crash. */
export function idOf(...words: readonly (string | number | null)[]): string {
  return createHash('sha256').update(JSON.stringify(words)).digest('hex').slice(0, 32);
}

/** Whether a channel wants to hear of this. What belongs to no ticket goes to every channel that asks for its kind. */
export function wants({ on, project, label }: NotifySpec, event: TellEvent): boolean {
  const asked = on.some((kind) => kind === event.kind || (kind === 'needs_input' && event.kind === 'parked'));
  if (!asked) return false;
  if (project !== null && event.project !== null && event.project !== project) return false;
  return label === null || event.ticket === null || event.labels.includes(label);
}
