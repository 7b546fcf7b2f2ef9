import type { AccountView } from '../../model/world.ts';
import type { Accounts, Usage, UsageRecord, UsageRow, UsageTotals } from '../port/index.ts';
import type { Store } from './store.ts';

/** What profiles may do, and what was used. */
export function accounts(store: Store): Accounts & Usage {
  return {
    limitAccount: async ({ name, until_ms, reason }, by) =>
      store.swap(() => {
        store.must(
          `INSERT INTO accounts (name, not_before_at_ms, wait_since_ms, reason)
           VALUES (@name, @until_ms, @now_ms, @reason)
           ON CONFLICT (name) DO UPDATE SET not_before_at_ms = @until_ms, wait_since_ms = @now_ms, reason = @reason
           WHERE not_before_at_ms IS NULL OR not_before_at_ms < @until_ms`,
          { name, until_ms, reason, now_ms: by.now_ms },
        );
        store.note({ kind: 'limited', because: 'rate_limited', text: `${name}: ${reason}` }, by);
      }),

    setReady: async ({ name, fix, stamp }, by) =>
      store.swap(() => {
        store.must(
          `INSERT INTO accounts (name, not_ready, not_ready_stamp) VALUES (@name, @fix, @stamp)
           ON CONFLICT (name) DO UPDATE SET not_ready = @fix, not_ready_stamp = @stamp
           WHERE not_ready IS NOT @fix OR not_ready_stamp IS NOT @stamp`,
          { name, fix, stamp },
        );
        const kind = fix === null ? 'ready' : 'not_ready';
        const text = fix === null ? `${name} is ready again` : `${name}: ${fix}`;
        store.note({ kind, because: 'profile_not_ready', text }, by);
      }),

    accounts: async () => store.read(() => allAccounts(store)),

    recordUsage: async (record) => recordUsage(store, record),
    usage: async ({ ticket, since_day }) =>
      store.read(() =>
        store.all<UsageRow>(
          `SELECT run_id, day, ticket_id, agent, ${NAMES} FROM usage WHERE TRUE
           ${ticket === undefined ? '' : 'AND ticket_id = @ticket'} ${since_day === undefined ? '' : 'AND day >= @since_day'}
           ORDER BY day, run_id`,
          { ...(ticket === undefined ? {} : { ticket }), ...(since_day === undefined ? {} : { since_day }) },
        ),
      ),
  };
}

/** Every account that anything is known of. */
export function allAccounts(store: Store): AccountView[] {
  return store.all<AccountView>(
    'SELECT name, not_before_at_ms, wait_since_ms, reason, not_ready, not_ready_stamp FROM accounts ORDER BY name',
  );
}

const COUNTS = ['input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens', 'turns'] as const;
const NAMES = [...COUNTS, 'cost_usd'].join(', ');

/** The session's totals are held while they are compared: of two that record the same, the second finds nothing new. What has
 *  nothing new by a first look writes nothing. */
function recordUsage(store: Store, record: UsageRecord): void {
  if (store.read(() => newUsage(store, record)) === null) return;
  store.write(() => {
    const { session, run_id, ticket_id, agent, day, totals } = record;
    store.run(
      `INSERT INTO usage_totals (session, ${NAMES}) VALUES (@session, ${COUNTS.map(() => '0').join(', ')}, NULL)
       ON CONFLICT (session) DO UPDATE SET session = excluded.session`,
      { session },
    );
    const added = newUsage(store, record);
    if (added === null) return;
    store.run(
      `UPDATE usage_totals SET ${[...COUNTS, 'cost_usd'].map((name) => `${name} = @${name}`).join(', ')}
       WHERE session = @session`,
      { session, ...only(totals) },
    );
    store.run(
      `INSERT INTO usage (run_id, day, ticket_id, agent, ${NAMES})
       VALUES (@run_id, @day, @ticket_id, @agent, ${COUNTS.map((name) => `@${name}`).join(', ')}, @cost_usd)
       ON CONFLICT (run_id, day) DO UPDATE SET
         ${COUNTS.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')},
         cost_usd = CASE WHEN excluded.cost_usd IS NULL THEN cost_usd
           ELSE coalesce(cost_usd, 0) + excluded.cost_usd END`,
      { run_id, day, ticket_id, agent, ...added },
    );
  });
}

/** What a session has used since its last record; null = nothing. */
function newUsage(store: Store, { session, totals }: UsageRecord): Record<string, number | null> | null {
  const before = store.get<UsageTotals>(`SELECT ${NAMES} FROM usage_totals WHERE session = @session`, {
    session,
  });
  const fell = before !== null && COUNTS.some((name) => totals[name] < before[name]);
  const base = fell ? null : before;
  const added = Object.fromEntries(COUNTS.map((name) => [name, totals[name] - (base?.[name] ?? 0)]));
  const cost_usd = totals.cost_usd === null ? null : Math.max(0, totals.cost_usd - (base?.cost_usd ?? 0));
  return Object.values(added).every((n) => n === 0) && !cost_usd ? null : { ...added, cost_usd };
}

/** Whole numbers for the columns, and nothing that an adapter may have added. */
function only(totals: UsageTotals): Record<string, number | null> {
  const counts = Object.fromEntries(COUNTS.map((name) => [name, Math.round(totals[name])]));
  return { ...counts, cost_usd: totals.cost_usd };
}
