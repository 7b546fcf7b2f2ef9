/*
 * The figures in the Prometheus text format. All are gauges: what is on the board may be cleared away, and a counter that falls
 * would look like a restart. No label is a ticket or a run, and each has a bounded number of values.
 */
import { Gauge, Registry } from 'prom-client';
import { cameOut } from '../model/ends.ts';
import { agentScope } from '../model/hold.ts';
import { oneLine } from '../model/text.ts';
import { TICKET_STATUSES } from '../model/ticket.ts';
import { type TickFacts, tickFigures } from '../report/brief.ts';
import type { MetricsData } from './data.ts';

export { gather } from './data.ts';

/** Of ticks that the board has. */
const OUTCOMES = ['ok', 'partial', 'unavailable'];
/** Values of one label; the others are summed up under one name. */
const MOST_VALUES = 50;

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/** The whole text. */
export async function metricsText(data: MetricsData): Promise<string> {
  const sheet = new Sheet();
  aboutProgram(sheet, data);
  aboutTickets(sheet, data);
  aboutAgents(sheet, data);
  aboutTicks(sheet, data);
  aboutUse(sheet, data);
  const { interval_ms, status } = data;
  const facts = { interval_seconds: interval_ms / 1000, switches: status.switches, last: lastOf(data) };
  return `${tickFigures(facts)}${await sheet.text()}`;
}

/** A halted tick leaves no row on the board, and one that could not work none either. */
function lastOf({ status: { last_tick, ticks }, over }: MetricsData): TickFacts['last'] {
  if (over !== null) return over;
  const at_ms = ticks.last_at_ms;
  if (at_ms === null) return null;
  return { at_ms, outcome: last_tick !== null && last_tick.at_ms >= at_ms ? last_tick.outcome : 'halted' };
}

class Sheet {
  readonly #registry = new Registry();

  /** One figure; samples with the same labels are summed. */
  gauge(name: string, help: string, samples: readonly Sample[]): void {
    const names = [...new Set(samples.flatMap(([labels]) => Object.keys(labels)))];
    const gauge = new Gauge({
      name: `mc_pickup_${name}`,
      help,
      labelNames: names,
      registers: [this.#registry],
    });
    if (names.length > 0) gauge.reset(); // else it begins with a sample without labels
    const bounds = new Map(names.map((label) => [label, new Bound()]));
    for (const [labels, value] of samples) {
      const bounded = Object.entries(labels).map(([label, one]) => [
        label,
        bounds.get(label)?.of(one) ?? one,
      ]);
      gauge.inc(Object.fromEntries(bounded), value);
    }
  }

  one(name: string, help: string, value: number): void {
    this.gauge(name, help, [[{}, value]]);
  }

  async text(): Promise<string> {
    return `${(await this.#registry.metrics()).trimEnd()}\n`;
  }
}

/** Names come from the board, where anybody may have written them. */
class Bound {
  readonly #known = new Set<string>();

  of(value: string): string {
    const name = oneLine(value, 64);
    if (this.#known.has(name)) return name;
    if (this.#known.size >= MOST_VALUES) return 'other';
    this.#known.add(name);
    return name;
  }
}

function aboutProgram(sheet: Sheet, { version, schema, status, channels }: MetricsData): void {
  sheet.gauge('build_info', 'The version of mc-pickup, and of the Node that runs it', [
    [{ version, node: process.version }, 1],
  ]);
  if (schema !== null) sheet.one('board_schema', 'The number of the schema of the board', schema);
  sheet.one('config_errors', 'What is wrong with the configuration', status.config_errors.length);
  const scoped = status.switches.filter(({ scope }) => scope !== '*').length;
  sheet.one('killswitch_scoped', 'Switches that are on for one project or one profile', scoped);
  const held = (is: (scope: string) => boolean) => status.holds.filter(({ scope }) => is(scope)).length;
  sheet.gauge('held', 'What is held though no ticket is at fault: see mc-pickup status', [
    [{ scope: 'host' }, held((scope) => scope === 'host')],
    [{ scope: 'project' }, held((scope) => scope.startsWith('project:'))],
    [{ scope: 'agent' }, held((scope) => scope.startsWith('agent:'))],
  ]);
  if (channels.length === 0) return;
  const each = (value: (one: (typeof channels)[number]) => number): Sample[] =>
    channels.map((one, n) => [{ channel: `${n} ${one.name}` }, value(one)]);
  sheet.gauge(
    'notify_failing',
    'Whether the last notification by a channel failed',
    each((one) => (one.failing ? 1 : 0)),
  );
  sheet.gauge(
    'notify_waiting',
    'Events that a channel has not told yet',
    each(({ waiting }) => waiting),
  );
}

function aboutTickets(sheet: Sheet, { status, open, retries }: MetricsData): void {
  sheet.gauge(
    'tickets',
    'Tickets on the board',
    TICKET_STATUSES.map((one) => [{ status: one }, status.counts[one]]),
  );
  const projects = [...open].flatMap(([one, tickets]) =>
    tickets.map(({ project }): Sample => [{ project, status: one }, 1]),
  );
  sheet.gauge(
    'project_tickets',
    'Open tickets by project; a status with too many of them is left out',
    projects,
  );
  const attempts = [...open.values()].flat().reduce((sum, one) => sum + one.attempts, 0);
  sheet.one('open_ticket_attempts', 'Failed attempts of the tickets that are open, in all', attempts);
  sheet.one('retries_waiting', 'Tickets that wait for their back-off to end', retries);
}

function aboutAgents(sheet: Sheet, { status, agents, without_program, runs, since_ms }: MetricsData): void {
  sheet.gauge(
    'runtimes',
    'Agents that have not ended, by what the kernel and their events say',
    status.live.map(({ verdict, activity, agent }) => [{ verdict, activity, agent }, 1]),
  );
  const { used, max, projects, agents: profiles } = status.slots;
  sheet.one('slots_used', 'Slots of this host that are taken', used);
  if (max !== null) sheet.one('slots_max', 'Slots of this host', max);
  const each = (label: string, of: typeof projects): Sample[] =>
    Object.entries(of).map(([name, one]) => [{ [label]: name }, one.used]);
  sheet.gauge('project_slots_used', 'The same by project', each('project', projects));
  sheet.gauge('agent_slots_used', 'The same by profile', each('agent', profiles));
  const account = (name: string) => status.accounts.find((one) => one.name === name);
  const isReady = (name: string) =>
    (account(name)?.not_ready ?? null) === null &&
    !without_program.includes(name) &&
    !status.holds.some(({ scope }) => scope === agentScope(name));
  sheet.gauge(
    'agent_limited',
    'Whether the account of a profile waits for its limit to be over',
    agents.map((agent) => [{ agent }, (account(agent)?.limited_until_ms ?? null) === null ? 0 : 1]),
  );
  sheet.gauge(
    'agent_ready',
    'Whether the client of a profile can be started, as far as is known',
    agents.map((agent) => [{ agent }, isReady(agent) ? 1 : 0]),
  );
  const begun = runs.filter(({ claimed_at_ms }) => claimed_at_ms >= since_ms);
  sheet.gauge(
    'runs_started_last_day',
    'Runs that began within the last 24 hours',
    begun.map(({ agent }) => [{ agent }, 1]),
  );
  const ended = runs.filter((one) => one.ended_at_ms !== null && one.ended_at_ms >= since_ms);
  sheet.gauge(
    'runs_ended_last_day',
    'Runs that ended within the last 24 hours, by why',
    ended.map(({ agent, end_reason }) => [{ agent, reason: end_reason ?? 'unknown' }, 1]),
  );
  sheet.gauge(
    'run_outcomes_last_day',
    'The same by how they came out: ended is a reason of another program',
    ended.map(({ agent, end_reason }) => [{ agent, outcome: cameOut(end_reason) }, 1]),
  );
}

function aboutTicks(sheet: Sheet, { status, ticks, now_ms, kept }: MetricsData): void {
  const outcomes = (count: (outcome: string) => number): Sample[] =>
    OUTCOMES.map((outcome) => [{ outcome }, count(outcome)]);
  sheet.gauge(
    'ticks_last_day',
    'Ticks of this host within the last 24 hours; halted ones are not counted',
    outcomes((outcome) => ticks.filter((one) => one.outcome === outcome).length),
  );
  const last = ticks.at(-1);
  if (last !== undefined)
    sheet.one(
      'last_tick_duration_seconds',
      'How long the last one took that worked',
      Math.max(0, last.finished_at_ms - last.started_at_ms) / 1000,
    );
  if (kept || status.ticks.last_at_ms === null) return;
  const age = Math.max(0, now_ms - status.ticks.last_at_ms) / 1000;
  sheet.one('last_tick_age_seconds', 'How long ago it ended; not in a file, which grows old itself', age);
  sheet.one('ticks_coming', 'Whether ticks come, halted ones included', status.ticks.coming ? 1 : 0);
}

function aboutUse(sheet: Sheet, { usage }: MetricsData): void {
  sheet.gauge(
    'tokens_today',
    "Tokens of this UTC day, by the clients' own records",
    usage.flatMap(({ agent, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens }) => {
      const kinds = {
        input: input_tokens,
        output: output_tokens,
        cache_read: cache_read_tokens,
        cache_write: cache_write_tokens,
      };
      return Object.entries(kinds).map(([type, value]): Sample => [{ agent, type }, value]);
    }),
  );
  sheet.gauge(
    'cost_usd_today',
    'Money of this UTC day, of clients that tell it',
    usage.flatMap(({ agent, cost_usd }) => (cost_usd === null ? [] : [[{ agent }, cost_usd] as const])),
  );
}
