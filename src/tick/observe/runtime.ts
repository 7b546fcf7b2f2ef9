import { adapterOf } from '../../agents/index.ts';
import type { Judgement, ObserverIdentity } from '../../model/identity.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { ActivityView, ObservedRuntime, Pane, TmuxView } from '../../model/world.ts';
import { lookAtActivity, ofTheDead } from '../../runs/activity.ts';
import { whetherAsked } from '../../runs/asked.ts';
import { wasDenied } from '../../runs/denied.ts';
import { kindOf } from '../../runs/run-file.ts';
import type { survivors as Survivors } from '../../runs/survivors.ts';
import { hasCommits } from '../../workspace/head.ts';
import type { Eyes } from './eyes.ts';
import { type Judged, serverLost } from './panes.ts';
import { byScreen } from './screen.ts';

export interface At {
  readonly me: ObserverIdentity;
  readonly tmux: TmuxView;
  readonly pane: Pane | null;
  readonly delta_ms: number;
  readonly eyes: Eyes;
  readonly abandoned: ReadonlySet<string>;
  /** Tickets that wait for a person. */
  readonly asking: ReadonlySet<string>;
  /** What is looked for at most once in a tick, and mostly not at all. */
  readonly once: { survivors?: Promise<ReturnType<typeof Survivors>> };
}

/** All that can be seen of one runtime. */
export async function observeRuntime({ row, judgement: recorded }: Judged, at: At): Promise<ObservedRuntime> {
  const { me, tmux, pane, delta_ms, eyes, abandoned } = at;
  const mine = row.host_id === me.host_id;
  const lives = livesOn(row, recorded, at);
  const { judgement, survivor } = lives instanceof Promise ? await lives : lives;
  const adapter = mine && row.ticket_id !== null ? adapterOf(kindOf(row, eyes.places, eyes.policy)) : null;
  const looked =
    adapter === null
      ? asRecorded(row)
      : lookAtActivity(eyes.places.runs, row, pane?.title ?? null, adapter, delta_ms);
  // Most are told at once, and a fleet of hundreds then waits for nothing.
  const told = looked instanceof Promise ? await looked : looked;
  const isDead = mine && judgement?.verdict === 'dead';
  const seen = isDead && adapter !== null ? ofTheDead(told, eyes.places.runs, row, adapter) : told;
  const quiet = isDead || (mine && seen.activity === 'idle');
  const ran = programOf(row, recorded, mine, eyes.now_ms);
  const shown = adapter === null ? seen : byScreen(seen, { row, judgement, pane, adapter, eyes });
  return {
    row,
    judgement,
    pane,
    seen: shown instanceof Promise ? await shown : shown,
    survivor,
    program: ran instanceof Promise ? await ran : ran,
    server_lost: mine && serverLost(row, tmux),
    has_commits: quiet && row.worktree !== null ? await hasCommits(row.worktree, row.branch) : null,
    abandoned: abandoned.has(row.id),
    ...(mine && seen.activity === 'idle' && wasDenied(eyes.places.runs, row, seen.turn)
      ? { denied: true }
      : {}),
    ...(isDead && at.asking.has(row.ticket_id ?? '') ? { answered: await wasAnswered(row, eyes) } : {}),
    may_quit: null,
    asked_to_quit: mine && judgement?.verdict === 'dead' && whetherAsked(eyes.places.runs, row) !== 'not',
  };
}

/** Whether a person has answered the run since the ticket was last changed, which was its question; nobody looks for that but where one has died. */
async function wasAnswered({ id, ticket_id }: Runtime, { board }: Eyes): Promise<boolean> {
  const ticket = ticket_id === null ? null : await board.ticket(ticket_id);
  const words = ticket === null ? [] : await board.words(ticket.id);
  return words.some(
    ({ honoured_by, had }) =>
      honoured_by === null &&
      had.some((one) => one.run_id === id && one.at_ms >= (ticket?.updated_at_ms ?? one.at_ms)),
  );
}

interface Lives {
  readonly judgement: Judgement | null;
  readonly survivor: ObservedRuntime['survivor'];
}

/** A dead process is not the whole run: its client may live on in another one. Nobody looks for that but where one is dead. */
function livesOn(
  row: Runtime,
  judgement: Judgement | null,
  { me, once, eyes: { policy, env } }: Pick<At, 'me' | 'once' | 'eyes'>,
): Lives | Promise<Lives> {
  if (judgement?.verdict !== 'dead' || row.ticket_id === null) return { judgement, survivor: null };
  once.survivors ??= import('../../runs/survivors.ts').then(({ survivors }) => survivors(me));
  return Promise.all([once.survivors, import('../../runs/program.ts')]).then(([survivorOf, { clientOf }]) =>
    survivorOf(row, judgement, clientOf(row, policy.agents.get(row.agent), env)),
  );
}

/** A wrapper has become its client by then, where it does: it may read its settings, or look for a newer client. */
const WRAPS_MS = 60_000;

/** Which program the process has become: looked at until it is told once, and not before a wrapper is through. A shell that reads commands is
 *  never told: the agent may have become one by then. Only Linux tells. */
function programOf(
  row: Runtime,
  judgement: Judgement | null,
  mine: boolean,
  now_ms: number,
): string | null | Promise<string | null> {
  const { pid, program: known, registered_at_ms } = row;
  if (known !== null || !mine || pid === null || judgement?.verdict !== 'alive') return null;
  if (process.platform !== 'linux' || now_ms < (registered_at_ms ?? 0) + WRAPS_MS) return null;
  return import('../../runs/program.ts').then(({ lookAtProgram, programText, readsCommands }) => {
    const program = lookAtProgram(pid);
    return program === null || readsCommands(program) ? null : programText(program);
  });
}

function asRecorded(row: Runtime): ActivityView {
  const {
    activity,
    question,
    turn,
    client_session,
    events_cursor,
    level,
    level_ms,
    limited_until_ms,
    not_ready,
  } = row;
  return {
    ...{ activity, question, turn, client_session, level, level_ms, limited_until_ms, not_ready },
    fresh: 0,
    cursor: events_cursor,
  };
}
