/** The client against a mock that somebody else's program makes of the OpenAPI document: each request must pass its
 *  validation, and each of its answers ours. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LIMITS } from '../../src/board/http/api.ts';
import { httpBoard, meetServer } from '../../src/board/http/board.ts';
import type { Board, ForeignTicket } from '../../src/board/port/index.ts';
import { SNAPSHOT } from '../explorer/ticks.ts';
import { aReview, HOST, NOW } from '../support/builders.ts';
import { until } from '../support/sandbox.ts';

let mock: ChildProcess;
let url = '';
let said = '';
beforeAll(async () => {
  const port = await new Promise<number>((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address() as AddressInfo;
      probe.close(() => resolve(free));
    });
  });
  url = `http://127.0.0.1:${port}`;
  const args = ['mock', '--host', '127.0.0.1', '--port', String(port), 'docs/mission-control.openapi.yaml'];
  mock = spawn('node_modules/.bin/prism', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [mock.stdout, mock.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  expect(await until(() => said.includes('Prism is listening')), said).toBe(true);
});
afterAll(async () => {
  const gone = new Promise((resolve) => mock.once('exit', resolve));
  mock.kill();
  await gone;
});

const guard = { status: 'todo', owner: null, claim_epoch: 0, version: 1 } as const;
const row = { run: 'r', version: 1 };
const end = { end_reason: 'agent_dead', exit_code: null, exit_signal: 9 };
const who = { host_id: HOST, boot_id: 'b', pid_ns: null, time_ns: null, pid: 7, pid_start: '1' };
const seen = {
  ...({ activity: 'busy', question: null, turn: 1, client_session: null, level: null, level_ms: 0 } as const),
  ...{ limited_until_ms: null, not_ready: null, fresh: 0, cursor: null },
};
const text = { title: 't', body: '', priority: 2, project: 'p', labels: [], agent: null, owner: null };

const FOREIGN: ForeignTicket = {
  ...{
    ...text,
    source: 'csv:a:1',
    status: 'in_review',
    author: 'file:ann',
    trusted: false,
    depends_on: ['csv:a:0'],
  },
  ...{ attempts: 1, not_before_at_ms: null, reason: 'asked', reason_text: null },
  ...{ created_at_ms: NOW, updated_at_ms: NOW, comments: [{ actor: 'file:bob', at_ms: NOW, text: 'hm' }] },
};

/** Every method of the port; those that list follow the cursor that a mock repeats for ever. */
const CALLS: Readonly<Record<string, (board: Board) => Promise<unknown>>> = {
  claim: (b) =>
    b.claim(
      {
        ticket: 'MC-1',
        guard,
        run: 'r',
        agent: 'a',
        project: 'p',
        attempt: 1,
        host_id: HOST,
        boot_id: 'b',
        kind: 'claude',
        headless: false,
      },
      { actor: 'tick:1', now_ms: NOW },
    ),
  staged: (b) => b.staged({ run: 'r', worktree: '/w', branch: 'x', client_session: null, resumed: null }),
  register: (b) =>
    b.register(
      { run: 'r', ...who, tmux_server_pid: 1, tmux_server_start: '2', tmux_session: 's', tmux_pane: '%1' },
      { now_ms: NOW },
    ),
  adopt: (b) =>
    b.adopt(
      {
        ticket: 'MC-1',
        guard,
        instead_of: null,
        mark: 'm',
        agent: 'a',
        project: 'p',
        ...who,
        tmux_session: null,
        tmux_pane: null,
        worktree: null,
        branch: null,
        kind: '',
        headless: false,
        client_session: null,
      },
      { actor: 'tick:1', now_ms: NOW },
    ),
  normalize: (b) =>
    b.normalize(
      { ticket: 'MC-1', guard, runtime: row, pid: 7, because: 'agent_alive' },
      { actor: 'tick:1', now_ms: NOW },
    ),
  ask: (b) =>
    b.ask(
      { ticket: 'MC-1', guard, runtime: row, reason: 'r', text: 't', turn: 1, park: false },
      { actor: 'tick:1', now_ms: NOW },
    ),
  nudge: (b) => b.nudge({ ticket: 'MC-1', guard, runtime: row, turn: 1 }, { actor: 'tick:1', now_ms: NOW }),
  submit: (b) =>
    b.submit(
      { ticket: 'MC-1', guard, runtime: row, because: 'idle_without_report' },
      { actor: 'tick:1', now_ms: NOW },
    ),
  retry: (b) =>
    b.retry(
      {
        ticket: 'MC-1',
        guard,
        runtime: row,
        end,
        to: { status: 'todo', attempts: 1, not_before_at_ms: NOW },
        why: { reason: 'r', text: 't' },
      },
      { actor: 'tick:1', now_ms: NOW },
    ),
  end: (b) => b.end({ runtime: row, end }, { actor: 'tick:1', now_ms: NOW }),
  report: (b) => b.report({ run: 'r', to: 'in_review', message: 'm', turn: 1 }, { now_ms: NOW }),
  addTicket: (b) =>
    b.addTicket({ ...text, status: 'todo', author: 'ann', trusted: true, depends_on: [] }, { now_ms: NOW }),
  importTickets: (b) => b.importTickets([FOREIGN], { actor: 'ann', now_ms: NOW }),
  bySource: (b) => b.bySource(['csv:a:1']),
  boardId: (b) => b.boardId(),
  ticket: (b) => b.ticket('MC-1'),
  counts: (b) => b.counts(),
  move: (b) =>
    b.move(
      { ticket: 'MC-1', version: 1, to: 'todo', why: 'w', trusted: true },
      { actor: 'ann', now_ms: NOW },
    ),
  edit: (b) =>
    b.edit(
      { ticket: 'MC-1', version: 1, change: { title: 'new', owner: null } },
      { actor: 'ann', now_ms: NOW },
    ),
  log: (b) =>
    b.log({
      at_ms: NOW,
      ticket_id: null,
      run_id: null,
      actor: 'a',
      kind: 'comment',
      because: null,
      text: 't',
    }),
  activity: (b) => b.activity({ ticket: 'MC-1', after: 0, limit: 5 }),
  runtime: (b) => b.runtime('r'),
  runtimeByMark: (b) => b.runtimeByMark('m'),
  liveRuntime: (b) => b.liveRuntime('MC-1'),
  saveTick: (b) =>
    b.saveTick({
      tick: {
        id: 't',
        host_id: HOST,
        boot_id: 'b',
        mono_ms: 1.5,
        started_at_ms: NOW,
        finished_at_ms: NOW,
        outcome: 'ok',
        ramp: null,
        report: '{}',
      },
      refresh: [
        { run: 'r', phase: 'running', seen, silent_ms: 0, launching_ms: 0.5, output_at_s: null, alive: true },
      ],
    }),
  lastTick: (b) => b.lastTick(HOST),
  limitAccount: (b) =>
    b.limitAccount({ name: 'a', until_ms: NOW, reason: 'r' }, { actor: 'tick:1', now_ms: NOW }),
  setReady: (b) => b.setReady({ name: 'a', fix: null, stamp: null }, { actor: 'tick:1', now_ms: NOW }),
  accounts: (b) => b.accounts(),
  keepAnswer: (b) => b.keepAnswer({ ticket: 'MC-1', text: 'text', author: 'ann' }, { now_ms: NOW }),
  words: (b) => b.words('MC-1'),
  handWords: (b) => b.handWords({ ids: [1], run: 'r', outcome: 'prompt', turn: 0 }, { now_ms: 1 }),
  takeAnswers: (b) => b.takeAnswers({ ids: [1], run: 'r' }),
  recordUsage: (b) =>
    b.recordUsage({
      session: 's',
      run_id: 'r',
      ticket_id: null,
      agent: 'a',
      day: '2026-11-25',
      totals: {
        input_tokens: 1,
        output_tokens: 1,
        cache_read_tokens: 0,
        cache_write_tokens: 0,
        turns: 1,
        cost_usd: 0.5,
      },
    }),
  usage: (b) => b.usage({ ticket: 'MC-1' }),
  saveDelivery: (b) =>
    b.saveDelivery({
      id: 'd',
      run_id: 'r',
      ticket_id: null,
      kind: 'prompt',
      nonce: 'n',
      sha256: 'x',
      bytes: 1,
      outcome: 'pending',
      ack_source: null,
      at_ms: NOW,
    }),
  history: (b) => b.history({ since_ms: NOW, limit: 9 }),
  setDelivery: (b) => b.setDelivery({ id: 'd', outcome: 'started', ack_source: 'registered' }),
  openDelivery: (b) => b.openDelivery({ run: 'r', sha256: 'x' }),
  lastDelivery: (b) => b.lastDelivery({ run: 'r', kinds: ['send', 'answer'] }),
  ticksAbout: (b) => b.ticksAbout({ ticket: 'MC-1', limit: 500 }),
  retries: (b) => b.retries({ now_ms: NOW, limit: 5 }),
  follow: (b) =>
    b.follow(
      {
        runtime: { run: 'r', version: 1 },
        process: { host_id: 'h', boot_id: 'b', pid_ns: null, time_ns: null, pid: 9, pid_start: '9' },
      },
      { actor: 'a', now_ms: NOW },
    ),
  shortenWait: (b) =>
    b.shortenWait({ ticket: 'MC-1', agent: null, from_ms: NOW + 9, to_ms: NOW }, { actor: 'a', now_ms: NOW }),
  reviews: (b) => b.reviews(['MC-1', 'MC-2']),
  saveReview: (b) =>
    b.saveReview({
      review: aReview(),
      reader: { ...text, status: 'todo', author: 'a', trusted: true, depends_on: [] },
    }),
};
const LISTS: Readonly<Record<string, (board: Board) => Promise<unknown>>> = {
  snapshot: (b) => b.snapshot(SNAPSHOT),
  tickets: (b) => b.tickets({ status: ['todo', 'done'], project: 'p', limit: 5 }),
  liveRuntimes: (b) => b.liveRuntimes(),
  runtimesOf: (b) => b.runtimesOf({ ticket: 'MC-1', limit: 5 }),
};

it('knows every method of the port', () => {
  const board = httpBoard({ url, token: 't', limits: LIMITS });
  expect([...Object.keys(CALLS), ...Object.keys(LISTS), 'close'].sort()).toEqual(Object.keys(board).sort());
});

it('the contract of a mock is none: it is told so', async () => {
  await expect(meetServer({ url, token: 't', limits: LIMITS }, Date.now)).rejects.toMatchObject({ exit: 78 });
});

it.each(Object.entries(CALLS))('%s: its request is valid, its answer is understood', async (_name, call) => {
  said = '';
  await call(httpBoard({ url, token: 't', limits: LIMITS }));
  expect(said).not.toMatch(/violation/i);
});

it.each(Object.entries(LISTS))(
  '%s: its requests are valid, and it does not go in a circle',
  async (_name, call) => {
    said = '';
    const answer = await call(httpBoard({ url, token: 't', limits: LIMITS })).catch((error: Error) => error);
    if (answer instanceof Error) expect(answer.message).toContain('the same page twice');
    expect(said).not.toMatch(/violation/i);
  },
);
