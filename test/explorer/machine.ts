/* The machine of the explorer: processes, panes, marks. Everything that a tick can see besides the board. */

/** A process. A launcher is `new` until it has registered, then `registered`, then it has become the agent. */
export interface Process {
  readonly pid: number;
  readonly start: string;
  readonly run: string;
  readonly as: 'new' | 'registered' | 'agent' | 'stranger';
  /** The tmux server whose pane it lives in; null = it outlived that server. */
  readonly server: number | null;
  /** Its main thread has ended, and others work: the kernel calls it a zombie. */
  readonly leaderEnded?: true;
}

export interface Identity {
  readonly pid: number;
  readonly start: string;
  readonly boot: number;
}

export type Mark = Identity & { readonly run: string };

/** What the events of a run say. */
export interface Told {
  readonly activity: 'busy' | 'waiting' | 'idle';
  readonly turn: number;
  /** The limit of its account that it has met. */
  readonly limit?: 'on' | 'over';
  /** Continuation prompts that have reached it. */
  readonly nudges?: number;
}

export interface Kept {
  readonly to: 'needs_input' | 'in_review';
  readonly turn: number;
}

/** An agent that has just begun. */
export const FRESH: Told = { activity: 'busy', turn: 1 };

/** The run of the agent that another dispatcher starts. */
export const FOREIGN = 'foreign';

export interface Machine {
  readonly boot: number;
  /** How many tmux servers there were; the last one is up or not. */
  readonly servers: number;
  readonly up: boolean;
  readonly processes: readonly Process[];
  /** Dead panes of the server that is up. */
  readonly dead: readonly { readonly run: string; readonly pid: number }[];
  /** The mark files, by ticket. */
  readonly marks: Readonly<Record<string, Mark>>;
  /** `registered.json` of the runs. */
  readonly registered: Readonly<Record<string, Identity>>;
  /** What the events of the runs say. */
  readonly activity: Readonly<Record<string, Told>>;
  /** Reports that runs have kept by file, while the board could not be told. */
  readonly kept: Readonly<Record<string, Kept>>;
  readonly next_pid: number;
}

export const FIRST: Machine = {
  boot: 1,
  servers: 0,
  up: false,
  processes: [],
  dead: [],
  marks: {},
  registered: {},
  activity: {},
  kept: {},
  next_pid: 1001,
};

/** Runs are named after their ticket; the one that another dispatcher starts is the first ticket's. */
export const ticketOf = (run: string): string => /^(MC-\d+)-/.exec(run)?.[1] ?? 'MC-1';
export const serverPid = (servers: number): number => 100 + servers;
export const paneOf = (pid: number): string => `%${pid}`;

/** tmux starts a launcher in a pane of its own, itself first if need be. */
export function startPane(m: Machine, run: string): Machine {
  const servers = m.up ? m.servers : m.servers + 1;
  const pid = m.next_pid;
  const process: Process = { pid, start: `s${pid}`, run, as: 'new', server: servers };
  return { ...m, servers, up: true, next_pid: pid + 1, processes: [...m.processes, process] };
}

/** A process ends. Its pane stays, dead. */
export function exit(m: Machine, gone: Process): Machine {
  const processes = m.processes.filter((one) => one !== gone);
  const pane = m.up && gone.server === m.servers;
  return { ...m, processes, dead: pane ? [...m.dead, { run: gone.run, pid: gone.pid }] : m.dead };
}

export function become(m: Machine, old: Process, as: Process['as']): Machine {
  return { ...m, processes: m.processes.map((one) => (one === old ? { ...old, as } : one)) };
}

/** The launcher has registered: its files first, then it is the agent. */
export function becomeAgent(m: Machine, old: Process): Machine {
  const { pid, start, run } = old;
  const identity = { pid, start, boot: m.boot };
  return {
    ...become(m, old, 'agent'),
    marks: { ...m.marks, [ticketOf(run)]: { run, ...identity } },
    registered: { ...m.registered, [run]: identity },
    activity: { ...m.activity, [run]: FRESH },
  };
}

export function tells(m: Machine, run: string, told: Told): Machine {
  return { ...m, activity: { ...m.activity, [run]: told } };
}

/** What was started ends, and the client that it had started lives on as a process of its own. */
export function liveOn(m: Machine, wrapper: Process): Machine {
  const after = exit(m, wrapper);
  const pid = m.next_pid;
  const client: Process = { ...wrapper, pid, start: `s${pid}`, server: null };
  return { ...after, next_pid: pid + 1, processes: [...after.processes, client] };
}

/** The server is killed: its panes hang up. An agent may ignore that, a launcher does not. */
export function killServer(m: Machine, agentsSurvive: boolean): Machine {
  const processes = m.processes.flatMap((one) => {
    if (one.server !== m.servers) return [one];
    return agentsSurvive && one.as === 'agent' ? [{ ...one, server: null }] : [];
  });
  return { ...m, up: false, processes, dead: [] };
}

export function reboot(m: Machine): Machine {
  return { ...m, boot: m.boot + 1, up: false, processes: [], dead: [] };
}

/** Agents that work, or are certain to: at most one for a ticket. */
export function agents(m: Machine): Process[] {
  return m.processes.filter(({ as }) => as === 'agent' || as === 'registered');
}
