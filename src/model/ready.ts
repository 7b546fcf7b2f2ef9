import type { Runtime } from './runtime.ts';
import type { TicketFacts } from './ticket.ts';
import type { AccountView } from './world.ts';

/** What makes a ticket in `todo` launchable: these come first, so that no crowd of others hides one. Only an order of
 *  looking: the decision has the last word on each. */
export interface Ready {
  readonly authors: readonly string[];
  readonly max_attempts: number;
  /** Open projects: how many living agents each may have (null = any number), and whose tickets that name nobody are. */
  readonly projects: Readonly<
    Record<string, { readonly max_agents: number | null; readonly agent: string | null }>
  >;
  /** Open profiles, and how many living agents each may have. */
  readonly agents: Readonly<Record<string, { readonly max_agents: number | null }>>;
}

/** The projects and profiles that have a place left, by the rows of the board: a crowd that waits for a place must not
 *  hide the ticket that has one. A row whose agent is found dead gives its place back one tick later. */
export function stillOpen(
  { projects, agents, ...rest }: Ready,
  runtimes: readonly Runtime[],
  accounts: readonly AccountView[],
  now_ms: number,
): Ready {
  const live = runtimes.filter(({ ticket_id, phase }) => ticket_id !== null && phase !== 'parked');
  const left = (max: number | null, taken: number): boolean => max === null || taken < max;
  const limited = new Set(
    accounts.flatMap((one) =>
      one.not_before_at_ms !== null && one.not_before_at_ms > now_ms ? one.name : [],
    ),
  );
  return {
    ...rest,
    projects: Object.fromEntries(
      Object.entries(projects).filter(([name, { max_agents }]) =>
        left(max_agents, live.filter(({ project }) => project === name).length),
      ),
    ),
    agents: Object.fromEntries(
      Object.entries(agents).filter(
        ([name, { max_agents }]) =>
          !limited.has(name) && left(max_agents, live.filter(({ agent }) => agent === name).length),
      ),
    ),
  };
}

/** Whether a ticket in `todo` is launchable by what is still open. Each board says this in its own words, and its contract test
 *  compares them. `done`: the tickets among its dependencies that are. */
export function isReady(
  ticket: TicketFacts,
  { authors, max_attempts, projects, agents }: Ready,
  { now_ms, done }: { readonly now_ms: number; readonly done: ReadonlySet<string> },
): boolean {
  const { trusted, author, not_before_at_ms, wait_since_ms, attempts, project, owner, agent } = ticket;
  // A wait that was set by a clock which ran ahead is looked at, to be shortened.
  const waits =
    not_before_at_ms !== null &&
    not_before_at_ms > now_ms &&
    (wait_since_ms === null || wait_since_ms <= now_ms);
  const open = projects[project];
  const who = owner ?? agent ?? open?.agent ?? null;
  return (
    (trusted || authors.includes(author)) &&
    !waits &&
    attempts < max_attempts &&
    open !== undefined &&
    who !== null &&
    agents[who] !== undefined &&
    ticket.depends_on.every((id) => done.has(id))
  );
}
