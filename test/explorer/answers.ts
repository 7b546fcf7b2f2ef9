/* What the machine answers to a tick, when all goes well. */
import type { RegisterRequest } from '../../src/board/port/index.ts';
import type { TmuxView } from '../../src/model/world.ts';
import { witnesses } from '../../src/runs/sighting.ts';
import { HOST } from '../support/builders.ts';
import {
  exit,
  type Machine,
  type Mark,
  type Process,
  paneOf,
  serverPid,
  startPane,
  ticketOf,
} from './machine.ts';
import { type Blind, bootName, type Look, type Op, sighting } from './ticks.ts';

export interface Answer {
  readonly value: unknown;
  readonly machine: Machine;
}

export function answerOf({ name, args }: Op, machine: Machine, blind: Blind = {}): Answer {
  const [first, second] = args as [string, string];
  switch (name) {
    case 'tmux':
      return { value: viewOf(machine), machine };
    case 'look':
      return { value: lookOf(machine, true), machine };
    case 'neighbours':
      return { value: { ok: true, sightings: neighbours(machine, first, second, blind) }, machine };
    case 'prepare':
      return { value: null, machine };
    case 'start':
      return { value: { ok: true, pid: machine.next_pid }, machine: startPane(machine, first) };
    case 'quit': {
      const works = machine.activity[first]?.activity !== 'idle' && blind.settledNotLooked !== true;
      const client = machine.processes.find(({ run, as }) => run === first && as === 'agent');
      if (client === undefined || works) return { value: { outcome: 'stays', why: 'it works' }, machine };
      return { value: { outcome: 'gone' }, machine: exit(machine, client) };
    }
    case 'mark': {
      const [ticket, run, pid, start] = args as [string, string, number, string];
      const mark: Mark = { run, pid, start, boot: machine.boot };
      return { value: null, machine: { ...machine, marks: { ...machine.marks, [ticket]: mark } } };
    }
    case 'forget': {
      const { [first]: mark, ...rest } = machine.marks;
      return { value: null, machine: mark?.run === second ? { ...machine, marks: rest } : machine };
    }
    case 'drop': {
      const { [first]: _, ...kept } = machine.kept;
      return { value: null, machine: { ...machine, kept } };
    }
    case 'closePane':
      return { value: null, machine: { ...machine, dead: machine.dead.filter(({ run }) => run !== first) } };
    default:
      throw new Error(`no operation ${name}`);
  }
}

function neighbours(machine: Machine, ticket: string, but: string, blind: Blind): unknown[] {
  if (blind.runtimeNotBelieved) return [];
  const { marks, registered } = machine;
  const me = {
    host_id: HOST,
    boot_id: bootName(machine.boot),
    pid_ns: null,
    time_ns: null,
    self_readable: true,
  };
  const look = lookOf(machine, true);
  const view = viewOf(machine);
  const panes = view.kind === 'server' ? view.panes : [];
  const others = witnesses(panes, Object.values(marks), ({ run }) => run !== but);
  return [
    ...others.panes.map(({ run, pid, pane }) =>
      sighting(run, pid, registered[run] ?? null, me, look, blind, { pane }),
    ),
    ...others.marks.map((mark) => sighting(mark.run, mark.pid, mark, me, look, blind, null)),
  ].filter((one) => one.ticket === ticket);
}

/** What our tmux server shows. */
export function viewOf(m: Machine): TmuxView {
  if (!m.up) return { kind: 'none' };
  const base = { session: '', exit_signal: null, output_at_s: null, title: '' };
  const living = m.processes
    .filter(({ server }) => server === m.servers)
    .map(({ pid, run }) => ({
      ...base,
      session: run,
      ticket: ticketOf(run),
      pane: paneOf(pid),
      pid,
      run,
      dead: false,
      exit_code: null,
    }));
  const dead = m.dead.map(({ pid, run }) => ({
    ...{
      ...base,
      session: run,
      pane: paneOf(pid),
      pid,
      run,
      ticket: ticketOf(run),
      dead: true,
      exit_code: 1,
    },
  }));
  const server = { server_pid: serverPid(m.servers), server_start: `v${m.servers}` };
  return { kind: 'server', ...server, panes: [...living, ...dead] };
}

/** One look at /proc and the files of the state dir. */
export function lookOf(m: Machine, readable: boolean): Look {
  const processes = m.processes.map(({ pid, start, run, as, leaderEnded }) => ({
    ...{ pid, start, run, client: as === 'agent' },
    zombie: leaderEnded === true,
  }));
  const { boot, marks, registered, activity, kept } = m;
  return { boot, readable, processes, marks, registered, activity, kept };
}

/** What a launcher registers with. */
export function registration({ run, pid, start }: Process, m: Machine): RegisterRequest {
  return {
    ...{ run, host_id: HOST, boot_id: bootName(m.boot), pid_ns: null, time_ns: null, pid, pid_start: start },
    ...{ tmux_server_pid: serverPid(m.servers), tmux_server_start: `v${m.servers}` },
    ...{ tmux_session: run, tmux_pane: paneOf(pid) },
  };
}
