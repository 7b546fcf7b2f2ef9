import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { type Adapter, adapterOf } from '../agents/index.ts';
import type { Board, Ready, Snapshot } from '../board/port.ts';
import { monotonicMs } from '../machine/clock.ts';
import { failpoint } from '../machine/failpoint.ts';
import { readSwitches, releasesIn } from '../machine/killswitch.ts';
import type { Places } from '../machine/paths.ts';
import { hostId, lookAt, lookAtSelf } from '../machine/process.ts';
import { programStamp } from '../machine/programs.ts';
import { LOSSES_MS } from '../model/breaker.ts';
import { dayOf } from '../model/day.ts';
import { type Judgement, judge, type ObserverIdentity } from '../model/identity.ts';
import type { Policy } from '../model/policy.ts';
import { failedLaunches, LAUNCHES_SEEN } from '../model/retry.ts';
import { identityOf, type Runtime } from '../model/runtime.ts';
import type {
  AccountView,
  ActivityView,
  ObservedRuntime,
  Pane,
  Sighting,
  Switch,
  TmuxView,
  World,
} from '../model/world.ts';
import { lookAtActivity } from '../runs/activity.ts';
import { UNANNOUNCED_MS } from '../runs/events.ts';
import type { Mark } from '../runs/marks.ts';
import { kindOf } from '../runs/run-file.ts';
import { sightMark, sightPane, unowned, unownedMarks, witnesses } from '../runs/sighting.ts';
import type { survivors as Survivors } from '../runs/survivors.ts';
import { capturePane, type Tmux, viewServer } from '../tmux/tmux.ts';
import { hasCommits } from '../workspace/head.ts';

/** Tickets in `todo` that one tick looks at; the rest is counted, and looked at when its turn comes. */
export const CANDIDATES = 500;

export interface Eyes {
  readonly places: Places;
  readonly board: Board;
  readonly tmux: Tmux;
  readonly policy: Policy;
  /** Launches are for this project only; null = for all. */
  readonly project: string | null;
  readonly env: NodeJS.ProcessEnv;
  readonly now_ms: number;
  readonly mono_ms: number;
  /** Whether a deleted tmux socket may be restored (SIGUSR1 to the recorded server), and a file say what was found of the
   *  marks: not in a dry run. */
  readonly repair: boolean;
  /** A look that was begun already; who began it holds the tick lock. */
  readonly look?: Look | null;
  /** Tickets that are looked at whatever comes before them in the queue. */
  readonly also?: readonly string[];
  /** Whether whoever has claimed what is `launching` on this host is known to have ended, and nobody else starts panes for it. Asked
   *  after the board was read, and only where something is `launching`. */
  readonly claimersEnded: () => Promise<boolean>;
}

/** Who looks, and what tmux is about to answer. */
export interface Look {
  readonly me: ObserverIdentity;
  readonly tmux: Promise<TmuxView>;
}

/** Asks tmux, so that its answer comes while there is something else to do. `me`: who looks, where that is known already. */
export function beginLook({
  places,
  tmux,
  repair,
  me = lookAtSelf(hostId(places.state) ?? 'h-unknown'),
}: Pick<Eyes, 'places' | 'tmux' | 'repair'> & { readonly me?: ObserverIdentity }): Look {
  const asked = viewServer(tmux, { repair, self: me });
  asked.catch(() => {}); // told where it is waited for, if the tick comes that far
  return { me, tmux: asked };
}

/**
 * One look at everything: tmux is asked, the board is read in one transaction while tmux answers, then the processes
 * that the board names are looked at. In this order a process that ends after the board was read is seen as dead under
 * a guard that still holds or no longer does; the other way round a fresh registration would look like a pid unseen.
 * Of tmux nothing but the exit of a pane may be older than the board: under the tick lock nobody else starts a pane or
 * ends a row, and what a launcher of a killed tick does meanwhile is judged by its process, never by a missing pane.
 */
export async function observe(eyes: Eyes): Promise<World> {
  const { me, tmux: looking } = eyes.look ?? beginLook(eyes);
  const { host_id } = me;
  const switches = readSwitches(eyes.places, eyes.env, eyes.now_ms);
  const snapshot = await eyes.board.snapshot({
    host_id,
    now_ms: eyes.now_ms,
    limit: CANDIDATES,
    ready: readyOf(eyes, switches),
    budget_day: budgeted(eyes.policy) ? dayOf(eyes.now_ms) : null,
    also: eyes.also ?? [],
    recent_since_ms: eyes.now_ms - Math.max(LOSSES_MS, eyes.policy.limits.mass_death.minutes * 60_000),
  });
  failpoint('observe-snapshot-read');
  const judged = snapshot.runtimes.map((row) => ({ row, judgement: judgeRow(row, me) }));
  const marks = unownedMarks(eyes.places, snapshot.runtimes, host_id, eyes.repair); // while tmux answers
  const tmux = await withExits(await looking, judged, me, eyes);
  failpoint('observe-tmux-answered');
  const panes = panesOf(tmux);
  const taken = processesOf(judged, host_id);
  const byPid = Map.groupBy(panes, ({ pid }) => pid);
  const paneFor = (row: Runtime): Pane | null =>
    paneOf(row, row.pid === null ? panes : (byPid.get(row.pid) ?? []), taken);
  const { abandoned, failed_launches } = await launchesLeft(snapshot, { tmux, paneFor, host_id, eyes });
  const delta_ms = observedDelta(snapshot.last_tick, me, eyes);
  const once: At['once'] = {};
  return {
    now_ms: eyes.now_ms,
    delta_ms,
    host_id,
    boot_id: me.boot_id,
    time_ns: me.time_ns,
    tmux,
    tickets: snapshot.tickets,
    runtimes: await Promise.all(
      judged.map((one) =>
        observeRuntime(one, { me, tmux, pane: paneFor(one.row), delta_ms, eyes, abandoned, once }),
      ),
    ),
    sightings: sightings(panes, marks, snapshot.runtimes, me, eyes),
    accounts: snapshot.accounts.map((one) => sameProgram(one, eyes)),
    spent: snapshot.spent,
    switches,
    ramp: existsSync(eyes.places.gate) ? 1 : (snapshot.last_tick?.ramp ?? null),
    beyond: snapshot.beyond,
    recent: snapshot.recent,
    released_at_ms: releasesIn(eyes.places, eyes.now_ms),
    unreadable: snapshot.unreadable,
    failed_launches,
    being_made: {},
  };
}

/** What a ticket can be launched in and by, but for the tickets' own state: closed projects and profiles are left out. */
function readyOf({ policy, project: only }: Eyes, switches: readonly Switch[]): Ready {
  const open = (kind: 'project' | 'agent', name: string): boolean =>
    !switches.some(({ scope }) => scope === '*' || scope === `${kind}:${name}`);
  const projects = [...policy.projects.values()].filter(
    ({ name }) => (only === null || name === only) && open('project', name),
  );
  const agents = [...policy.agents.values()].filter(({ name }) => open('agent', name));
  return {
    authors: policy.trusted_authors,
    max_attempts: policy.limits.max_attempts,
    projects: Object.fromEntries(
      projects.map(({ name, max_agents, default_agent }) => [
        name,
        { max_agents, agent: default_agent ?? policy.default_agent },
      ]),
    ),
    agents: Object.fromEntries(agents.map(({ name, max_agents }) => [name, { max_agents }])),
  };
}

function budgeted({ limits }: Policy): boolean {
  const { max_usd_per_day, max_usd_per_ticket, max_tokens_per_day, max_tokens_per_ticket } = limits;
  return [max_usd_per_day, max_usd_per_ticket, max_tokens_per_day, max_tokens_per_ticket].some(
    (one) => one !== null,
  );
}

/** What was found of one program says nothing about the one that has taken its place since. */
function sameProgram(account: AccountView, { policy, env }: Eyes): AccountView {
  if (account.not_ready === null || account.not_ready_stamp === null) return account;
  const profile = policy.agents.get(account.name);
  if (profile === undefined || programStamp(profile, env) === account.not_ready_stamp) return account;
  return { ...account, not_ready: null, not_ready_stamp: null };
}

/** The pane of a runtime. Whoever is in a pane can set its mark: of a run that has registered it is the pane of that process, by its
 *  mark or as it was recorded. Of one that has not, it is the pane with its mark that is not another run's (`taken`: their processes); while
 *  a pane shows no mark of ours, that one may be it. */
export function paneOf(
  row: Runtime,
  panes: readonly Pane[],
  taken: ReadonlySet<number> = new Set(),
): Pane | null {
  const { pid, mark, tmux_pane } = row;
  if (pid !== null)
    return panes.find((one) => one.pid === pid && (one.run === mark || one.pane === tmux_pane)) ?? null;
  const free = panes.filter((one) => !taken.has(one.pid));
  return free.find(({ run }) => run === mark) ?? free.find(({ odd, dead }) => odd && !dead) ?? null;
}

/** Judges one recorded runtime by the kernel's word on its process. */
export function judgeRow(row: Runtime, me: ObserverIdentity): Judgement | null {
  const identity = identityOf(row);
  return identity === null ? null : judge(identity, me, lookAt(identity.pid));
}

/** Time since this host's last tick by the monotonic clock, which stands still in suspend: clamped to twice
 *  the interval, so that no gap parks anybody. A reboot counts for nothing. */
function observedDelta(
  last: { readonly boot_id: string | null; readonly mono_ms: number } | null,
  me: ObserverIdentity,
  { mono_ms, policy }: Eyes,
): number {
  if (last === null || last.boot_id === null || last.boot_id !== me.boot_id) return 0;
  return Math.max(0, Math.min(mono_ms - last.mono_ms, 2 * policy.limits.interval_seconds * 1000));
}

interface Judged {
  readonly row: Runtime;
  readonly judgement: Judgement | null;
}

/** The processes of this host that a row knows, and that may live. */
function processesOf(judged: readonly Judged[], host_id: string): ReadonlySet<number> {
  return new Set(
    judged.flatMap(({ row, judgement }) =>
      row.host_id === host_id && row.pid !== null && judgement?.verdict !== 'dead' ? [row.pid] : [],
    ),
  );
}

const EXIT_MS = 2000;

/** Asks tmux again, with a bound, while a process has ended and tmux does not know how, or still reads what it has written. */
async function withExits(
  first: TmuxView,
  judged: readonly Judged[],
  me: ObserverIdentity,
  eyes: Eyes,
): Promise<TmuxView> {
  let tmux = first;
  for (const end = monotonicMs() + EXIT_MS; judged.some((one) => diedUnseen(one, tmux)); await pause(50)) {
    if (monotonicMs() >= end) break;
    tmux = await viewServer(eyes.tmux, { repair: eyes.repair, self: me, reap: true });
    if (!judged.some((one) => diedUnseen(one, tmux))) break;
  }
  return tmux;
}

/** The process has ended, and its pane has not, or not yet with its exit. A large client of many threads is a zombie for some 100 ms before
 *  its last thread is gone, and only then tmux is told: without another look each such end would pass for a crash. */
function diedUnseen({ row, judgement }: Judged, tmux: TmuxView): boolean {
  const pane = judgement?.verdict === 'dead' ? paneOf(row, panesOf(tmux)) : null;
  return pane !== null && (!pane.dead || (pane.exit_code === null && pane.exit_signal === null));
}

export function panesOf(tmux: TmuxView): readonly Pane[] {
  return tmux.kind === 'server' ? tmux.panes : [];
}

interface At {
  readonly me: ObserverIdentity;
  readonly tmux: TmuxView;
  readonly pane: Pane | null;
  readonly delta_ms: number;
  readonly eyes: Eyes;
  readonly abandoned: ReadonlySet<string>;
  /** What is looked for at most once in a tick, and mostly not at all. */
  readonly once: { survivors?: Promise<ReturnType<typeof Survivors>> };
}

async function observeRuntime({ row, judgement: recorded }: Judged, at: At): Promise<ObservedRuntime> {
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
  const seen = looked instanceof Promise ? await looked : looked;
  const quiet = mine && (seen.activity === 'idle' || judgement?.verdict === 'dead');
  const told = programOf(row, recorded, mine);
  const shown = adapter === null ? seen : byScreen(seen, { row, judgement, pane, adapter, eyes });
  return {
    row,
    judgement,
    pane,
    seen: shown instanceof Promise ? await shown : shown,
    survivor,
    program: told instanceof Promise ? await told : told,
    server_lost: mine && serverLost(row, tmux),
    has_commits: quiet && row.worktree !== null ? hasCommits(row.worktree) : null,
    abandoned: abandoned.has(row.id),
  };
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
  once.survivors ??= import('../runs/survivors.ts').then(({ survivors }) => survivors(me));
  return Promise.all([once.survivors, import('../runs/program.ts')]).then(([survivorOf, { clientOf }]) =>
    survivorOf(row, judgement, clientOf(row, policy.agents.get(row.agent), env)),
  );
}

/** Which program the process has become: looked at until it is told once, which is the first time after its exec. Only Linux
 *  tells. */
function programOf(
  row: Runtime,
  judgement: Judgement | null,
  mine: boolean,
): string | null | Promise<string | null> {
  const { pid, program: known } = row;
  if (known !== null || !mine || pid === null || judgement?.verdict !== 'alive') return null;
  if (process.platform !== 'linux') return null;
  return import('../runs/program.ts').then(({ lookAtProgram, programText }) => {
    const program = lookAtProgram(pid);
    return program === null ? null : programText(program);
  });
}

/**
 * Launches that have come to nothing: those that nobody can go on with, and how many before them failed in a row. What is `launching`
 * when a tick begins was claimed by a tick that has ended since, and of most of them a pane is left. Nothing is read where there is none.
 */
async function launchesLeft(
  { runtimes, tickets }: Snapshot,
  at: {
    readonly tmux: TmuxView;
    readonly paneFor: (row: Runtime) => Pane | null;
    readonly host_id: string;
    readonly eyes: Eyes;
  },
): Promise<{ readonly abandoned: ReadonlySet<string>; readonly failed_launches: World['failed_launches'] }> {
  const { tmux, paneFor, host_id, eyes } = at;
  const launching = runtimes.filter((row) => row.phase === 'launching' && row.host_id === host_id);
  const paneless = launching.filter((row) => paneFor(row) === null);
  let abandoned: ReadonlySet<string> = new Set();
  if (paneless.length > 0 && tmux.kind !== 'unknown' && (await eyes.claimersEnded())) {
    const { runsWithProcesses } = await import('../runs/traces.ts');
    const lives = runsWithProcesses(paneless.map(({ mark }) => mark));
    if (lives !== null)
      abandoned = new Set(paneless.filter(({ mark }) => !lives.has(mark)).map(({ id }) => id));
  }
  const failed_launches: Record<string, number> = {};
  const ending = [
    ...launching.filter(({ id }) => !abandoned.has(id)).map(({ ticket_id }) => ticket_id ?? ''),
    ...tickets.filter(({ ended }) => ended?.registered_at_ms === null).map(({ ticket }) => ticket.id),
  ];
  for (const ticket of new Set(ending))
    failed_launches[ticket] = failedLaunches(await eyes.board.runtimesOf(ticket, LAUNCHES_SEEN));
  return { abandoned, failed_launches };
}

/** How long a client may be without any sign of life before its screen is asked. */
const SILENT_START_MS = 30_000;

interface Shown {
  readonly row: Runtime;
  readonly judgement: Judgement | null;
  readonly pane: Pane | null;
  readonly adapter: Adapter;
  readonly eyes: Eyes;
}

/** The screen is the last thing to be asked, and only a hint: before the first turn, and in a silent one. */
function byScreen(seen: ActivityView, at: Shown): ActivityView | Promise<ActivityView> {
  return seen.turn > 0 ? limitShown(seen, at) : firstSigns(seen, at);
}

/** A client that has never begun a turn, and does not say why, may show it: a dialog of its first run, a login. */
function firstSigns(seen: ActivityView, at: Shown): ActivityView | Promise<ActivityView> {
  const { row, judgement, pane, adapter, eyes } = at;
  const { notReady } = adapter;
  if (notReady === undefined || pane === null || seen.not_ready !== null) return seen;
  const dead = judgement?.verdict === 'dead';
  if (!dead && (judgement?.verdict !== 'alive' || seen.fresh > 0 || row.silent_ms < SILENT_START_MS))
    return seen;
  return capturePane(eyes.tmux, pane.pane, 60).then((screen) =>
    screen === null ? seen : { ...seen, not_ready: notReady(screen) },
  );
}

/** How long a client that works may be without any output before its screen is asked: one that works shows that. */
const SILENT_WORK_MS = 10_000;

/** A client that says it works may wait in a dialog that tells of a limit. Once the limit is over, a person has to close
 *  that dialog. */
function limitShown(
  seen: ActivityView,
  { row, judgement, pane, adapter, eyes }: Shown,
): ActivityView | Promise<ActivityView> {
  const { limitShown: shownIn } = adapter;
  if (shownIn === undefined || pane === null || judgement?.verdict !== 'alive') return seen;
  if (seen.activity !== 'busy' || seen.fresh > 0 || row.silent_ms < SILENT_WORK_MS) return seen;
  const until_ms = seen.limited_until_ms;
  if (until_ms !== null && until_ms > eyes.now_ms) return seen;
  return capturePane(eyes.tmux, pane.pane, 60).then((screen) => {
    const limit = shownIn(screen ?? '', eyes.now_ms);
    if (limit === null) return seen;
    if (until_ms !== null) return { ...seen, activity: 'waiting', question: limit.text };
    return { ...seen, limited_until_ms: limit.until_ms ?? eyes.now_ms + UNANNOUNCED_MS };
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

/** The server that the runtime was started under is gone: its death says nothing against the agent. */
export function serverLost(row: Runtime, tmux: TmuxView): boolean {
  if (row.tmux_server_pid === null || tmux.kind === 'unknown') return false;
  if (tmux.kind === 'none') return true;
  if (row.tmux_server_pid !== tmux.server_pid) return true;
  return tmux.server_start !== null && row.tmux_server_start !== tmux.server_start;
}

/** Living agents that no live row knows: by their pane, and by the mark that registration left, which is found
 *  even when both the board's row and the tmux server are lost. */
function sightings(
  panes: readonly Pane[],
  marks: readonly Mark[],
  rows: readonly Runtime[],
  me: ObserverIdentity,
  { places }: Eyes,
): Sighting[] {
  const named = panes.filter(({ ticket }) => ticket !== '');
  const lost = witnesses(named, marks, unowned(rows, me.host_id));
  return [
    ...lost.panes.map((pane) => sightPane(pane, me, places.runs)),
    ...lost.marks.map((mark) => sightMark(mark, me, places.runs)),
  ];
}
