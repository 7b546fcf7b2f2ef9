import type { DialogKind } from '../model/choice.ts';
import type { SkipBecause } from '../model/plan.ts';
import type { Ticket, TicketStatus } from '../model/ticket.ts';
import { unreachable } from '../model/unreachable.ts';
import type { NotComing } from '../model/waits-for.ts';

/** What a person may type next, and what that does; nothing where waiting is all there is to do. */
export type Hint = readonly [line: string, says: string];

/** Of a ticket that waits in vain: what lets it go. */
export function inVainHint({ id }: NotComing, ticket: Pick<Ticket, 'id' | 'depends_on'>): Hint {
  const rest = ticket.depends_on.filter((one) => one !== id);
  const words = (rest.length === 0 ? ['""'] : rest).map((one) => `--depends-on ${one}`).join(' ');
  return [`mc-pickup ticket edit ${ticket.id} ${words}`, `it waits for ${id} no longer`];
}

/** By the reason why nothing is done with a ticket now. */
export function hintsOf(because: SkipBecause, id: string, depends_on: readonly string[]): readonly Hint[] {
  const again: Hint = [`mc-pickup ticket move ${id} todo`, 'now, with its attempts at zero'];
  switch (because) {
    case 'owned_by_person':
      return [[`mc-pickup ticket edit ${id} --owner ""`, 'any profile may take it']];
    case 'untrusted':
      return [[`mc-pickup ticket move ${id} todo`, 'you have read it and trust it']];
    case 'dependencies_unmet':
      return depends_on.slice(0, 3).map((one): Hint => [`mc-pickup explain ${one}`, 'it waits for this one']);
    case 'not_before':
    case 'attempts_used_up':
      return [again];
    case 'config_broken':
    case 'tmux_unreadable':
      return [['mc-pickup doctor', 'what is wrong, and how to mend it']];
    case 'unknown_project':
      return [
        [`mc-pickup ticket edit ${id} --project NAME`, 'or mc-pickup init --project in its repository'],
      ];
    case 'unknown_agent':
    case 'no_agent':
      return [
        [`mc-pickup ticket edit ${id} --agent NAME`, 'a profile of the configuration: mc-pickup agents'],
      ];
    case 'account_limited':
    case 'rate_limited':
    case 'budget_day':
    case 'budget_ticket':
      return [['mc-pickup agents', 'limits, and what was used today']];
    case 'profile_not_ready':
      return [
        ['mc-pickup agents', 'what to do'],
        ['mc-pickup agents ready NAME', 'once it is done'],
      ];
    case 'no_slot':
    case 'no_slot_project':
    case 'no_slot_agent':
    case 'living_limit':
      return [['mc-pickup status', 'who has the slots, and who lives']];
    case 'low_memory':
    case 'under_pressure':
      return [['mc-pickup status', 'which agents live; what else takes it is yours to see']];
    case 'servers_lost':
      return [['mc-pickup status', 'until when, and whose runs lived each time the server was lost']];
    case 'held':
      return [['mc-pickup doctor', 'tries it at once, and lets go what is mended']];
    case 'killswitch':
      // What lets go of the very switch is named with it.
      return [['mc-pickup killswitch status', 'why']];
    case 'mass_death':
      return [
        ['mc-pickup killswitch status', 'why'],
        ['mc-pickup killswitch off', 'launch again'],
      ];
    case 'verdict_unknown':
    case 'not_mine':
    case 'mark_unknown':
      return [[`mc-pickup stop ${id} --release`, 'if you know that its agent is gone']];
    case 'flapping':
      return [[`mc-pickup log --ticket ${id}`, 'who keeps resetting it']];
    case 'taken_by_person':
    case 'run_lost':
      return [[`mc-pickup ticket move ${id} todo`, 'an agent may take it']];
    case 'owner_changed':
    case 'busy_with_other_owner':
    case 'alive_though_settled':
      return [
        [`mc-pickup attach ${id}`, 'its agent'],
        [`mc-pickup stop ${id}`, 'end it'],
      ];
    // Which command lets it go is named with what is in the way.
    case 'branch_elsewhere':
    // The next ticks see to it.
    case 'still_being_made':
    case 'launch_limit':
    case 'ramping_up':
    case 'other_project':
    case 'launching':
    case 'ticket_unreadable':
    case 'runtime_busy_elsewhere':
    case 'busy_with_other_ticket':
      return [];
    default:
      return unreachable(because);
  }
}

/** What an open dialog can be answered with: nothing else is taken while it stands. */
function dialogHints(kind: DialogKind, id: string): readonly Hint[] {
  const attach: Hint = [`mc-pickup attach ${id}`, 'look at it, and answer it there'];
  switch (kind) {
    case 'choice':
      return [
        [`mc-pickup answer ${id} N`, 'the option of that number'],
        [`mc-pickup answer ${id} "..."`, 'in your own words'],
        attach,
      ];
    case 'permission':
      return [
        [`mc-pickup answer ${id} --allow`, 'once'],
        [`mc-pickup answer ${id} --deny`, 'not this'],
        attach,
      ];
    case 'unknown':
      return [[`mc-pickup answer ${id} --allow`, 'if it asks for a permission (or --deny)'], attach];
    case 'attach':
      return [attach];
    default:
      return unreachable(kind);
  }
}

/** By its status, where that waits for a person. */
export function statusHints(
  status: TicketStatus,
  id: string,
  agent: {
    readonly alive: boolean;
    /** What its open dialog can be answered with; null = none is open. */
    readonly dialog: DialogKind | null;
    readonly branch: boolean;
  },
): readonly Hint[] {
  const diff: readonly Hint[] = agent.branch ? [[`mc-pickup diff ${id}`, 'what was changed']] : [];
  switch (status) {
    case 'needs_input':
      if (agent.dialog !== null) return dialogHints(agent.dialog, id);
      return [
        [`mc-pickup answer ${id} "..."`, agent.alive ? 'to its agent' : 'for the next attempt'],
        ...(agent.alive ? ([[`mc-pickup attach ${id}`, 'look at it']] as const) : []),
      ];
    case 'in_review':
      return [
        ...diff,
        [`mc-pickup ticket approve ${id}`, 'it is done'],
        [`mc-pickup ticket rework ${id} --message "..."`, 'once more, with your comments'],
      ];
    case 'blocked':
      return [[`mc-pickup ticket move ${id} todo`, 'once what blocks it is gone'], ...diff];
    case 'cancelled':
      return [[`mc-pickup ticket move ${id} todo`, 'do it after all']];
    case 'in_progress':
      return agent.alive ? [[`mc-pickup attach ${id}`, 'look at its agent']] : [];
    case 'todo':
    case 'done':
      return [];
    default:
      return unreachable(status);
  }
}
