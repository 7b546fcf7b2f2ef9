import { EARLY_MS } from '../../model/breaker.ts';
import { isDeath } from '../../model/ends.ts';
import { SETTLED, type TicketFacts } from '../../model/ticket.ts';
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
  isLimited,
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
  const turnEnd = endOfTurn(seen, ticket, scene);
  if (turnEnd !== null) return together(loss, turnEnd);
  const cause = causeOfDeath(seen);
  const unable = isLimited(seen.seen, scene)
    ? 'rate_limited'
    : seen.seen.not_ready !== null
      ? 'agent_not_ready'
      : hasLostSession(seen)
        ? 'session_lost'
        : null;
  const because = unable ?? cause;
  return together(
    loss,
    accountOf(seen, scene),
    isDeath(because) ? earlyOf(seen, ticket, scene) : NOTHING,
    retry(seen.row, ticket, because, { end_reason: because, ...exitOf(seen) }, seen, scene),
  );
};

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
  const because = 'finished_without_report' as const;
  const base = {
    ...{ ticket: ticket.id, guard: guardOf(ticket), runtime: guardOfRow(row), because },
    evidence: { pid: row.pid, exit_code, has_commits },
  };
  const question = 'The agent ended without a report.';
  const cell: Cell = reviewed
    ? { after: moved(ticket, 'in_review'), steps: [{ kind: 'submit', ...base }] }
    : {
        after: moved(ticket, 'needs_input'),
        steps: [{ kind: 'ask', question, turn: seen.turn, ...base }],
      };
  // To ask is a change of the row as well.
  const asIs = { ...row, version: reviewed ? row.version : row.version + 1 };
  return together(cell, end(asIs, ticket, 'agent_finished', { end_reason: 'finished', ...exit }));
}
