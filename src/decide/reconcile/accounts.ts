import type { ObservedRuntime } from '../../model/world.ts';
import { type Cell, NOTHING, type Scene, together } from './cell.ts';
import { troubleCell } from './troubles.ts';

/** What a runtime tells of its account: a limit, a client that cannot work, or that it works again. */
export function accountOf(observed: ObservedRuntime, scene: Scene): Cell {
  return together(troubleCell(observed, scene), readinessOf(observed, scene));
}

function readinessOf({ row, seen }: ObservedRuntime, scene: Scene): Cell {
  const { agent } = row;
  const known = knownOf(agent, scene);
  const base = () => ({ ticket: row.ticket_id ?? '', agent, evidence: { run: row.id, agent } });
  if (seen.not_ready !== null) {
    const closes = { agent, why: { because: 'profile_not_ready', evidence: {} } } as const;
    if (known?.not_ready === seen.not_ready) return { closes };
    return {
      closes,
      steps: [{ kind: 'unready', because: 'agent_not_ready', fix: seen.not_ready, ...base() }],
    };
  }
  const works = known != null && known.not_ready !== null && seen.turn > row.turn;
  return works ? { steps: [{ kind: 'ready', because: 'agent_works', ...base() }] } : NOTHING;
}

function knownOf(agent: string, { world }: Scene) {
  return world.accounts.find(({ name }) => name === agent);
}
