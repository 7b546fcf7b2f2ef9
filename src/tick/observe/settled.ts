import { adapterOf } from '../../agents/index.ts';
import type { TicketFacts } from '../../model/ticket.ts';
import type { ObservedRuntime, Stays } from '../../model/world.ts';
import { planPublish } from '../../publish/index.ts';
import { whetherAsked } from '../../runs/asked.ts';
import { lookAtPrompts, type Prompted } from '../../tmux/quit.ts';
import { hasCommits, isAtTip } from '../../workspace/head.ts';
import type { Eyes } from './eyes.ts';

/** A client that is to be asked to quit, or may be. */
export interface Due {
  readonly seen: ObservedRuntime;
  readonly ticket: TicketFacts;
}

/** Of clients whose time has come: whether they may be asked to quit, or why not. One tmux command for all of them, or for each fifty. */
export async function mayQuit(due: readonly Due[], eyes: Eyes): Promise<ReadonlyMap<string, 'yes' | Stays>> {
  const found = new Map<string, 'yes' | Stays>();
  for (const one of due) {
    const stays = await beforeALook(one, eyes);
    if (stays !== null) found.set(one.seen.row.id, stays);
  }
  const open = due.filter(({ seen }) => !found.has(seen.row.id));
  const shown = await lookAtPrompts(
    eyes.tmux,
    open.map(({ seen }) => seen.pane?.pane ?? ''),
  );
  for (const { seen } of open) found.set(seen.row.id, byItsPane(seen, shown.get(seen.pane?.pane ?? '')));
  return found;
}

async function beforeALook({ seen: { row, pane }, ticket }: Due, eyes: Eyes): Promise<Stays | null> {
  if (pane === null || pane.dead || row.tmux_pane !== pane.pane) return 'no_pane';
  if (whetherAsked(eyes.places.runs, row) === 'left') return 'did_not_quit';
  return (await isPublished(row, ticket, eyes)) ? null : 'not_published';
}

function byItsPane({ row }: ObservedRuntime, shown: Prompted | undefined): 'yes' | Stays {
  if (shown === undefined || shown.dead || shown.run !== row.mark) return 'no_pane';
  if (shown.attached > 0) return 'attached';
  if (shown.in_a_mode) return 'in_a_mode';
  const { composer } = adapterOf(row.kind === '' ? 'command' : row.kind);
  if (composer === undefined) return 'yes';
  const seen = composer(shown.screen);
  if (seen === null) return 'composer_unseen';
  return seen === 'empty' ? 'yes' : 'text_in_composer';
}

/** Whether all that a tick does with work in review is done, as far as it was done: its reader is asked, and the tip of its branch is out. */
async function isPublished(
  { worktree, branch }: ObservedRuntime['row'],
  { id, status }: TicketFacts,
  { board, policy, now_ms }: Eyes,
): Promise<boolean> {
  if (status !== 'in_review') return true;
  const ticket = await board.ticket(id);
  const spec = policy.projects.get(ticket?.project ?? '')?.review ?? null;
  if (ticket === null || spec === null) return true;
  const rows = await board.reviews([id]);
  if (rows === null) return true;
  const due = planPublish({
    ...{ tickets: [ticket], rows, policy, switches: [], project: null, now_ms },
    before_ms: Number.POSITIVE_INFINITY,
  });
  if (due.some(({ because }) => because !== 'check_due')) return false;
  const row = rows.find(({ claim_epoch }) => claim_epoch === ticket.claim_epoch);
  if (!spec.push || row === undefined || row.stage === 'merged' || row.stage === 'closed') return true;
  if (worktree === null || (await hasCommits(worktree, branch)) === false) return true;
  return row.head !== null && isAtTip(worktree, branch, row.head);
}
