import { createHmac } from 'node:crypto';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { run } from '../machine/spawn.ts';
import { asUser } from '../machine/umask.ts';
import type { ChannelSpec } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';
import type { Message } from './event.ts';
import { post, whyNot } from './http.ts';

/** null = it got through; else why not. */
export type Sent = string | null;

const DESKTOP_SECONDS = 5;
const LINES = 5;

/** How long one message may take. */
export function secondsOf(channel: ChannelSpec): number {
  return channel.kind === 'desktop' ? DESKTOP_SECONDS : channel.timeout_seconds;
}

/** Sends one message through one channel. Never throws. */
export async function send(
  channel: ChannelSpec,
  message: Message,
  o: { readonly env: NodeJS.ProcessEnv; readonly now_ms: number; readonly timeout_ms: number },
): Promise<Sent> {
  try {
    switch (channel.kind) {
      case 'command':
        return await byCommand(channel.argv, message, o);
      case 'webhook':
        return await byWebhook(channel, message, o);
      case 'desktop':
        return await onDesktop(message, o);
    }
  } catch (error) {
    return whyNot(error);
  }
}

/** The words of a ticket go by standard input alone: whoever lists processes sees none of them. */
async function byCommand(
  argv: readonly string[],
  message: Message,
  { env, timeout_ms }: { readonly env: NodeJS.ProcessEnv; readonly timeout_ms: number },
): Promise<Sent> {
  const [program = '', ...args] = argv;
  const input = `${JSON.stringify(message)}\n`;
  return saidBy(await asUser(() => run(program, args, { input, env, timeoutMs: timeout_ms })), program);
}

async function byWebhook(
  { url, secret }: Extract<ChannelSpec, { kind: 'webhook' }>,
  message: Message,
  { env, now_ms, timeout_ms }: { env: NodeJS.ProcessEnv; now_ms: number; timeout_ms: number },
): Promise<Sent> {
  const body = JSON.stringify(message);
  const timestamp = String(Math.floor(now_ms / 1000));
  const key = secret === null ? null : secretOf(secret, env);
  if (key !== null && 'error' in key) return key.error;
  const signature = key === null ? {} : { 'x-mc-signature': sign(key.secret, timestamp, body) };
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'x-mc-timestamp': timestamp,
    'x-mc-event-id': message.id,
    ...signature,
  };
  const status = await post(url, body, { headers, timeout_ms });
  return status >= 200 && status < 300 ? null : `it answered ${status}`;
}

/** Of the time and the body together, so that neither can be changed, and an old message not played again. */
export function sign(secret: string, timestamp: string, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
}

/** Read when it is needed: a secret that is changed counts from the next message on. */
function secretOf(
  from: { readonly env: string } | { readonly file: string },
  env: NodeJS.ProcessEnv,
): { readonly secret: string } | { readonly error: string } {
  if ('env' in from) {
    const secret = env[from.env] ?? '';
    return secret === '' ? { error: `the environment has no ${from.env}: use secret_file` } : { secret };
  }
  try {
    const mode = lstatSync(from.file).mode;
    if ((mode & 0o077) !== 0) return { error: `${from.file} may be read by others: chmod 600 ${from.file}` };
    const secret = readFileSync(from.file, 'utf8').trim();
    return secret === '' ? { error: `${from.file} is empty` } : { secret };
  } catch (error) {
    return { error: `${from.file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})` };
  }
}

async function onDesktop(
  message: Message,
  { env, timeout_ms }: { readonly env: NodeJS.ProcessEnv; readonly timeout_ms: number },
): Promise<Sent> {
  const title = oneLine(message.title, 100);
  const lines = message.text.split('\n').map((line) => oneLine(line, 200));
  const body = [...lines.slice(0, LINES), ...(lines.length > LINES ? ['...'] : [])].join('\n');
  const mac = process.platform === 'darwin';
  const [program, args] = mac ? ['osascript', macArgs(title, body)] : ['notify-send', linuxArgs(title, body)];
  const done = await run(program, args, { env: withSession(env), timeoutMs: timeout_ms });
  return saidBy(done, program);
}

/** The body is read as markup, the title is not. */
function linuxArgs(title: string, body: string): string[] {
  const plain = body.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return ['--app-name=mc-pickup', '--', title, plain];
}

/** The words are arguments of the script, and no part of it. */
function macArgs(title: string, body: string): string[] {
  const script = [
    'on run argv',
    'display notification (item 2 of argv) with title (item 1 of argv)',
    'end run',
  ];
  return [...script.flatMap((line) => ['-e', line]), title, body];
}

/** cron knows nothing of the desktop of its user: the session bus has a known place. */
function withSession(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (env.DBUS_SESSION_BUS_ADDRESS) return env;
  const dir = env.XDG_RUNTIME_DIR ?? `/run/user/${process.getuid?.() ?? 0}`;
  return existsSync(`${dir}/bus`)
    ? { ...env, XDG_RUNTIME_DIR: dir, DBUS_SESSION_BUS_ADDRESS: `unix:path=${dir}/bus` }
    : env;
}

function saidBy({ code, signal, error, stderr }: Awaited<ReturnType<typeof run>>, program: string): Sent {
  if (error === 'ENOENT') return `${program} is not there`;
  // What it printed is its own affair.
  if (error === 'timeout') return 'it did not end in time, and was killed';
  if (error !== null && error !== 'output too long') return `it could not be started (${error})`;
  if (code === 0) return null;
  const last = oneLine(stderr.trim().split('\n').at(-1) ?? '', 200);
  return `exit ${code ?? signal}${last === '' ? '' : `: ${last}`}`;
}
