import { join } from 'node:path';
import { numberOf, readObject, textOf } from '../../machine/files.ts';
import { textAt } from '../../machine/foreign.ts';
import { fetchOut } from '../../machine/outgoing.ts';
import { procLink, procNames, procText } from '../../machine/proc.ts';
import { lookAt } from '../../machine/process.ts';
import type { AgentLook } from '../adapter.ts';

export const PASSWORD_FILE = 'opencode-password';
export const USAGE_FILE = 'opencode-usage.json';
const SERVER_FILE = 'opencode-server.json';

const BOUND_MS = 1000;
/** What is handed over is not asked for again: the client may be slow, and gets more time. */
const HAND_MS = 5000;
const MAX_BYTES = 4 * 1024 * 1024;
const ADDRESS = /^http:\/\/127\.0\.0\.1:(\d{1,5})\/?$/;
/** 127.0.0.1 and the state LISTEN as /proc/net/tcp writes them. */
const LISTENING = /^\s*\d+: 0100007F:([0-9A-F]{4}) [0-9A-F]{8}:[0-9A-F]{4} 0A (?:\S+\s+){5}(\d+)/;

/** Asks the server of one living TUI; with a body, hands that over. A status that is none of success is a `Refused`. */
export type Ask = (path: string, body?: object) => Promise<unknown>;

/** The server has answered, and did not do it. */
export class Refused extends Error {}

/** How to ask the server of this very process, or null: not this process, not up yet, no password. */
export function serverOf(look: Pick<AgentLook, 'runDir' | 'pid' | 'pid_start'>): Ask | null {
  const process = lookAt(look.pid);
  if (process.kind !== 'present' || process.start !== look.pid_start || /[ZX]/.test(process.state))
    return null;
  const port = recordedPort(look.runDir, look.pid) ?? listeningPort(look.pid);
  const password = readWord(join(look.runDir, PASSWORD_FILE));
  if (port === null || password === null) return null;
  // One bound for all that is asked.
  const signal = AbortSignal.timeout(BOUND_MS);
  const call = { url: `http://127.0.0.1:${port}`, password };
  return (path, body) => (body === undefined ? ask(call, path, { signal }) : ask(call, path, handing(body)));
}

/** The password of a run's server: made of the run's random UUID, which no command line shows. */
export function passwordOf(session: string): string {
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  return hash.update(`mc-pickup opencode ${session}`).digest('hex');
}

function handing(body: object): RequestInit {
  const headers = { 'content-type': 'application/json' };
  return { method: 'POST', signal: AbortSignal.timeout(HAND_MS), headers, body: JSON.stringify(body) };
}

async function ask(
  { url, password }: { readonly url: string; readonly password: string },
  path: string,
  { headers, ...init }: RequestInit,
): Promise<unknown> {
  const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`;
  const asked = { ...init, redirect: 'error', headers: { ...headers, authorization } } as const;
  const answer = await fetchOut(url + path, asked, { of: null });
  if (!answer.ok) throw new Refused(`HTTP ${answer.status}`);
  if (Number(answer.headers.get('content-length') ?? 0) > MAX_BYTES) throw new Error('too long an answer');
  return answer.status === 204 ? null : answer.json();
}

/** What the plugin wrote when it was set up. */
function recordedPort(runDir: string, pid: number): number | null {
  const record = readObject(join(runDir, SERVER_FILE));
  const port = ADDRESS.exec(textOf(record, 'url') ?? '')?.[1];
  return numberOf(record, 'pid') === pid && port !== undefined ? Number(port) : null;
}

/** The kernel's own word (Linux), for a plugin that was never set up: the one loopback port of that process. */
function listeningPort(pid: number): number | null {
  const links = procNames(`${pid}/fd`).map((name) => procLink(`${pid}/fd/${name}`) ?? '');
  const own = new Set(links.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
  const ports = (procText('net/tcp') ?? '')
    .split('\n')
    .map((line) => LISTENING.exec(line))
    .filter((match) => match !== null && own.has(match[2]))
    .map((match) => Number.parseInt(match?.[1] ?? '', 16));
  return ports.length === 1 ? (ports[0] ?? null) : null;
}

function readWord(path: string): string | null {
  return textAt(path, { most: 1024 })?.trim() || null;
}
