import type { ObservedRuntime } from '../../model/world.ts';
import { type Cell, isLimited, NOTHING, type Scene, together } from './cell.ts';

/** What a runtime tells of its account: a limit, a client that cannot work, or that it works again. */
export function accountOf(observed: ObservedRuntime, scene: Scene): Cell {
  return together(limitOf(observed, scene), readinessOf(observed, scene));
}

function limitOf({ row, seen }: ObservedRuntime, scene: Scene): Cell {
  const { agent } = row;
  const until_ms = seen.limited_until_ms;
  if (until_ms === null || !isLimited(seen, scene)) return NOTHING;
  const closes = { agent, why: 'account_limited' } as const;
  if ((knownOf(agent, scene)?.not_before_at_ms ?? 0) >= until_ms) return { closes };
  const why = { because: 'rate_limited', evidence: { run: row.id, agent, until_ms } } as const;
  return { closes, steps: [{ kind: 'limit', ticket: row.ticket_id ?? '', ...why, agent, until_ms }] };
}

function readinessOf({ row, seen }: ObservedRuntime, scene: Scene): Cell {
  const { agent } = row;
  const known = knownOf(agent, scene);
  const base = () => ({ ticket: row.ticket_id ?? '', agent, evidence: { run: row.id, agent } });
  if (seen.not_ready !== null) {
    const closes = { agent, why: 'profile_not_ready' } as const;
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
