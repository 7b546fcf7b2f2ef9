import { judge, type ObserverIdentity, type ProcessIdentity } from '../model/identity.ts';
import type { Pane, Sighting } from '../model/world.ts';
import { lookAt } from './identity.ts';
import { readRunFile } from './launcher.ts';

/** A living pane of ours as a sighting: its process is the agent itself, judged by a fresh look. */
export function sightPane(pane: Pane, me: ObserverIdentity, runs: string): Sighting {
  const look = lookAt(pane.pid);
  const identity = {
    host_id: me.host_id,
    boot_id: me.boot_id ?? '',
    pid_ns: me.pid_ns,
    pid: pane.pid,
    pid_start: look.kind === 'present' ? look.start : '',
  };
  return {
    ...identity,
    ...staged(runs, pane.run),
    ticket: pane.ticket,
    judgement: judge(identity, me, look),
    session: pane.session,
    pane: pane.pane,
  };
}

/** A registered agent's mark as a sighting: found even when tmux and the board have both lost it. */
export function sightMark(
  mark: ProcessIdentity & { readonly run: string; readonly ticket: string },
  me: ObserverIdentity,
  runs: string,
): Sighting {
  const { host_id, boot_id, pid_ns, pid, pid_start, ticket, run } = mark;
  return {
    host_id,
    boot_id,
    pid_ns,
    pid,
    pid_start,
    ...staged(runs, run),
    ticket,
    judgement: judge(mark, me, lookAt(pid)),
    session: null,
    pane: null,
  };
}

function staged(
  runs: string,
  run: string,
): Pick<Sighting, 'run' | 'owner' | 'agent' | 'project' | 'worktree' | 'branch'> {
  const file = readRunFile(runs, run);
  return {
    run,
    owner: file?.owner ?? null,
    agent: file?.agent ?? '',
    project: file?.project ?? '',
    worktree: file?.worktree ?? null,
    branch: file?.branch ?? null,
  };
}
