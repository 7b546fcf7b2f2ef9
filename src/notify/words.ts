import { cameOut } from '../model/ends.ts';
import { oneLine } from '../model/text.ts';
import { unreachable } from '../model/unreachable.ts';
import type { Message, TellEvent } from './event.ts';

const LINE = 300;

/** An event in one line. */
export function lineOf({ kind, ticket, title, because, text }: TellEvent): string {
  const name = `${ticket ?? 'a ticket'}${title ? ` (${oneLine(title, 80)})` : ''}`;
  return neutral(oneLine(said(), LINE));

  function said(): string {
    switch (kind) {
      case 'needs_input':
        return `${name} asks: ${text || 'it waits for you'}`;
      case 'parked':
        return `${name} was parked: ${text || 'its agent is silent'}`;
      case 'blocked':
        return `${name} is blocked: ${text || because || 'no reason given'}`;
      case 'in_review':
        return `${name} is ready for review${text ? `: ${text}` : ''}`;
      case 'done':
        return `${name} is done${text ? `: ${text}` : ''}`;
      case 'cancelled':
        return `${name} is cancelled${text ? `: ${text}` : ''}`;
      case 'retry':
        return `${name} ${cameOut(because) === 'failed' ? 'failed and is' : 'is'} tried again: ${text || because || 'no reason given'}`;
      case 'not_ready':
        return `a client needs you: ${text}`;
      case 'killswitch':
      case 'held':
      case 'ticks_stopped':
      case 'test':
        return text;
      default:
        return unreachable(kind);
    }
  }
}

/** Head and lines of a message. */
export function wordsOf(events: readonly TellEvent[], more: number, dropped: number) {
  const [first] = events;
  const lines = events.map(lineOf);
  if (more > 0) lines.push(`and ${more} more: mc-pickup status`);
  if (dropped > 0) lines.push(`${dropped} older than a day could not be told: mc-pickup log`);
  const count = events.length + more;
  const title =
    first === undefined ? 'mc-pickup' : count === 1 ? headOf(first) : `mc-pickup: ${count} things happened`;
  return { title, text: lines.join('\n') } satisfies Pick<Message, 'title' | 'text'>;
}

function headOf({ kind, ticket }: TellEvent): string {
  const words = kind.replaceAll('_', ' ');
  return `mc-pickup: ${ticket === null ? words : `${neutral(ticket)} ${words}`}`;
}

/** A title may not call a whole channel, or dress up a link, in a chat that reads marks: what begins one is replaced by a
 *  sign that looks like it. */
function neutral(text: string): string {
  return text.replaceAll('<', '‹').replaceAll('>', '›').replaceAll('@', '＠');
}
