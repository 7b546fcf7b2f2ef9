import { join } from 'node:path';
import { type Found, together } from '../model/clean.ts';
import { stampOf } from '../workspace/aside.ts';
import { type Here, step } from './here.ts';
import { kept, proposed, word } from './item.ts';

const SAYS = {
  activity: 'lines of the log, of tickets that were settled before that or of none',
  ticks: 'ticks, but for the newest of each host',
  deliveries: 'records of what was sent, of tickets that were settled before that',
} as const;

/** Old rows of the board. A server's board is the server's. */
export async function activity({ places, now_ms, older_ms, name: board, upkeep }: Here): Promise<Found> {
  if (upkeep === null) {
    const says = 'a Mission Control server keeps its own history, and cleans itself';
    return kept({ group: 'activity', name: board, ticket: null, because: 'on_a_server', says });
  }
  const before_ms = now_ms - older_ms;
  const old = (await upkeep.countOld(before_ms)).filter(({ rows }) => rows > 0);
  return together(
    old.map(({ table, rows, bytes }) => {
      const file = join(places.state, 'backups', `${table}-${stampOf(now_ms)}.jsonl.gz`);
      const says = SAYS[table];
      return proposed(
        { group: 'activity', kind: table, name: table, ticket: null, because: 'old', says, bytes, rows },
        'zcat, from backups/ in the state dir',
        async () => {
          const taken = await upkeep.takeOld(table, { before_ms, file, between: step });
          return { result: 'done', restore: taken === 0 ? null : `zcat ${word(file)}` };
        },
      );
    }),
  );
}
