import { existsSync } from 'node:fs';
import type { Snapshot } from '../../board/port/index.ts';
import { mayLive } from '../../decide/dispatch.ts';
import { quitDue } from '../../decide/reconcile/settled.ts';
import { failpoint } from '../../machine/failpoint.ts';
import { readHolds } from '../../machine/holds.ts';
import { readSwitches, releasesIn } from '../../machine/killswitch.ts';
import { programStamp } from '../../machine/programs.ts';
import { HEALS_MS, LOSSES_MS } from '../../model/breaker.ts';
import { dayOf } from '../../model/day.ts';
import type { ObserverIdentity } from '../../model/identity.ts';
import { maxLiving } from '../../model/policy.ts';
import type { Runtime } from '../../model/runtime.ts';
import { SETTLED } from '../../model/ticket.ts';
import {
  type AccountView,
  type ObservedRuntime,
  type Pane,
  panesOf,
  type Sighting,
  type World,
} from '../../model/world.ts';
import type { Mark } from '../../runs/marks.ts';
import {
  judgeRow,
  livingOn,
  sightMark,
  sightPane,
  unowned,
  unownedMarks,
  witnesses,
} from '../../runs/sighting.ts';
import { beginLook, type Eyes } from './eyes.ts';
import { launchesLeft } from './launches.ts';
import { paneOf, processesOf, withExits } from './panes.ts';
import { budgeted, readyOf } from './ready.ts';
import { type At, observeRuntime } from './runtime.ts';

/** Tickets in `todo` that one tick looks at; the rest is counted, and looked at when its turn comes. */
export const CANDIDATES = 500;

/**
 * One look at everything: tmux is asked, the board is read in one transaction while tmux answers, then the processes
 * that the board names are looked at. In this order a process that ends after the board was read is seen as dead under
 * a guard that still holds or no longer does; the other way round a fresh registration would look like a pid unseen.
 * Of tmux nothing but the exit of a pane may be older than the board: under the tick lock nobody else starts a pane or
 * ends a row, and what a launcher of a killed tick does meanwhile is judged by its process, never by a missing pane.
 *
 * It writes neither to the board nor to what agents have. It reads: the board, our tmux server (panes, and a screen where a
 * client has been silent or is to quit), `/proc`, the killswitch, and what runs and clients have written, through `foreign.ts`; a client that
 * serves its state (OpenCode) is asked on loopback. Only with `repair`, so never in a dry run, it changes anything: it has a living
 * tmux server restore its socket, and notes in the state dir which server that is and that all marks were owned. What it has seen is
 * stored by `save`, at the end of the tick.
 */
export async function observe(eyes: Eyes): Promise<World> {
  const { me, tmux: looking } = eyes.look ?? beginLook(eyes);
  const { host_id } = me;
  const switches = readSwitches(eyes.places, eyes.env, eyes.now_ms);
  const snapshot = await eyes.board.snapshot({
    host_id,
    now_ms: eyes.now_ms,
    limit: CANDIDATES,
    ready: readyOf(eyes.policy, eyes.project, switches),
    budget_day: budgeted(eyes.policy) ? dayOf(eyes.now_ms) : null,
    also: eyes.also ?? [],
    heals_since_ms: eyes.now_ms - HEALS_MS,
    recent_since_ms: eyes.now_ms - Math.max(LOSSES_MS, eyes.policy.limits.mass_death.minutes * 60_000),
  });
  failpoint('observe-snapshot-read');
  const judged = snapshot.runtimes.map((row) => ({ row, judgement: judgeRow(row, me) }));
  // While tmux answers. An agent whose row is lost is found by its mark: also among any number of others where the tick may launch its ticket.
  const named = snapshot.tickets.map(({ ticket }) => ticket.id);
  const marks = unownedMarks(eyes.places, snapshot.runtimes, host_id, { remember: eyes.repair, named });
  const tmux = await withExits(await looking, judged, me, eyes);
  failpoint('observe-tmux-answered');
  const panes = panesOf(tmux);
  const taken = processesOf(judged, host_id);
  const byPid = Map.groupBy(panes, ({ pid }) => pid);
  const paneFor = (row: Runtime): Pane | null =>
    paneOf(row, row.pid === null ? panes : (byPid.get(row.pid) ?? byPid.get(null) ?? []), taken);
  const { abandoned, failed_launches } = await launchesLeft(snapshot, { tmux, paneFor, host_id, eyes });
  const delta_ms = observedDelta(snapshot.last_tick, me, eyes);
  const once: At['once'] = {};
  const waiting = snapshot.tickets.filter(({ ticket }) => ticket.status === 'needs_input');
  const asking = new Set(waiting.map(({ ticket }) => ticket.id));
  const observed = await Promise.all(
    judged.map((one) =>
      observeRuntime(one, { me, tmux, pane: paneFor(one.row), delta_ms, eyes, abandoned, asking, once }),
    ),
  );
  return {
    now_ms: eyes.now_ms,
    delta_ms,
    host_id,
    boot_id: me.boot_id,
    time_ns: me.time_ns,
    tmux,
    tickets: snapshot.tickets,
    runtimes: await withQuits(observed, snapshot, { host_id, delta_ms, eyes }),
    sightings: await livingOn(sightings(panes, marks, snapshot.runtimes, me, eyes), me, eyes),
    accounts: snapshot.accounts.map((one) => sameProgram(one, eyes)),
    spent: snapshot.spent,
    switches,
    holds: readHolds(eyes.places).holds,
    ramp: existsSync(eyes.places.gate) ? 1 : (snapshot.last_tick?.ramp ?? null),
    beyond: snapshot.beyond,
    recent: snapshot.recent,
    released_at_ms: releasesIn(eyes.places, eyes.now_ms),
    unreadable: snapshot.unreadable,
    failed_launches,
    being_made: {},
  };
}

/** Looks at the clients of settled tickets, but only where their time has come or a launch may need their room: an idle tick looks at none. */
async function withQuits(
  runtimes: readonly ObservedRuntime[],
  { tickets }: Snapshot,
  { host_id, delta_ms, eyes }: { readonly host_id: string; readonly delta_ms: number; readonly eyes: Eyes },
): Promise<readonly ObservedRuntime[]> {
  const { policy } = eyes;
  const over = new Map(
    tickets.flatMap(({ ticket }) => (SETTLED.has(ticket.status) ? [[ticket.id, ticket]] : [])),
  );
  if (over.size === 0) return runtimes;
  const mine = runtimes.filter(({ row }) => row.ticket_id !== null && row.host_id === host_id);
  const living = mine.filter(({ row, judgement }) => mayLive(row, judgement?.verdict ?? null)).length;
  const short = living >= maxLiving(policy.limits) && tickets.some(({ ticket }) => ticket.status === 'todo');
  const due = mine.flatMap((seen) => {
    const ticket = over.get(seen.row.ticket_id ?? '');
    const why = ticket === undefined ? null : quitDue(seen, ticket, { policy, delta_ms });
    return ticket !== undefined && (why === 'settled_for_long' || (why !== null && short))
      ? [{ seen, ticket }]
      : [];
  });
  if (due.length === 0) return runtimes;
  const found = await (await import('./settled.ts')).mayQuit(due, eyes);
  return runtimes.map((seen) => {
    const may_quit = found.get(seen.row.id);
    return may_quit === undefined ? seen : { ...seen, may_quit };
  });
}

/** What was found of one program says nothing about the one that has taken its place since. */
function sameProgram(account: AccountView, { policy, env }: Eyes): AccountView {
  if (account.not_ready === null || account.not_ready_stamp === null) return account;
  const profile = policy.agents.get(account.name);
  if (profile === undefined || programStamp(profile, env) === account.not_ready_stamp) return account;
  return { ...account, not_ready: null, not_ready_stamp: null };
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
