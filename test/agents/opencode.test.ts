import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { answerByPost, openByPost } from '../../src/act/deliver/choice-by-post.ts';
import {
  type AdapterContext,
  type AgentLook,
  type OpenChoice,
  type Posting,
  PROMPT,
} from '../../src/agents/adapter.ts';
import { opencode } from '../../src/agents/opencode/index.ts';
import { judge } from '../../src/agents/opencode/level.ts';
import type { Places } from '../../src/machine/paths.ts';
import { lookAt } from '../../src/machine/process.ts';
import type { Chosen } from '../../src/model/choice.ts';
import type { Runtime } from '../../src/model/runtime.ts';
import { foldEvents } from '../../src/runs/events.ts';
import { aProfile } from '../support/builders.ts';

const ROOT = 'ses_df3480e65ffe9q6YcXqzhjGJ00';
const CHILD = 'ses_df33ba143ffe6KKIka94ORsYw5';
const REQUEST = 'per_20cb81c0e001uFiUMWOtDp1ZDN';

let dir: string;
let context: AdapterContext;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-oc-'));
  mkdirSync(join(dir, 'events'));
  context = { runDir: dir, bin: '/b', session: 'u-u-i-d', resume: null, headless: false, worktree: '/w' };
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

const profile = aProfile({
  ...{
    name: 'oc',
    kind: 'opencode',
    argv: [],
    permission_mode: 'acceptEdits',
    on_idle: 'leave',
    max_nudges: 0,
  },
});

describe('the launch', () => {
  it('opens the server on loopback and hands the prompt over', () => {
    expect(opencode.launchArgv(profile, context)).toEqual([
      'opencode',
      '--hostname',
      '127.0.0.1',
      '--port',
      '0',
      '--prompt',
      PROMPT,
    ]);
  });

  it('leaves the prompt of a resumed session to the plugin', () => {
    const resumed = { ...context, resume: ROOT };
    expect(opencode.launchArgv(profile, resumed)).toEqual([
      'opencode',
      '--hostname',
      '127.0.0.1',
      '--port',
      '0',
      `--session=${ROOT}`,
    ]);
    expect(opencode.env(resumed, profile).MC_OPENCODE_RESUME).toBe(ROOT);
    expect(opencode.env(context, profile).MC_OPENCODE_RESUME).toBeUndefined();
  });

  it('gives a headless run its prompt by stdin', () => {
    const argv = opencode.launchArgv(profile, { ...context, headless: true });
    expect(argv.slice(0, 3)).toEqual(['/bin/sh', '-c', 'exec "$@" <"$MC_PROMPT_FILE"']);
    expect(argv.slice(4)).toEqual(['opencode', 'run', '--format', 'json']);
  });

  it('skips no permission unless the profile says so', () => {
    expect(opencode.launchArgv(profile, context)).not.toContain('--auto');
    expect(opencode.launchArgv({ ...profile, permission_mode: 'auto' }, context)).toContain('--auto');
  });

  it('stages the very password that the environment carries, and shows it in no argument', () => {
    const { OPENCODE_SERVER_PASSWORD: password = '' } = opencode.env(context, profile);
    const staged = opencode.stageFiles(context).find(({ path }) => path.endsWith('opencode-password'));
    expect(password).toMatch(/^[0-9a-f]{64}$/);
    expect(staged?.text).toBe(`${password}\n`);
    expect(opencode.launchArgv(profile, context).join(' ')).not.toContain(password);
  });

  it('adds its plugin by the configuration that is merged over the user’s', () => {
    const content = JSON.parse(opencode.env(context, profile).OPENCODE_CONFIG_CONTENT ?? '');
    expect(content.plugin).toEqual([pathToFileURL(join(dir, 'opencode-plugin.js')).href]);
    expect(Object.keys(content)).toEqual(['$schema', 'plugin']);
  });
});

describe('what an event means', () => {
  const map = (kind: string, payload: Record<string, unknown>) =>
    opencode.mapEvent(kind, { session_id: ROOT, at: 1_795_510_239_377, ...payload });

  it('asks for a permission with the command', () => {
    const metadata = { command: 'touch p1; sleep 3' };
    const asked = { request: REQUEST, permission: 'bash', patterns: ['touch p1', 'sleep 3'], metadata };
    expect(map('Permission', asked)).toEqual({
      activity: 'waiting',
      question: 'Permission for bash: touch p1; sleep 3',
      session: ROOT,
    });
  });

  it('asks a question with its options', () => {
    const options = [
      { label: 'red', description: 'red' },
      { label: 'blue', description: 'blue' },
    ];
    const questions = [{ question: 'Which colour?', header: 'Question', options }];
    expect(map('Question', { questions })?.question).toBe('Which colour?\n  1. red\n  2. blue');
  });

  it('is idle after an answer to a dialog that outlived its turn', () => {
    expect(map('Answered', { request: REQUEST, working: true })?.activity).toBe('busy');
    expect(map('Answered', { request: REQUEST, working: false })?.activity).toBe('idle');
  });

  it('takes a long retry after a rate limit for a limit, a short back-off for work', () => {
    const message = 'Rate limit reached for stub-model in organization org-stub on requests per day.';
    const long = { type: 'retry', attempt: 1, message, next: 1_795_513_838_375 };
    expect(map('Status', { status: long })).toEqual({
      activity: 'busy',
      refusal: { status: 429, word: '', says: message, until_ms: 1_795_513_838_375 },
      session: ROOT,
    });
    const short = { type: 'retry', attempt: 1, message: 'The server had an error.', next: 1_795_510_241_377 };
    expect(map('Status', { status: short })).toEqual({ activity: 'busy', session: ROOT });
  });

  it('tells what the API has refused, and takes an interrupt for nothing', () => {
    const denied = { name: 'APIError', message: 'Incorrect API key provided', status: 401, headers: {} };
    expect(map('Error', denied)?.refusal).toMatchObject({ status: 401, says: 'Incorrect API key provided' });
    expect(map('Error', { name: 'MessageAbortedError', message: 'Aborted', headers: {} })).toEqual({
      session: ROOT,
    });
  });

  it('reads the reset of a 429 that ended the turn', () => {
    const error = { name: 'APIError', message: 'slow down', status: 429, headers: { 'retry-after': '120' } };
    expect(map('Error', error)?.refusal).toMatchObject({ until_ms: 1_795_510_359_377, says: 'slow down' });
  });

  it('counts one turn for each prompt', () => {
    expect(map('Prompt', { message: 'msg_1' })).toEqual({ activity: 'busy', turn: true, session: ROOT });
  });
});

describe('the plugin', () => {
  it('tells of a turn with a sub-agent once, and of idle only at its end', async () => {
    const plugin = await load();
    await plugin['chat.message']({}, { message: { id: 'msg_1', sessionID: ROOT } });
    await plugin['chat.message']({}, { message: { id: 'msg_1', sessionID: ROOT } });
    await plugin.status(ROOT, 'busy');
    await plugin.status(ROOT, 'busy');
    await plugin.event({ event: { type: 'session.created', properties: { info: info(CHILD, ROOT) } } });
    await plugin['chat.message']({}, { message: { id: 'msg_2', sessionID: CHILD } });
    await plugin.status(CHILD, 'busy');
    await plugin.status(CHILD, 'idle');
    expect(state()).toMatchObject({ activity: 'busy', turn: 1, client_session: ROOT });
    await plugin.status(ROOT, 'idle');
    expect(state()).toMatchObject({ activity: 'idle', turn: 1, client_session: ROOT });
    expect(names()).toEqual(['Prompt', 'Status', 'Status']);
  });

  it('keeps waiting under an aborted turn until the dialog is answered', async () => {
    const plugin = await load();
    await plugin['chat.message']({}, { message: { id: 'msg_1', sessionID: ROOT } });
    await plugin.status(ROOT, 'busy');
    const asked = { id: REQUEST, sessionID: ROOT, permission: 'bash', patterns: ['touch p1'], metadata: {} };
    await plugin.event({ event: { id: 'evt_1', type: 'permission.asked', properties: asked } });
    await plugin.event({ event: { id: 'evt_1', type: 'permission.asked', properties: asked } });
    await plugin.status(ROOT, 'idle');
    expect(state()).toMatchObject({ activity: 'waiting', question: 'Permission for bash: touch p1' });
    const replied = { sessionID: ROOT, requestID: REQUEST, reply: 'reject' };
    await plugin.event({ event: { type: 'permission.replied', properties: replied } });
    expect(state()).toMatchObject({ activity: 'idle', question: null });
    expect(names().filter((name) => name === 'Permission')).toHaveLength(1);
  });

  it('adds what a session and its sub-agents have used', async () => {
    const plugin = await load();
    await plugin['chat.message']({}, { message: { id: 'msg_1', sessionID: ROOT } });
    for (const one of [info(ROOT), info(CHILD, ROOT), info(ROOT)])
      await plugin.event({ event: { type: 'session.updated', properties: { info: one } } });
    expect(opencode.usage?.(look())).toEqual({
      input_tokens: 200,
      output_tokens: 18,
      cache_read_tokens: 40,
      cache_write_tokens: 0,
      turns: 1,
      cost_usd: 0.5,
    });
  });

  it.each([
    ['', 'reviewer'],
    ['plan', 'plan'],
  ])(
    'hands the prompt of a resumed session over by itself, once, to its agent (%s)',
    async (named, agent) => {
      writeFileSync(join(dir, 'prompt.md'), 'Resumed "words"\n');
      vi.stubEnv('MC_OPENCODE_RESUME', ROOT);
      vi.stubEnv('MC_OPENCODE_AGENT', named);
      vi.stubEnv('MC_PROMPT_FILE', join(dir, 'prompt.md'));
      const promptAsync = vi.fn(async () => ({}));
      const plugin = await load({
        session: { promptAsync, get: async () => ({ data: { agent: 'reviewer' } }) },
      });
      await plugin.again();
      await vi.waitFor(() => expect(promptAsync).toHaveBeenCalled());
      expect(promptAsync.mock.calls).toEqual([
        [{ path: { id: ROOT }, body: { agent, parts: [{ type: 'text', text: 'Resumed "words"\n' }] } }],
      ]);
    },
  );

  it('lets no error out, and gives the tools of the agent no password', async () => {
    const plugin = await load();
    rmSync(join(dir, 'events'), { recursive: true });
    await plugin.status(ROOT, 'busy');
    await plugin.event({ event: { type: 'session.status', properties: {} } });
    const output: { env: Record<string, string> } = { env: {} };
    await plugin['shell.env']({}, output);
    expect(output.env).toMatchObject({ OPENCODE_SERVER_PASSWORD: '', OPENCODE_CONFIG_CONTENT: '' });
  });
});

describe('the level', () => {
  it('puts an open dialog over a busy session', () => {
    const asked = { id: REQUEST, sessionID: ROOT, permission: 'bash', metadata: { command: 'touch p1' } };
    expect(judge({ [ROOT]: { type: 'busy' } }, asked, null, 0)).toEqual({
      activity: 'waiting',
      question: 'Permission for bash: touch p1',
    });
    expect(judge({ [ROOT]: { type: 'busy' } }, null, null, 0)).toEqual({ activity: 'busy' });
    expect(judge({}, null, null, 0)).toEqual({ activity: 'idle' });
    expect(judge(null, null, null, 0)).toBeNull();
  });

  it('asks the server of exactly that process, with the password', async () => {
    const http = await server();
    try {
      expect(await opencode.level?.(look())).toEqual({
        activity: 'waiting',
        question: 'Permission for bash: touch p1',
        session: ROOT,
      });
      expect(await opencode.level?.({ ...look(), pid_start: '1' })).toBeNull();
    } finally {
      http.close();
    }
  });

  it('says nothing without a server, and never throws', async () => {
    expect(await opencode.level?.(look())).toBeNull();
    writeFileSync(join(dir, 'opencode-password'), 'x');
    writeFileSync(join(dir, 'opencode-server.json'), `{"pid":${process.pid},"url":"http://127.0.0.1:1/"}`);
    expect(await opencode.level?.(look())).toBeNull();
  });
});

describe('a text for the living client', () => {
  const TEXT = '/help @README.md !ls $x \\\\';
  it('goes to its session by the server, with the agent and the model of before', async () => {
    const asked: unknown[] = [];
    const http = await server((path, body) => {
      if (body !== '') asked.push([path, JSON.parse(body)]);
      return path.endsWith('prompt_async') ? 204 : 200;
    });
    try {
      expect(await opencode.post?.(look(), TEXT)).toBeNull();
    } finally {
      http.close();
    }
    const model = { providerID: 'stub', modelID: 'm' };
    const parts = [{ type: 'text', text: TEXT }];
    expect(asked).toEqual([[`/session/${ROOT}/prompt_async`, { agent: 'plan', model, parts }]]);
  });

  it('has arrived, as far as is known, where its server ends without an answer; a refusal is one', async () => {
    const cut = await server((path) => (path.endsWith('prompt_async') ? null : 200));
    expect(await opencode.post?.(look(), TEXT)).toBeNull();
    cut.close();
    const refusing = await server((path) => (path.endsWith('prompt_async') ? 400 : 200));
    expect(await opencode.post?.(look(), TEXT)).toBe('its server did not take it (HTTP 400)');
    refusing.close();
    expect(await opencode.post?.({ ...look(), pid_start: '1' }, TEXT)).toBe('its server does not answer');
  });
});

describe('questions of its own tool', () => {
  const ask = (question: string, ...labels: string[]) => ({
    question,
    header: 'Q',
    options: labels.map((label) => ({ label, description: label })),
  });
  const call = {
    id: 'que_20cb81c0e001uFiUMWOtDp1ZDN',
    sessionID: ROOT,
    questions: [
      { ...ask('Which colour?', 'red', 'blue'), custom: false },
      { ...ask('Which sizes?', 'S', 'M'), multiple: true },
    ],
  };

  it('are answered one after the other, and the server gets the answers of the whole call', async () => {
    const given: unknown[] = [];
    const record = (path: string, body: string) => {
      if (body !== '') given.push([path, JSON.parse(body)]);
      return 200;
    };
    const state = mkdtempSync(join(tmpdir(), 'mc-oc-state-'));
    const places = { runs: join(state, 'runs') } as Places;
    const run = join(places.runs, 'MC-1-e1-0a');
    const home = dir;
    mkdirSync(run, { recursive: true });
    dir = run; // what its server is known by lies in the directory of the run
    context = { ...context, runDir: run };
    const http = await server(record, [call]);
    try {
      const { pid, pid_start } = look();
      const row = {
        mark: 'MC-1-e1-0a',
        pid,
        pid_start,
        worktree: null,
        kind: 'opencode',
      } as unknown as Runtime;
      const asking = { row, posting: opencode.choice as Posting };
      const first = await openByPost({ places }, asking);
      expect(first).toMatchObject({ question: 'Which colour?', options: ['red', 'blue'], many: false });
      if (first === null) throw new Error('no question');
      const answer = (open: OpenChoice, chosen: Chosen) => answerByPost({ places }, asking, open, chosen);
      expect(await answer(first, { text: 'teal' })).toEqual({
        why: expect.stringContaining('takes no text'),
      });
      const second = await answer(first, { numbers: [2] });
      expect(second).toMatchObject({ question: 'Which sizes?', many: true });
      expect(await openByPost({ places }, asking)).toEqual(second);
      expect(await answer(first, { numbers: [1] })).toEqual({ why: 'it asks something else by now' });
      expect(given).toEqual([]);
      expect(await answer(second as OpenChoice, { numbers: [1, 2] })).toBe('sent');
      expect(given).toEqual([[`/question/${call.id}/reply`, { answers: [['blue'], ['S', 'M']] }]]);
    } finally {
      http.close();
      dir = home;
      rmSync(state, { recursive: true, force: true });
    }
  });
});

describe('the record', () => {
  it('resumes only a session that the database holds', () => {
    const data = join(dir, 'data/opencode');
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, 'opencode.db'), 'SQLite format 3');
    writeFileSync(join(data, 'opencode.db-wal'), `..${ROOT}..`);
    const env = { XDG_DATA_HOME: join(dir, 'data') };
    expect(opencode.resumable?.({ ...look(), env })).toBe(true);
    expect(opencode.resumable?.({ ...look(), env, session: CHILD })).toBe(false);
    expect(opencode.resumable?.({ ...look(), env, session: 'a-uuid' })).toBe(false);
    expect(opencode.transcript?.({ ...look(), env })).toBe(join(data, 'opencode.db'));
    expect(opencode.transcript?.(look())).toBeNull();
  });

  it('knows a broken configuration by the screen, and nothing else', () => {
    const screen = 'Config file at /h/.config/opencode/opencode.json is not valid JSON(C):';
    expect(opencode.notReady?.(screen)).toContain('broken');
    expect(opencode.notReady?.('Error: Session not found')).toBeNull();
  });
});

type Hook = (input: unknown, output?: unknown) => Promise<void>;
type Hooks = Readonly<Record<'event' | 'chat.message' | 'shell.env', Hook>>;

/** The staged plugin, set up as OpenCode does it. */
async function load(client: unknown = { session: { get: async () => ({}) } }) {
  vi.stubEnv('MC_RUN_DIR', dir);
  for (const { path, text } of opencode.stageFiles(context)) writeFileSync(path, text);
  const file = join(dir, 'opencode-plugin.mjs');
  writeFileSync(file, readFileSync(join(dir, 'opencode-plugin.js')));
  const module = (await import(pathToFileURL(file).href)) as {
    readonly McPickup: (input: unknown) => Promise<Hooks>;
  };
  const again = () => module.McPickup({ client, serverUrl: new URL('http://127.0.0.1:4096') });
  const hooks = await again();
  const status = (sessionID: string, type: string) =>
    hooks.event({ event: { type: 'session.status', properties: { sessionID, status: { type } } } });
  return { ...hooks, status, again };
}

function info(id: string, parentID?: string) {
  const tokens = { input: 100, output: 8, reasoning: 1, cache: { read: 20, write: 0 } };
  return { id, ...(parentID === undefined ? {} : { parentID }), tokens, cost: 0.25 };
}

function state() {
  const row = { activity: 'unknown', question: null, turn: 0, client_session: null, events_cursor: null };
  return foldEvents(join(dir, 'events'), row as Parameters<typeof foldEvents>[1], opencode);
}

function names(): string[] {
  return readdirSync(join(dir, 'events'))
    .map((name) => name.split('.')[0] ?? '')
    .sort();
}

function look(): AgentLook {
  const self = lookAt(process.pid);
  const pid_start = self.kind === 'present' ? self.start : '';
  return { runDir: dir, worktree: '/w', env: {}, pid: process.pid, pid_start, session: ROOT, title: null };
}

/** A server with one open permission, as OpenCode's answers. */
async function server(
  status: (path: string, body: string) => number | null = () => 200,
  questions: readonly unknown[] = [],
): Promise<Server> {
  const { OPENCODE_SERVER_PASSWORD: password = '' } = opencode.env(context, profile);
  for (const { path, text } of opencode.stageFiles(context)) writeFileSync(path, text);
  const asked = { id: REQUEST, sessionID: ROOT, permission: 'bash', metadata: { command: 'touch p1' } };
  const answers: Record<string, unknown> = {
    '/session/status': { [ROOT]: { type: 'busy' } },
    '/permission': [asked],
    '/question': questions,
    [`/session/${ROOT}`]: {
      id: ROOT,
      agent: 'plan',
      model: { providerID: 'stub', id: 'm', variant: 'default' },
    },
  };
  const http = createServer((request, response) => {
    const login = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`;
    if (request.headers.authorization !== login) return void response.writeHead(401).end();
    let body = '';
    request.on('data', (part: Buffer) => {
      body += String(part);
    });
    request.on('end', () => {
      const code = status(request.url ?? '', body);
      if (code === null) return void response.destroy();
      response.writeHead(code, { 'content-type': 'application/json' });
      response.end(code === 204 ? '' : JSON.stringify(answers[request.url ?? ''] ?? true));
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  writeFileSync(
    join(dir, 'opencode-server.json'),
    JSON.stringify({ pid: process.pid, url: `http://127.0.0.1:${port}/` }),
  );
  return http;
}
