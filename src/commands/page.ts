import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Board } from '../board/port.ts';
import { loadPolicy } from '../config/load.ts';
import { type Context, serverOf, withReader } from '../context.ts';
import { readSwitches } from '../machine/killswitch.ts';
import { hostId } from '../machine/process.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import type { PageSpec } from '../model/policy.ts';
import type { Facts } from '../page/data.ts';
import { ticksNow } from '../tick/stopped.ts';
import { refuseFile, replaceFile } from './page-file.ts';

const MOST_DAYS = 90;
/** Of a page that a tick writes. */
const DAYS = 14;

/** Writes the page to a file, or to stdout. Reads the board without leaving a trace. */
export async function page(
  context: Context,
  o: { readonly out: string; readonly days: number },
): Promise<ExitCode> {
  if (o.days < 1 || o.days > MOST_DAYS)
    throw new UserError(EXIT.usage, `--days must be from 1 to ${MOST_DAYS}`);
  if (o.out === '') throw new UserError(EXIT.usage, '--out must name a file, or be - for stdout');
  const toStdout = o.out === '-';
  if (toStdout && context.json)
    throw new UserError(EXIT.usage, '--out - writes the page to stdout, and so does --json: name a file');
  const file = resolve(o.out);
  if (!toStdout) refuseFile(file); // before the work
  const text = await make(context, o.days, null);
  if (toStdout) context.out.line(text.trimEnd());
  else {
    const made = { file: replaceFile(file, text), bytes: Buffer.byteLength(text), days: o.days };
    if (context.json) context.out.json(made);
    else context.out.line(`${made.file} (${Math.ceil(made.bytes / 1024)} KiB)`);
  }
  return EXIT.ok;
}

/** Writes the page that the configuration asks for. */
export async function writeConfigured(context: Context, { file, every_minutes }: PageSpec): Promise<void> {
  refuseFile(file);
  replaceFile(file, await make(context, DAYS, every_minutes));
}

async function make(context: Context, days: number, every_minutes: number | null): Promise<string> {
  const { gather, pageOf } = await import('../page/index.ts');
  const facts = await factsOf(context, days, every_minutes);
  return pageOf(await withReader(context, (board: Board) => gather(board, facts)));
}

async function factsOf(context: Context, days: number, every_minutes: number | null): Promise<Facts> {
  const { places, env } = context;
  const now_ms = Date.now();
  const { policy } = loadPolicy(places.config, env);
  const server = await serverOf(context);
  return {
    now_ms,
    zone: zoneHere(),
    days,
    board: server?.url ?? places.board,
    host: { id: hostId(places.state) ?? '', name: hostname() },
    every_minutes,
    limits: policy.limits,
    switches: readSwitches(places, env, now_ms),
    broken: policy.broken,
    ticksOf: (finished_at_ms) => ticksNow(places, policy, finished_at_ms, now_ms),
  };
}

/** The zone of this machine, or UTC where it has none that has a name: a scheduler's TZ may be anything. */
function zoneHere(): string {
  try {
    const zone: string | undefined = new Intl.DateTimeFormat().resolvedOptions().timeZone;
    return zone === undefined
      ? 'UTC'
      : new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    return 'UTC';
  }
}
