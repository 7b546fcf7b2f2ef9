import type { TicketEdit } from '../board/port/index.ts';
import { usageError } from '../model/errors.ts';
import { hint } from '../model/hint.ts';
import { asSeen, wrongName } from '../model/name.ts';
import { TICKET_STATUSES, type TicketStatus } from '../model/ticket.ts';

const MAX_LABELS = 50;

/** A word that names something (project, profile, person, label), or a usage error. Refused instead of mended: a
 *  name that was changed on the way in matches nothing, and nobody would know why. */
export function nameOf(option: string, text: string): string {
  const wrong = wrongName(text);
  if (wrong === null) return asSeen(text);
  throw usageError(`${option} ${wrong}: give a plain name`);
}

/** The same; `""` means none. */
function nameOrNone(option: string, text: string): string | null {
  return text === '' ? null : nameOf(option, text);
}

export function labelsOf(labels: readonly string[]): string[] {
  const all = [...new Set(labels.map((one) => nameOf('--label', one)))];
  if (all.length <= MAX_LABELS) return all;
  throw usageError(`--label: more than ${MAX_LABELS} labels`);
}

/** Ticket numbers as the board writes them, each once. */
export function dependenciesOf(ids: readonly string[]): string[] {
  return [...new Set(ids.map((id) => id.trim().toUpperCase()))];
}

/** The names of an edit: those that are given. A lone `""` clears what may be empty. */
export function editedNames(o: {
  readonly project?: string;
  readonly agent?: string;
  readonly owner?: string;
  readonly label?: readonly string[];
  readonly dependsOn?: readonly string[];
}): Pick<TicketEdit, 'project' | 'agent' | 'owner' | 'labels' | 'depends_on'> {
  const none = (list: readonly string[]): boolean => list.length === 1 && list[0] === '';
  return {
    ...(o.project === undefined ? {} : { project: nameOf('--project', o.project) }),
    ...(o.agent === undefined ? {} : { agent: nameOrNone('--agent', o.agent) }),
    ...(o.owner === undefined ? {} : { owner: nameOrNone('--owner', o.owner) }),
    ...(o.label === undefined ? {} : { labels: none(o.label) ? [] : labelsOf(o.label) }),
    ...(o.dependsOn === undefined
      ? {}
      : { depends_on: none(o.dependsOn) ? [] : dependenciesOf(o.dependsOn) }),
  };
}

/** A status as somebody types it. */
export function statusOf(word: string): TicketStatus {
  const plain = word.trim().toLowerCase().replaceAll('-', '_');
  const status = TICKET_STATUSES.find((one) => one === plain);
  if (status !== undefined) return status;
  throw usageError(
    `"${word}" is no status${hint(plain, TICKET_STATUSES)}: use one of ${TICKET_STATUSES.join(', ')}`,
  );
}
