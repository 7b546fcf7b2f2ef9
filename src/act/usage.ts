import { adapterOf } from '../agents/index.ts';
import { dayOf } from '../model/day.ts';
import type { World } from '../model/world.ts';
import { agentLook } from '../runs/activity.ts';
import { kindOf, readRunFile } from '../runs/run-file.ts';
import type { Here } from './here.ts';
import { mayHaveUsed } from './index.ts';

/** Reads what the clients' own records say was used, and counts what is new. A record that can't be read costs no tick. */
export async function recordUsage(world: World, hands: Here): Promise<void> {
  const { board, places, policy } = hands;
  for (const one of world.runtimes.filter(mayHaveUsed)) {
    const { row, seen } = one;
    const adapter = adapterOf(kindOf(row, places, policy));
    const session = seen.client_session;
    if (adapter.usage === undefined || session === null) continue;
    try {
      const file = readRunFile(places.runs, row.mark);
      const totals = adapter.usage(agentLook(places.runs, row, file, null, session));
      if (totals === null) continue;
      const { id: run_id, ticket_id, agent } = row;
      await board.recordUsage({ session, run_id, ticket_id, agent, day: dayOf(world.now_ms), totals });
    } catch {
      // The next tick that sees something new looks again.
    }
  }
}
