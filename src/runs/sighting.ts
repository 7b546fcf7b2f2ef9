import { join } from 'node:path';
import type { Places } from '../machine/paths.ts';
import { runIn, shownOf } from '../machine/proc.ts';
import { lookAt } from '../machine/process.ts';
import {
  identityFrom,
  type Judgement,
  judge,
  type ObserverIdentity,
  type ProcessIdentity,
} from '../model/identity.ts';
import type { Policy } from '../model/policy.ts';
import { identityOf, type Runtime } from '../model/runtime.ts';
import { isLiving, type LivingPane, type Pane, type Sighting } from '../model/world.ts';
import { type Mark, type MarkSearch, readRegistered, strayMarks } from './marks.ts';
import { readRunFile } from './run-file.ts';

/**
 * A living pane of ours as a sighting. The pane is no proof: its agent may be gone and a shell or another program
 * live in its place. So the process is compared with the one that registered as the pane's run; where none is known
 * to have registered, it can't be told, and nothing is done.
 */
export function sightPane(pane: LivingPane, me: ObserverIdentity, runs: string): Sighting {
  const registered = readRegistered(join(runs, pane.run));
  const identity = registered ?? {
    host_id: me.host_id,
    boot_id: me.boot_id ?? '',
    pid_ns: me.pid_ns,
    time_ns: me.time_ns,
    pid: pane.pid,
    pid_start: '',
  };
  const inPane = registered === null || registered.pid === pane.pid;
  return {
    ...identity,
    ...staged(runs, pane.run),
    ticket: pane.ticket,
    judgement: registered === null ? UNREGISTERED : judged(registered, pane.run, me),
    session: inPane ? pane.session : null,
    pane: inPane ? pane.pane : null,
  };
}

const UNREGISTERED: Judgement = { verdict: 'unknown', because: 'unregistered' };

/** Files name a process, and an agent can write them. An agent was started with its run's id in its environment: a process that shows
 *  another one, or none, is not of that run, whatever a file says. One that shows nothing is believed. */
function judged(identity: ProcessIdentity, run: string, me: ObserverIdentity): Judgement {
  const found = judge(identity, me, lookAt(identity.pid));
  const shown = found.verdict === 'alive' ? runShown(identity.pid) : undefined;
  return shown === undefined || shown === run ? found : { verdict: 'dead', because: 'not_of_run' };
}

/** A registered agent's mark as a sighting: found even when tmux and the board have both lost it. */
export function sightMark(
  mark: ProcessIdentity & { readonly run: string; readonly ticket: string },
  me: ObserverIdentity,
  runs: string,
): Sighting {
  const { ticket, run } = mark;
  return {
    ...identityFrom(mark),
    ...staged(runs, run),
    ticket,
    judgement: judged(mark, run, me),
    session: null,
    pane: null,
  };
}

/**
 * The same, where the client of one whose process is dead lives on in another process of its run: that is the agent. Nobody looks for that but
 * where one is dead; and what is dead is seldom seen, since its mark goes with its row.
 */
export async function livingOn(
  sightings: readonly Sighting[],
  me: ObserverIdentity,
  { policy, env }: { readonly policy: Pick<Policy, 'agents'>; readonly env: NodeJS.ProcessEnv },
): Promise<readonly Sighting[]> {
  if (sightings.every(({ judgement }) => judgement.verdict !== 'dead')) return sightings;
  const [{ survivors }, { clientOf }] = await Promise.all([import('./survivors.ts'), import('./program.ts')]);
  const survivorOf = survivors(me);
  return sightings.map((one) => {
    if (one.judgement.verdict !== 'dead') return one;
    const client = clientOf({ kind: one.kind }, policy.agents.get(one.agent), env);
    const { judgement, survivor } = survivorOf({ ...one, mark: one.run }, one.judgement, client);
    return survivor === null
      ? { ...one, judgement }
      : { ...one, ...survivor, judgement, session: null, pane: null };
  });
}

/** What tells of an agent: a pane or a mark. */
type Witness = { readonly run: string; readonly pid: number };

/** Whether no live row owns a witness: neither its run, nor its process (a process that a row names is that row's agent, whatever mark its
 *  pane carries). */
export function unowned(rows: readonly Runtime[], host_id: string): (one: Witness) => boolean {
  const runs = new Set(rows.map(({ mark }) => mark));
  const pids = new Set(rows.flatMap((row) => (row.host_id === host_id && row.pid !== null ? [row.pid] : [])));
  return ({ run, pid }) => !runs.has(run) && !pids.has(pid);
}

/** The marks of `unowned`, and of no others. */
export function unownedMarks(
  { marks, marksOwned: memory }: Pick<Places, 'marks' | 'marksOwned'>,
  rows: readonly Runtime[],
  host_id: string,
  { remember, named }: Pick<MarkSearch, 'remember' | 'named'>,
): Mark[] {
  const owners = JSON.stringify(rows.map((row) => [row.mark, row.host_id === host_id ? row.pid : null]));
  return strayMarks(marks, { memory, remember, named, stray: unowned(rows, host_id), owners });
}

/** What tells of agents: the living panes of ours that `counts` accepts, and the marks of those agents that no such pane shows. (An
 *  agent that has outlived its tmux server is known by its mark alone.) */
export function witnesses<M extends Witness>(
  panes: Iterable<Pane>,
  marks: readonly M[],
  counts: (one: Witness) => boolean,
): { readonly panes: readonly LivingPane[]; readonly marks: readonly M[] } {
  const living = [...panes].filter(isLiving).filter((pane) => pane.run !== '' && counts(pane));
  const shown = new Set(living.map(({ run }) => run));
  return { panes: living, marks: marks.filter((mark) => counts(mark) && !shown.has(mark.run)) };
}

/** A runtime that somebody else names, judged by the process that it was recorded with. */
export function sightRow(row: Runtime, me: ObserverIdentity, runs: string): Sighting {
  const {
    owner,
    agent,
    project,
    tmux_session: session,
    tmux_pane: pane,
    worktree,
    branch,
    client_session,
  } = row;
  const identity = identityOf(row);
  return {
    ...{ owner, agent, project, session, pane, worktree, branch, client_session },
    ...{ ticket: row.ticket_id ?? '', run: row.mark, kind: row.kind, headless: row.headless },
    ...(identity ?? {
      host_id: row.host_id,
      boot_id: row.boot_id ?? '',
      pid_ns: row.pid_ns,
      time_ns: row.time_ns,
      pid: row.pid ?? 0,
    }),
    pid_start: row.pid_start ?? '',
    ticket_created_at_ms: readRunFile(runs, row.mark)?.ticket_created_at_ms ?? null,
    judgement: identity === null ? UNREGISTERED : judge(identity, me, lookAt(identity.pid)),
  };
}

function staged(
  runs: string,
  run: string,
): Omit<Sighting, keyof ProcessIdentity | 'ticket' | 'judgement' | 'session' | 'pane'> {
  const file = readRunFile(runs, run);
  return {
    run,
    owner: file?.owner ?? null,
    agent: file?.agent ?? '',
    project: file?.project ?? '',
    worktree: file?.worktree ?? null,
    branch: file?.branch ?? null,
    ticket_created_at_ms: file?.ticket_created_at_ms ?? null,
    kind: file?.kind ?? '',
    headless: file?.headless ?? false,
    client_session: file?.client_session ?? null,
  };
}

/** The run in the environment of a process; null = none, undefined = it shows nothing. */
function runShown(pid: number): string | null | undefined {
  try {
    const { environ } = shownOf(pid);
    return environ === '' ? undefined : (runIn(environ)?.run ?? null);
  } catch {
    return undefined;
  }
}

/** Judges one recorded runtime by the kernel's word on its process. */
export function judgeRow(row: Runtime, me: ObserverIdentity): Judgement | null {
  const identity = identityOf(row);
  return identity === null ? null : judge(identity, me, lookAt(identity.pid));
}
