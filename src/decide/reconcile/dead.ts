import { EARLY_MS } from '../../model/breaker.ts';
import { isDeath } from '../../model/ends.ts';
import type { Through } from '../../model/evidence.ts';
import type { Step } from '../../model/plan.ts';
import { SETTLED, type TicketFacts } from '../../model/ticket.ts';
import { EFFECTS } from '../../model/trouble.ts';
import type { ObservedRuntime } from '../../model/world.ts';
import { accountOf } from './accounts.ts';
import {
  type Cell,
  type Decides,
  end,
  exitOf,
  guardOf,
  guardOfRow,
  handOver,
  moved,
  NOTHING,
  type Pair,
  profileOf,
  retry,
  type Scene,
  sameClaim,
  sightingOf,
  together,
} from './cell.ts';
import { cutOffBy } from './troubles.ts';

/** A dead agent whose ticket waits for a person, or is settled: it had reported or asked, and has finished, or it was asked to quit. */
export const finished: Decides = ({ seen, view: { ticket } }, scene) => {
  const asked = seen.asked_to_quit && SETTLED.has(ticket.status);
  const [because, end_reason] = asked
    ? (['settled', 'settled'] as const)
    : (['agent_finished', 'finished'] as const);
  return together(
    lossOf(seen, ticket, scene),
    end(seen.row, ticket, because, { end_reason, ...exitOf(seen) }),
  );
};

/** A dead agent whose ticket waits for a person: it has finished by its question, unless a person has answered that. Then it was at work. */
export const diedAsking: Decides = (pair, scene) =>
  pair.seen.answered === true ? diedAtWork(pair, scene) : finished(pair, scene);

/** A dead agent that is not this claim's: its row ends, and the ticket stays where it is. */
export const died: Decides = ({ seen, view: { ticket } }, scene) => {
  const cause = causeOfDeath(seen);
  return together(
    lossOf(seen, ticket, scene),
    end(seen.row, ticket, cause, { end_reason: cause, ...exitOf(seen) }),
    handOver(seen.row, ticket, scene),
  );
};

/** A dead agent that was at work: what it has left goes on to a person, or the ticket is given back by the retry table. */
export const diedAtWork: Decides = (pair, scene) => {
  const { seen, view } = pair;
  const { ticket } = view;
  // While another run's process carries the ticket's mark, the ticket stays where it is: with this row out of the
  // way, the next tick adopts that process. A retry would disown it, and `blocked` for good.
  if (!sameClaim(seen.row, ticket) || sightingOf(ticket, scene) !== null) return died(pair, scene);
  const loss = lossOf(seen, ticket, scene);
  const account = accountOf(seen, scene);
  const turnEnd = requestRefused(seen, ticket) ?? endOfTurn(seen, ticket, scene);
  if (turnEnd !== null) return together(loss, account, turnEnd);
  const cause = causeOfDeath(seen);
  const because = unableBy(seen, scene) ?? (hasLostSession(seen) ? 'session_lost' : cause);
  return together(
    loss,
    account,
    isDeath(because) ? earlyOf(seen, ticket, scene) : NOTHING,
    retry(seen.row, ticket, because, { end_reason: because, ...exitOf(seen) }, seen, scene),
  );
};

/** Why its client could not work, where that is neither the ticket's nor its own. */
function unableBy(
  observed: ObservedRuntime,
  scene: Scene,
): 'rate_limited' | 'api_down' | 'agent_not_ready' | null {
  const kind = cutOffBy(observed, scene);
  const ends = kind === null ? null : EFFECTS[kind].ends;
  return ends ?? (observed.seen.not_ready !== null ? 'agent_not_ready' : null);
}

/** The API takes no such request: it would refuse it again, and a person is asked with the client's words. */
function requestRefused(observed: ObservedRuntime, ticket: TicketFacts): Cell | null {
  const { row, seen, has_commits } = observed;
  const exit = exitOf(observed);
  if (seen.trouble?.kind !== 'request') return null;
  const through = { pid: row.pid, exit_code: exit.exit_code, has_commits };
  const question = seen.trouble.says;
  return asked(observed, ticket, { because: 'request_refused', question, through });
}

/** A person is asked, and the row ends with that. */
function asked(
  observed: ObservedRuntime,
  ticket: TicketFacts,
  { because, question, through: evidence }: Asks,
): Cell {
  const { row, seen } = observed;
  const runtime = guardOfRow(row);
  const step: Step = {
    ...{ kind: 'ask', ticket: ticket.id, because, question, turn: seen.turn, guard: guardOf(ticket) },
    ...{ runtime, evidence },
  };
  // To ask is a change of the row as well.
  const after = { ...row, version: row.version + 1 };
  return together(
    { after: moved(ticket, 'needs_input'), steps: [step] },
    end(after, ticket, 'agent_finished', { end_reason: 'finished', ...exitOf(observed) }),
  );
}

interface Asks {
  readonly because: 'request_refused' | 'finished_without_report';
  readonly question: string;
  readonly through: Through;
}

/** Whether a run that was to go on with a session of its client's has ended by itself before it began a turn: the client does not know that
 *  session any more. Whatever else it was, a fresh start will show it again, and pay for it. */
function hasLostSession({ row, seen, pane }: ObservedRuntime): boolean {
  return row.resumed !== null && seen.turn === 0 && pane?.dead === true && pane.exit_code !== null;
}

function causeOfDeath({ judgement, pane, server_lost }: ObservedRuntime) {
  if (judgement?.because === 'rebooted') return 'rebooted';
  if (pane?.dead && pane.exit_signal !== null) return 'agent_killed';
  if (pane?.dead && pane.exit_code !== null) return 'agent_exited';
  return server_lost ? 'tmux_server_lost' : 'agent_dead';
}

/** The loss of its tmux server, for the hold of launches. */
function lossOf(seen: ObservedRuntime, ticket: TicketFacts, { world }: Scene): Cell {
  if (causeOfDeath(seen) !== 'tmux_server_lost') return NOTHING;
  const { tmux_server_pid, tmux_server_start } = seen.row;
  const server = `${tmux_server_pid} ${tmux_server_start}`;
  return { loss: { server, ticket: ticket.id, at_ms: world.now_ms } };
}

/** A death right after the start, for the breaker. */
function earlyOf({ row }: ObservedRuntime, ticket: TicketFacts, { world, policy }: Scene): Cell {
  const { agent, project, registered_at_ms, claimed_at_ms, heartbeat_at_ms } = row;
  const lived_ms = world.now_ms - (registered_at_ms ?? 0);
  // Never seen alive by a tick counts as early only while ticks come: not after hours without one.
  const unseen = heartbeat_at_ms === null && lived_ms < 2 * policy.limits.interval_seconds * 1000;
  if (!unseen && !(lived_ms >= 0 && lived_ms < EARLY_MS)) return NOTHING;
  const started_at_ms = registered_at_ms ?? claimed_at_ms;
  return { early: { ticket: ticket.id, agent, project, started_at_ms } };
}

/** The end of a headless run, or of a program of no known client, is the end of its turn: work that is committed goes to review, or a person
 *  is asked, and its row ends with that. null = it did not end well: that is a failed attempt. */
function endOfTurn(observed: Pair['seen'], ticket: TicketFacts, scene: Scene): Cell | null {
  const { row, seen, has_commits } = observed;
  const exit = exitOf(observed);
  const { exit_code, exit_signal } = exit;
  // Where nobody saw the exit, the client's own word that its turn is over stands for it.
  const told = row.headless && exit_code === null && exit_signal === null && seen.activity === 'idle';
  if (!(exit_code === 0 || told) || !(row.headless || row.kind === 'command')) return null;
  const on_idle = profileOf(row, scene)?.on_idle ?? 'needs_input';
  const reviewed = on_idle === 'review' || (on_idle !== 'needs_input' && has_commits === true);
  const because = 'finished_without_report';
  const through = { pid: row.pid, exit_code, has_commits };
  if (!reviewed)
    return asked(observed, ticket, { because, question: 'The agent ended without a report.', through });
  const runtime = guardOfRow(row);
  return together(
    {
      after: moved(ticket, 'in_review'),
      steps: [
        { kind: 'submit', ticket: ticket.id, because, guard: guardOf(ticket), runtime, evidence: through },
      ],
    },
    end(row, ticket, 'agent_finished', { end_reason: 'finished', ...exit }),
  );
}
