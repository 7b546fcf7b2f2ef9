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
const MAX_BYTES = 4 * 1024 * 1024;
const ADDRESS = /^http:\/\/127\.0\.0\.1:(\d{1,5})\/?$/;
/** 127.0.0.1 and the state LISTEN as /proc/net/tcp writes them. */
const LISTENING = /^\s*\d+: 0100007F:([0-9A-F]{4}) [0-9A-F]{8}:[0-9A-F]{4} 0A (?:\S+\s+){5}(\d+)/;

/** Asks the server of one living TUI. */
export type Ask = (path: string) => Promise<unknown>;

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
  return (path) => ask(`http://127.0.0.1:${port}${path}`, password, signal);
}

/** The password of a run's server: made of the run's random UUID, which no command line shows. */
export function passwordOf(session: string): string {
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  return hash.update(`mc-pickup opencode ${session}`).digest('hex');
}

async function ask(url: string, password: string, signal: AbortSignal): Promise<unknown> {
  const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`;
  const answer = await fetchOut(url, { signal, redirect: 'error', headers: { authorization } }, { of: null });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  if (Number(answer.headers.get('content-length') ?? 0) > MAX_BYTES) throw new Error('too long an answer');
  return answer.json();
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
