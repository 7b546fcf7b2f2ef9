import type { Outside } from '../act/outside.ts';
import type { Say } from '../report/showing.ts';

/** The outside of a tick that is started by hand: what it does for which tickets is said. */
export function watched(outside: Outside, say: Say): Outside {
  const busy = new Map<string, string>();
  const tickets = new Map<string, string>();
  const during = async <T>(ticket: string, what: string, work: () => Promise<T>): Promise<T> => {
    const tell = (): void => {
      const all = [...new Set(busy.values())].map((one) => {
        const ids = [...busy].filter(([, doing]) => doing === one).map(([id]) => id);
        return `${one} ${ids.join(', ')}`;
      });
      say(all.join('; ') || 'ticking');
    };
    busy.set(ticket, what);
    tell();
    try {
      return await work();
    } finally {
      busy.delete(ticket);
      tell();
    }
  };
  return {
    ...outside,
    prepare: (claimed, placed) =>
      during(claimed.ticket.id, 'preparing', () => outside.prepare(claimed, placed)),
    lookAgain: (hold) => during(hold.scope, 'looking again at', () => outside.lookAgain(hold)),
    start: (run, ticket, place) => {
      tickets.set(run, ticket);
      return during(ticket, 'starting the agent of', () => outside.start(run, ticket, place));
    },
    registered: (run, pid) =>
      during(tickets.get(run) ?? run, 'waiting for the agent of', () => outside.registered(run, pid)),
    nudge: (step, ticket, row) =>
      during(ticket.id, 'nudging the agent of', () => outside.nudge(step, ticket, row)),
  };
}
