import { closeSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { asObject, numberOf, realOf, textOf } from '../../machine/files.ts';
import { lookAtName, namesAt, openForeign, withForeign } from '../../machine/foreign.ts';
import { lookAt } from '../../machine/process.ts';
import type { AgentLook, Usage } from '../adapter.ts';
import { sessionId } from '../session.ts';

type Entry = Readonly<Record<string, unknown>>;

const CHUNK = 256 * 1024;
const MAX_TAIL = 8 * 1024 * 1024;
const HEAD = 256 * 1024;
/** Beyond this turns are not counted: a tick must stay short. */
const MAX_COUNTED = 512 * 1024 * 1024;
const DAY_MS = 86_400_000;
const MAX_CANDIDATES = 200;
const TASK_STARTED = Buffer.from('"type":"event_msg","payload":{"type":"task_started"');

/** The record of the session of a run: by its id, or, before that is known, by where and when it was started. */
export function findRollout(look: AgentLook): string | null {
  if (look.session !== null) return rolloutOf(look.env, look.session);
  const started = startedAtMs(look.pid_start);
  if (look.worktree === null || started === null) return null;
  const folders = new Set([look.worktree, realOf(look.worktree)]);
  for (const path of recordsSince(look.env, started)) {
    const head = headOf(path);
    const source = textOf(head, 'source');
    if (source !== 'cli' && source !== 'exec') continue;
    if (folders.has(textOf(head, 'cwd') ?? '') && timeOf(head) >= started) return path;
  }
  return null;
}

/** The record of one session. Its id is a UUIDv7: the time in it names the folder, in the client's own time zone. */
export function rolloutOf(env: Readonly<Record<string, string>>, session: string): string | null {
  if (sessionId('codex', session) === null) return null;
  const made = Number.parseInt(session.replaceAll('-', '').slice(0, 12), 16);
  for (const folder of dayFolders(env, made - DAY_MS, made + DAY_MS)) {
    const name = namesAt(folder).find(
      (one) => one.startsWith('rollout-') && one.endsWith(`-${session}.jsonl`),
    );
    if (name !== undefined) return join(folder, name);
  }
  return null;
}

/** The entries of a record that hold one of the words, newest first, as far as the reader asks. Broken and half-written
 *  lines are left out. The words spare the parsing of what is most of a record: the output of tools. */
export function* newestFirst(path: string, words: readonly string[]): Generator<Entry> {
  const file = openForeign(path);
  if (file === null) return;
  try {
    let end = file.size;
    const floor = Math.max(0, end - MAX_TAIL);
    let rest = Buffer.alloc(0);
    while (end > floor) {
      const from = Math.max(floor, end - CHUNK);
      const chunk = Buffer.alloc(end - from);
      const read = readSync(file.fd, chunk, 0, chunk.length, from);
      const text = Buffer.concat([chunk.subarray(0, read), rest]);
      end = from;
      // The first line of the chunk may have its beginning before it.
      const cut = from === 0 ? -1 : text.indexOf(10);
      if (from > 0 && cut < 0) {
        rest = text;
        continue;
      }
      rest = text.subarray(0, cut + 1);
      for (const line of text
        .subarray(cut + 1)
        .toString('utf8')
        .split('\n')
        .reverse()) {
        const entry = words.some((word) => line.includes(word)) ? parsed(line) : null;
        if (entry !== null) yield entry;
      }
    }
  } catch {
    // A record that cannot be read says nothing.
  } finally {
    closeSync(file.fd);
  }
}

/** What a session has used: the record's own running total. Codex tells no money. */
export function codexUsage(path: string | null): Usage | null {
  if (path === null) return null;
  for (const entry of newestFirst(path, ['"token_usage_record"', '"token_count"'])) {
    const total = totalOf(entry);
    if (total === null) continue;
    const cached = numberOf(total, 'cached_input_tokens') ?? 0;
    const written = numberOf(total, 'cache_write_input_tokens') ?? 0;
    return {
      input_tokens: Math.max(0, (numberOf(total, 'input_tokens') ?? 0) - cached - written),
      output_tokens: numberOf(total, 'output_tokens') ?? 0,
      cache_read_tokens: cached,
      cache_write_tokens: written,
      turns: countTurns(path),
      cost_usd: null,
    };
  }
  return null;
}

/** The total that an entry holds. Every response of the model leaves a record of its own; the older `token_count`
 *  comes later in the turn, and forgets what a killed process had not yet counted. */
function totalOf(entry: Entry): Record<string, unknown> | null {
  const payload = asObject(entry.payload);
  if (entry.type === 'token_usage_record') return asObject(payload?.thread_token_usage);
  if (payload?.type !== 'token_count') return null;
  return asObject(asObject(payload.info)?.total_token_usage);
}

/** When an entry was written, UTC milliseconds; 0 = it does not tell. */
export function timeOf(entry: Entry | null): number {
  return Date.parse(textOf(entry, 'timestamp') ?? '') || 0;
}

/** Whether the process that was recorded still runs. */
export function runs(look: Pick<AgentLook, 'pid' | 'pid_start'>): boolean {
  const seen = lookAt(look.pid);
  return seen.kind === 'present' && seen.start === look.pid_start && seen.state !== 'Z' && seen.state !== 'X';
}

/** When a process of this boot was started, UTC milliseconds, at most a tenth of a second too early; it may be gone. */
export function startedAtMs(start: string): number | null {
  if (!/^\d+$/.test(start)) return Date.parse(`${start} UTC`) || null;
  // Kernel ticks are hundredths of a second since the boot on every Linux that Node runs on.
  const uptime = process.getBuiltinModule('node:os').uptime();
  return Date.now() - uptime * 1000 + Number(start) * 10 - 100;
}

/** Records that were made since then, oldest first. */
function recordsSince(env: Readonly<Record<string, string>>, since: number): string[] {
  const found: { readonly path: string; readonly name: string }[] = [];
  for (const folder of dayFolders(env, since - DAY_MS, Date.now() + DAY_MS))
    for (const name of namesAt(folder)) {
      if (!/^rollout-.*\.jsonl$/.test(name)) continue;
      const path = join(folder, name);
      if (changedAt(path) >= since) found.push({ path, name });
    }
  found.sort((a, b) => (a.name < b.name ? -1 : 1));
  return found.slice(0, MAX_CANDIDATES).map((one) => one.path);
}

function dayFolders(env: Readonly<Record<string, string>>, from: number, to: number): string[] {
  const home = env.CODEX_HOME ?? (env.HOME === undefined ? null : join(env.HOME, '.codex'));
  if (home === null || !Number.isFinite(from)) return [];
  const folders: string[] = [];
  for (let at = Math.max(from, to - 60 * DAY_MS); at < to + DAY_MS; at += DAY_MS) {
    const [year = '', month = '', day = ''] = new Date(at).toISOString().slice(0, 10).split('-');
    folders.push(join(home, 'sessions', year, month, day));
  }
  return folders;
}

/** The first entry's payload: whose session, where, when. */
function headOf(path: string): Entry | null {
  return withForeign(path, ({ fd, size }) => {
    const head = Buffer.alloc(Math.min(size, HEAD));
    const text = head.subarray(0, readSync(fd, head, 0, head.length, 0)).toString('utf8');
    const entry = parsed(text.split('\n', 1)[0] ?? '');
    return textOf(entry, 'type') === 'session_meta' ? asObject(entry?.payload) : null;
  });
}

function countTurns(path: string): number {
  let turns = 0;
  withForeign(path, ({ fd, size }) => {
    const chunk = Buffer.alloc(CHUNK);
    const end = Math.min(size, MAX_COUNTED);
    let kept = 0;
    for (let done = 0; done < end; ) {
      const read = readSync(fd, chunk, kept, Math.min(CHUNK - kept, end - done), null);
      if (read === 0) return;
      done += read;
      const text = chunk.subarray(0, kept + read);
      for (let at = text.indexOf(TASK_STARTED); at >= 0; at = text.indexOf(TASK_STARTED, at + 1)) turns += 1;
      // A match may lie across two chunks; one that was counted does not fit into what is kept.
      kept = Math.min(text.length, TASK_STARTED.length - 1);
      text.copyWithin(0, text.length - kept);
    }
  });
  return turns;
}

function parsed(line: string): Entry | null {
  if (line === '') return null;
  try {
    return asObject(JSON.parse(line));
  } catch {
    return null;
  }
}

function changedAt(path: string): number {
  return lookAtName(path)?.mtimeMs ?? 0;
}
