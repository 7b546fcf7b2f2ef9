/*
 * What follows a tick, in this order: each is looked at when the tick has saved and told what it did, and runs if it is due. None of it is
 * part of the tick: whatever goes wrong changes neither the tick's outcome nor what else follows. What a tick most often does
 * not need is loaded by what runs, never by the look.
 */
import { statSync } from 'node:fs';
import type { OpenedBoard } from '../board/open.ts';
import type { Context } from '../context.ts';
import { numberOf, readObject } from '../machine/files.ts';
import type { ExitCode } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';
import type { Ping } from '../notify/ping.ts';
import type { TickNow } from '../notify/stopped.ts';
import { notedMetrics } from '../report/brief.ts';
import { comparedAt, notedRuns } from '../workspace/noted.ts';
import { dueReviews, publishInTurn, reviewOptions } from './publish.ts';
import type { TickResult } from './save.ts';
import type { Wish } from './words.ts';

/** A tick that has ended: what its follow-ups go by. */
export interface EndedTick {
  readonly context: Context;
  readonly policy: Policy;
  readonly wish: Wish;
  readonly began: Omit<TickNow, 'boot_id'>;
  /** The call that told of its beginning; null = none is asked for. */
  readonly ping: Ping | null;
  /** null = it could not work. */
  readonly worked: Worked | null;
  readonly code: ExitCode;
}

/** A tick that worked; its board is closed when it lets go of the tick lock. */
export interface Worked {
  readonly result: TickResult;
  readonly opened: OpenedBoard;
}

export interface FollowUp {
  readonly name: 'retention' | 'ping' | 'notify' | 'metrics' | 'changes' | 'publish' | 'page' | 'pool';
  /** Begins what is said when it fails. */
  readonly failed: string;
  /** It needs the tick lock and the tick's own board: no tick may be launching meanwhile. */
  readonly locked?: true;
  /** It follows a tick that could not work as well. */
  readonly always?: true;
  /** It is cut off after this. Each has shorter bounds of its own: this one holds when one of those is wrong. */
  bound_ms(over: EndedTick): number;
  due(over: EndedTick): boolean | Promise<boolean>;
  /** `signal`: it was cut off, and must change nothing any more. */
  run(over: EndedTick, signal: AbortSignal): Promise<void>;
}

const MINUTE_MS = 60_000;

export const FOLLOW_UPS: readonly FollowUp[] = [
  {
    name: 'retention',
    failed: 'what is old was not removed',
    locked: true,
    bound_ms: () => MINUTE_MS,
    due: retentionDue,
    run: retain,
  },
  {
    name: 'ping',
    failed: 'the address that hears of ticks was not called',
    always: true,
    // Two calls: that of its beginning may still be on its way.
    bound_ms: ({ policy }) => (policy.ping?.timeout_seconds ?? 0) * 2 * 1000 + MINUTE_MS,
    due: ({ ping }) => ping !== null,
    run: async ({ ping, worked, code }) => ping?.end(worked?.result.report.outcome ?? 'unavailable', code),
  },
  {
    name: 'notify',
    failed: 'nobody could be notified',
    always: true,
    bound_ms: () => MINUTE_MS,
    due: ({ policy }) => policy.notify.length > 0,
    run: notify,
  },
  {
    name: 'metrics',
    failed: 'the metrics were not written',
    always: true,
    bound_ms: () => MINUTE_MS,
    due: ({ policy, context }) => policy.metrics !== null || notedMetrics(context.places) !== null,
    run: writeMetrics,
  },
  {
    name: 'changes',
    failed: 'what changed in a repository during a run could not be told',
    bound_ms: () => CHANGES_MS,
    due: changesDue,
    run: async ({ context }, signal) => (await import('./following.ts')).tellChanges(context, signal),
  },
  {
    name: 'publish',
    failed: 'what is in review was not published',
    bound_ms: publishBound,
    due: publishDue,
    run: publish,
  },
  {
    name: 'page',
    failed: 'the page was not written',
    bound_ms: () => MINUTE_MS,
    due: pageDue,
    run: async ({ context, policy: { page } }) => {
      if (page !== null) await (await import('./following.ts')).writePage(context, page);
    },
  },
  {
    name: 'pool',
    failed: 'no worktree is made ready ahead of time',
    bound_ms: () => MINUTE_MS,
    due: ({ policy, wish }) => wish.dispatch && [...policy.projects.values()].some((one) => one.pool > 0),
    run: async ({ context, policy }) => (await import('./following.ts')).startFilling(context, policy),
  },
];

/** How long the next follow-ups wait for what git tells of main checkouts. */
const CHANGES_MS = 2000;
/** How often the runs that live are looked at. */
const LIVE_MS = 10 * MINUTE_MS;

/** When a run has ended, whoever ended it, and now and then while one lives. A listing of our own directory tells. */
function changesDue({ context: { places }, worked }: EndedTick): boolean {
  const noted = worked === null ? [] : notedRuns(places.commons);
  if (worked === null || noted.length === 0) return false;
  const { world, outcomes } = worked.result;
  const live = new Set([
    ...world.runtimes.map(({ row }) => row.mark),
    ...(outcomes ?? []).map(({ run }) => run),
  ]);
  const ended = (outcomes ?? []).some(({ step, result }) => result === 'done' && ENDING.has(step.kind));
  return ended || noted.some((run) => !live.has(run)) || isOld(comparedAt(places.commons), LIVE_MS);
}

/** Steps after which a run may have ended. */
const ENDING: ReadonlySet<string> = new Set(['end', 'retry', 'ask', 'submit', 'report']);

/** How often a tick takes old things away. */
const RETENTION_MS = 10 * MINUTE_MS;

function retentionDue({ context, policy }: EndedTick): boolean {
  if (Object.values(policy.retention).every((days) => days === 0)) return false;
  return isOld(numberOf(readObject(context.places.retention), 'at_ms') ?? 0, RETENTION_MS);
}

/** Whether something of that time is due again. A time in the future is of a clock that was set back since: it counts as old. */
function isOld(at_ms: number, after_ms: number): boolean {
  const age_ms = Date.now() - at_ms;
  return age_ms < 0 || age_ms >= after_ms;
}

async function retain({ context, policy, worked }: EndedTick, signal: AbortSignal): Promise<void> {
  if (worked === null) return;
  const { places, env, tmux, node, bin } = context;
  const { mendTools } = await import('../runs/tools.ts');
  mendTools(places, node, bin);
  const { sweep } = await import('../clean/retention.ts');
  await sweep(policy.retention, { ...worked.opened, places, env, tmux, policy, now_ms: Date.now() }, signal);
}

async function notify({ context, policy, began, worked }: EndedTick): Promise<void> {
  const { tell } = await import('./following.ts');
  const tick = { ...began, boot_id: worked?.result.world.boot_id ?? '' };
  await tell(context, policy, worked === null ? { kind: 'failed' } : { kind: 'tick', tick });
}

async function writeMetrics({ context, policy, worked, code }: EndedTick): Promise<void> {
  const { metricsOfTick } = await import('./following.ts');
  await metricsOfTick(context, policy, { worked: worked !== null, code });
}

/** How long one ticket may take, beside the programs of the configuration. */
const PUBLISH_MS = 10 * MINUTE_MS;
/** How often the program of a project is called for one ticket: for what is there, to open it, and to look at it. */
const CALLS = 3;

function publishBound({ policy }: EndedTick): number {
  const commands = [...policy.projects.values()].map(({ review }) => review?.command?.timeout_seconds ?? 0);
  return PUBLISH_MS + CALLS * Math.max(0, ...commands) * 1000;
}

/** The board is asked while the tick has it open: most ticks find nothing, take no lock for it, and open no board again. */
async function publishDue({ policy, wish, worked }: EndedTick): Promise<boolean> {
  if (worked === null) return false;
  const due = await dueReviews(worked.opened.board, reviewOptions(policy, wish, worked.result));
  return due !== null && due.length > 0;
}

/** A forge may be slow: what is in review goes out when the next tick may begin. */
async function publish(over: EndedTick): Promise<void> {
  const { context, policy, wish, worked } = over;
  const options = worked === null ? null : reviewOptions(policy, wish, worked.result);
  if (worked === null || options === null) return;
  await publishInTurn(context, worked.result.world.host_id, options, publishBound(over) + MINUTE_MS);
}

function pageDue({ policy: { page } }: EndedTick): boolean {
  if (page === null) return false;
  return isOld(statSync(page.file, { throwIfNoEntry: false })?.mtimeMs ?? 0, page.every_minutes * MINUTE_MS);
}
