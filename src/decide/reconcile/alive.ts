import { MAX_HEALS } from '../../model/breaker.ts';
import type { Step, WhyNot } from '../../model/plan.ts';
import { sameHands } from '../../model/runtime.ts';
import type { TicketFacts } from '../../model/ticket.ts';
import { EFFECTS } from '../../model/trouble.ts';
import { unreachable } from '../../model/unreachable.ts';
import type { ObservedRuntime } from '../../model/world.ts';
import { accountOf } from './accounts.ts';
import {
  type Cell,
  type Decides,
  guardOf,
  guardOfRow,
  isLimited,
  moved,
  NOTHING,
  type Pair,
  profileOf,
  type Scene,
  silenceOf,
  skip,
  together,
} from './cell.ts';
import { refreshed } from './refresh.ts';
import { settled } from './settled.ts';
import { apiHoldOn, firstToTry, mayGoOn, newHold, waitsFor } from './troubles.ts';

/** A cell of a living agent whose ticket waits or works: what is seen of it and of its account is kept, and a ticket that is in other
 *  hands by now is left alone. */
export function living(decides: Decides): Decides {
  return kept(({ seen, view }, scene) => {
    const { id, owner } = view.ticket;
    if (!sameHands(seen.row, owner))
      return skip(id, seen.row.id, { because: 'owner_changed', evidence: { owner } });
    return decides({ seen, view }, scene);
  });
}

/** A ticket that a person or a report has settled stays so: its agent is asked to quit in its time, and shown till then. */
export const aliveThoughSettled: Decides = kept(settled);

/** Beside what a cell decides, what was seen of the row and of its account is kept. Where the client lives on in another process
 *  nothing else is decided. */
function kept(decides: Decides): Decides {
  return (pair, scene) => {
    const { seen } = pair;
    if (seen.survivor !== null) return livesOn(pair, scene);
    const now = { alive: true, silent_ms: silenceOf(seen, scene.world), launching_ms: seen.row.launching_ms };
    return together(refreshed(seen, now, scene), accountOf(seen, scene), decides(pair, scene));
  };
}

/** The recorded process is dead, and the client lives on in another one of its run: that is the run now. Whatever else there
 *  is to decide rests on the row as it is then, so it waits for the next tick. */
function livesOn({ seen, view: { ticket } }: Pair, scene: Scene): Cell {
  const { row, survivor: process } = seen;
  if (process === null) return NOTHING;
  const silent_ms = row.silent_ms + scene.world.delta_ms;
  return {
    ...refreshed(seen, { alive: true, silent_ms, launching_ms: row.launching_ms }, scene),
    speaks: true,
    steps: [
      {
        ...{ kind: 'follow', ticket: ticket.id, because: 'client_lives_on', process },
        evidence: { run: row.id, was: row.pid, pid: process.pid },
        guard: guardOf(ticket),
        runtime: guardOfRow(row),
      },
    ],
  };
}

/** `todo` and alive: whoever put it back was wrong about its agent. */
export function aliveInTodo(pair: Pair): Cell {
  return normalize(pair, 'agent_alive');
}

/** `needs_input` and alive: a question of the run itself and a park stand until there is activity after them; else it goes back to
 *  `in_progress`. */
export function aliveInNeedsInput(pair: Pair, scene: Scene): Cell {
  // A level, not the edge of a single tick: a tick that was cut off after it had stored the activity lost the edge.
  const active = silenceOf(pair.seen, scene.world) < ttlOf(scene);
  const because = whyBack(pair.seen, pair.view.ticket, active);
  if (because !== null) return normalize(pair, because);
  return asksAnew(pair.seen, pair.view.ticket)
    ? ask(pair, 'agent_waiting', questionOf(pair), scene)
    : NOTHING;
}

/** The dialog that it had open was answered, and another one stands by now: it is that which a person is asked. */
function asksAnew({ row, seen }: ObservedRuntime, { reason }: TicketFacts): boolean {
  const [before, now] = [row.question, seen.question];
  return reason === 'agent_waiting' && before !== null && now !== null && before !== now;
}

function questionOf({ seen: { seen } }: Pair): string {
  return seen.question ?? 'The agent waits for a person.';
}

/** The ticket waits for a person. */
function ask(
  { seen: observed, view: { ticket } }: Pair,
  because: 'agent_not_ready' | 'agent_waiting' | 'idle_without_report' | 'request_refused',
  question: string,
  scene: Scene,
): Cell {
  const { row, seen } = observed;
  const { activity, turn } = seen;
  const evidence = { activity, pid: row.pid, silent_ms: silenceOf(observed, scene.world) };
  const of = { ticket: ticket.id, guard: guardOf(ticket), runtime: guardOfRow(row) };
  return {
    after: moved(ticket, 'needs_input'),
    steps: [{ kind: 'ask', because, question, turn, ...of, evidence }],
  };
}

type Healed = Extract<Step, { kind: 'normalize' }>['because'];

/** Why a ticket in `needs_input` goes back to `in_progress`; null = it stays. What stands there for another reason than this run's own
 *  was put there by somebody who did not know that the agent lives. */
function whyBack({ row, seen }: ObservedRuntime, ticket: TicketFacts, active: boolean): Healed | null {
  if (ticket.reason_run !== row.id) return 'agent_alive';
  const later = seen.turn > (ticket.reason_turn ?? 0);
  switch (ticket.reason) {
    case 'asked':
    case 'idle_without_report':
    case 'finished_without_report':
    case 'agent_not_ready':
    case 'request_refused':
      return later ? 'activity_after_question' : null;
    case 'agent_waiting':
      // However it was answered (or dismissed), the dialog is gone.
      return later || seen.activity !== 'waiting' ? 'activity_after_question' : null;
    case 'parked':
      return active ? 'activity_after_park' : null;
    default:
      return 'agent_alive';
  }
}

function normalize({ seen, view: { ticket, heals } }: Pair, because: Healed): Cell {
  const { row } = seen;
  if (because === 'agent_alive' && heals >= MAX_HEALS)
    return skip(ticket.id, row.id, { because: 'flapping', evidence: { heals } });
  if (row.pid === null)
    return skip(ticket.id, row.id, { because: 'verdict_unknown', evidence: { because: 'no_identity' } });
  return {
    after: moved(ticket, 'in_progress'),
    speaks: true,
    steps: [
      {
        ...{ kind: 'normalize', ticket: ticket.id, because, pid: row.pid },
        evidence: { pid: row.pid, run: row.id, pane: row.tmux_pane, activity: seen.seen.activity },
        guard: guardOf(ticket),
        runtime: guardOfRow(row),
      },
    ],
  };
}

/** `in_progress` and alive: keep, unless the agent waits for a person, is through, or is silent for too long. */
export function aliveAtWork(pair: Pair, scene: Scene): Cell {
  const {
    seen: observed,
    view: { ticket },
  } = pair;
  const { row, seen } = observed;
  const { turn, activity } = seen;
  const silent_ms = silenceOf(observed, scene.world);
  // Most agents are left at work.
  const base = () => ({
    ...{ ticket: ticket.id, guard: guardOf(ticket), runtime: guardOfRow(row) },
    evidence: { activity, pid: row.pid, silent_ms },
  });
  if (seen.not_ready !== null) return ask(pair, 'agent_not_ready', seen.not_ready, scene);
  if (activity === 'waiting') return ask(pair, 'agent_waiting', questionOf(pair), scene);
  const asks = seen.trouble === undefined ? null : EFFECTS[seen.trouble.kind].asks;
  if (seen.trouble !== undefined && asks !== null) return ask(pair, asks, seen.trouble.says, scene);
  const cut = cutOff(observed, scene);
  if (cut !== null && cut !== 'goes_on') return skip(ticket.id, row.id, cut);
  if (cut === 'goes_on') {
    const tries = apiHoldOn(row.agent, scene.world.holds) === null ? {} : ({ tries: true } as const);
    return {
      after: moved(ticket, ticket.status),
      steps: [{ kind: 'nudge', because: 'limit_over', free: true, ...tries, turn, ...base() }],
      ...('tries' in tries ? { tries: row.agent } : {}),
    };
  }
  const next = activity === 'idle' ? afterTurn(observed, scene) : 'leave';
  switch (next) {
    case 'submit':
      return {
        after: moved(ticket, 'in_review'),
        steps: [{ kind: 'submit', because: 'idle_without_report', ...base() }],
      };
    case 'nudge': {
      const because = 'idle_without_report';
      return { after: moved(ticket, ticket.status), steps: [{ kind: 'nudge', because, turn, ...base() }] };
    }
    case 'ask':
      return ask(
        pair,
        'idle_without_report',
        observed.denied === true ? DENIED : 'The agent ended its turn without a report.',
        scene,
      );
    case 'leave':
      if (silent_ms < ttlOf(scene)) return NOTHING;
      return {
        after: moved(ticket, 'needs_input'),
        steps: [{ kind: 'park', because: 'silent_past_ttl', turn, ...base() }],
      };
    default:
      return unreachable(next);
  }
}

const DENIED =
  'You denied what the agent asked for, and it ended its turn: say how it is to go on (mc-pickup answer).';

/** A turn that the API of the model has cut off: why it waits, or that it goes on now. null = it was not, or nobody can tell its client to go on. */
function cutOff(observed: ObservedRuntime, scene: Scene): WhyNot | 'goes_on' | null {
  const { row, seen } = observed;
  const { limited_until_ms: until_ms, trouble } = seen;
  if (until_ms === null) return null;
  const hold = newHold(observed, scene) ?? apiHoldOn(row.agent, scene.world.holds);
  if (isLimited(seen, scene)) {
    const says = trouble?.says ?? hold?.says ?? null;
    return { because: 'rate_limited', evidence: { until_ms, says } };
  }
  if (hold !== null && firstToTry(hold, scene) !== row.id) return waitsFor(hold);
  return mayGoOn(observed, scene) ? 'goes_on' : null;
}

/** What a turn that ended without a report comes to; of a headless run its process tells, a moment later. A continuation prompt is sent
 *  at most once for a turn: one whose arrival was never seen is not followed by another. */
function afterTurn(
  { row, seen, has_commits, denied }: ObservedRuntime,
  scene: Scene,
): 'submit' | 'nudge' | 'ask' | 'leave' {
  if (row.headless) return 'leave';
  const profile = profileOf(row, scene);
  const on_idle = profile?.on_idle ?? 'needs_input';
  if (on_idle === 'leave') return 'leave';
  // To go on where it was is what a person has just said no to: they say how.
  const may =
    denied !== true &&
    row.nudges < (profile?.max_nudges ?? 0) &&
    (row.nudged_turn === null || seen.turn > row.nudged_turn);
  if (on_idle === 'review' || (on_idle === 'auto' && has_commits === true)) return 'submit';
  return may && (on_idle === 'auto' || on_idle === 'nudge') ? 'nudge' : 'ask';
}

function ttlOf({ policy }: Scene): number {
  return policy.limits.ttl_minutes * 60_000;
}
