/** GitHub Issues: against a mock that Prism makes of GitHub's own description, and, for pages and errors, against a server
 *  that says what GitHub says then. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { githubDescription } from '../support/github/description.ts';
import { makeSandbox, type Ran, type Sandbox, until } from '../support/sandbox.ts';

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(() => box.destroy());

const bring = (url: string, ...more: string[]): Promise<Ran> =>
  box.start(['ticket', 'import', '--repo', 'Ann/Shop', '--api-url', url, ...more], {
    GITHUB_TOKEN: 'secret-token',
  });
const table = (): Record<string, unknown>[] =>
  box.sql(
    'SELECT title, body, priority, labels, owner, author, trusted, source, created_at_ms FROM tickets ORDER BY seq',
  );

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((up) => probe.listen(0, '127.0.0.1', up));
  const { port } = probe.address() as AddressInfo;
  await new Promise((down) => probe.close(down));
  return port;
}

interface Described {
  readonly paths: Readonly<
    Record<
      string,
      { readonly get?: { readonly responses: { readonly 200: { headers: Record<string, unknown> } } } }
    >
  >;
}

it("a request is what GitHub's own description asks for, and its example answer is understood", async (context) => {
  let description: string;
  try {
    description = githubDescription();
  } catch (error) {
    if (process.env.CI) throw error;
    return context.skip(
      `GitHub's description cannot be had: ${error instanceof Error ? error.message : error}`,
    );
  }
  // The whole of it takes Prism longer to read than the rest of this file takes: the one path is left as it is.
  const whole = JSON.parse(readFileSync(description, 'utf8')) as Described;
  const path = '/repos/{owner}/{repo}/issues';
  const { get } = whole.paths[path] ?? {};
  if (get === undefined) throw new Error(`the description has no ${path}`);
  // Its example of a next page is GitHub's own: no test goes there (and no import: it is another origin).
  const { Link: _, ...headers } = get.responses['200'].headers;
  get.responses['200'].headers = headers;
  const file = join(box.dir, 'github.json');
  writeFileSync(file, JSON.stringify({ ...whole, paths: { [path]: { get } } }));
  const port = await freePort();
  let said = '';
  const mock: ChildProcess = spawn(
    'node_modules/.bin/prism',
    ['mock', '--errors', '--host', '127.0.0.1', '--port', String(port), file],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const gone = new Promise((end) => mock.once('exit', end));
  for (const stream of [mock.stdout, mock.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  try {
    expect(await until(() => said.includes('Prism is listening')), said).toBe(true);
    const done = await bring(`http://127.0.0.1:${port}`, '--only', 'bug');
    expect(said).toContain('get /repos/Ann/Shop/issues');
    expect(said).not.toMatch(/violation|error/i);
    expect(done.code, done.err).toBe(0);
    // The example of the description is a pull request, which is no issue.
    expect(done.out).toContain('0 added');
  } finally {
    mock.kill();
    await gone;
  }
});

describe('a server', () => {
  let server: Server;
  let url = '';
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  const asked: { path: string; token: string | undefined }[] = [];
  beforeEach(async () => {
    asked.length = 0;
    server = createServer((request, response) => {
      asked.push({ path: request.url ?? '', token: request.headers.authorization });
      answer(request, response);
    });
    await new Promise<void>((up) => server.listen(0, '127.0.0.1', up));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v3`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((down) => server.close(down));
  });

  const issue = (number: number, over: object = {}): object => ({
    ...{
      number,
      title: `Issue ${number}`,
      body: `What ${number} is about.`,
      user: { login: 'bob' },
      labels: [],
    },
    ...{ assignees: [], created_at: '2026-01-02T03:04:05Z', updated_at: '2026-01-02T03:04:05Z' },
    ...over,
  });
  const give = (
    response: ServerResponse,
    status: number,
    body: unknown,
    headers: Record<string, string> = {},
  ): void => {
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
    response.end(JSON.stringify(body));
  };
  /** Pages of what there is, with the links that lead on. */
  const pages = (all: readonly object[]) => (request: IncomingMessage, response: ServerResponse) => {
    const { searchParams } = new URL(request.url ?? '', url);
    const page = Number(searchParams.get('page') ?? 1);
    const size = Number(searchParams.get('per_page'));
    const more = page * size < all.length;
    const next = `<${url}/repositories/1/issues?per_page=${size}&page=${page + 1}>; rel="next"`;
    give(response, 200, all.slice((page - 1) * size, page * size), more ? { link: next } : {});
  };

  it('gives its open issues page by page, without pull requests, once', async () => {
    const all = Array.from({ length: 250 }, (_, n) => issue(n + 1, n % 10 === 0 ? { pull_request: {} } : {}));
    answer = pages(all);
    const first = await bring(url);
    expect(first.code, first.err).toBe(0);
    expect(first.out).toContain('225 added');
    expect(asked.map(({ path }) => new URL(path, url).searchParams.get('page'))).toEqual([null, '2', '3']);
    expect(asked[0]?.path).toContain('/api/v3/repos/Ann/Shop/issues?state=open');
    expect(new Set(asked.map(({ token }) => token))).toEqual(new Set(['token secret-token']));
    expect((await bring(url)).out).toContain('0 added, 225 there already');
    all.push(issue(999));
    expect((await bring(url)).out).toContain('1 added, 225 there already');
  });

  it('gives each issue with its author, its labels, who has it, and how urgent it is', async () => {
    answer = pages([
      issue(7, {
        ...{ title: 'A\u001b[2J\u202e title', body: null, user: null, assignees: [{ login: 'ann' }] },
        labels: [{ name: 'bug' }, 'priority: 1', { name: 'a\u200db' }, { name: null }],
      }),
    ]);
    const done = await bring(url);
    expect(done.err).toContain('Ann/Shop#7: left out labels');
    const { host } = new URL(url);
    expect(table()).toEqual([
      {
        ...{
          title: 'A[2J title',
          body: '',
          priority: 1,
          labels: '["bug","priority: 1"]',
          owner: 'ann',
          trusted: 0,
        },
        ...{ author: `github:${host}/ghost`, source: `github:${host}/ann/shop#7` },
        created_at_ms: Date.UTC(2026, 0, 2, 3, 4, 5),
      },
    ]);
  });

  it('is asked for no more than --limit, and for those with a label', async () => {
    answer = pages(Array.from({ length: 150 }, (_, n) => issue(n + 1, { labels: ['x'] })));
    const done = await bring(url, '--limit', '5', '--only', 'x');
    expect(done.out).toContain('5 added');
    expect(done.err).toContain('more than 5 issues');
    expect(asked).toHaveLength(1);
    expect(asked[0]?.path).toContain('labels=x');
  });

  it.each([
    [
      'a limit with its reset',
      403,
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1900000000' },
      75,
      'before 2030-03-17T17:46:40Z',
    ],
    ['a limit with a wait', 429, { 'retry-after': '60' }, 75, 'before 20'],
    ['a secondary limit', 403, { 'retry-after': '60' }, 75, 'rate limit'],
    ['a limit that does not say when', 429, {}, 75, 'try again later'],
    ['a wrong token', 401, {}, 78, 'GITHUB_TOKEN'],
    ['a token that may not', 403, {}, 78, 'needs to read its issues'],
    ['no such repository', 404, {}, 2, 'private one needs a token'],
    ['a repository without issues', 410, {}, 2, 'look at its name'],
    ['a repository that has moved', 301, { location: 'http://127.0.0.1:9/x' }, 2, 'has moved'],
    ['trouble', 502, {}, 69, 'answered 502'],
  ])('that answers %s is believed, and nothing comes in', async (_, status, headers, code, says) => {
    answer = (__, response) =>
      give(response, status, { message: 'told to' }, headers as Record<string, string>);
    const done = await bring(url);
    expect(done.err).toContain(says);
    expect(done.err).not.toContain('secret-token');
    expect(done).toMatchObject({ code, out: '' });
  });

  it.each([
    [
      'a page elsewhere',
      (r: ServerResponse) => give(r, 200, [issue(1)], { link: '<http://127.0.0.1:9/next>; rel="next"' }),
      'is not followed',
    ],
    ['no list', (r: ServerResponse) => give(r, 200, { hello: 1 }), 'does not answer as GitHub does'],
    ['no issues', (r: ServerResponse) => give(r, 200, [null]), 'does not answer as GitHub does'],
    ['too much', (r: ServerResponse) => give(r, 200, ['x'.repeat(33 * 1024 * 1024)]), 'larger than'],
    ['a closed connection', (r: ServerResponse) => r.destroy(), 'cannot be reached'],
  ])('that answers with %s is left at once, and the token stays here', async (_, respond, says) => {
    answer = (__, response) => void respond(response);
    const done = await bring(url);
    expect(done.err).toContain(says);
    expect(done).toMatchObject({ code: 69, out: '' });
    expect(asked).toHaveLength(1);
  });

  it('is asked without a token where there is none, and is not there where nobody listens', async () => {
    answer = pages([issue(1)]);
    const args = ['ticket', 'import', '--from', 'github', '--repo', 'ann/shop', '--api-url', url];
    expect((await box.start(args)).code).toBe(0);
    expect(asked[0]?.token).toBeUndefined();
    const nobody = await bring(`http://127.0.0.1:${await freePort()}`);
    expect(nobody).toMatchObject({ code: 69, out: '' });
  });
});
