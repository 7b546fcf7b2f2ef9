/*
 * A stand-in for a forge on loopback: as much of GitHub's REST interface for pull requests as is used, with a state, over a
 * real bare repository. It refuses what GitHub refuses, and can be told to misbehave.
 */
import { spawnSync } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface Fault {
  /** `GET` or `POST`; absent = both. */
  readonly method?: 'GET' | 'POST';
  readonly times: number;
  readonly kind:
    | 'reset' // the connection is closed before anything is done
    | 'reset-after' // it is done, and the answer is lost
    | 'hold-after' // it is done, and no answer ever comes
    | 'html'
    | 'redirect'
    | 'limit' // 403 with the headers of a limit
    | 'late' // the pull request is not listed yet
    | 401
    | 404
    | 500;
}

export interface Pull {
  readonly number: number;
  /** Whose repository the branch is in. */
  readonly owner: string;
  readonly branch: string;
  readonly base: string;
  readonly title: string;
  readonly body: string;
  readonly draft: boolean;
  state: 'open' | 'closed';
  merged: boolean;
  sha: string;
}

/** A request that was carried out, or refused: `POST /repos/ann/shop/pulls 201`. */
export type Request = string;

export class Forge {
  readonly token = 'forge-token-1';
  readonly repo = 'ann/shop';
  readonly bare: string;
  readonly pulls: Pull[] = [];
  /** Forks of it, by their owners: bare repositories; null = one that was deleted since. */
  readonly forks = new Map<string, string | null>();
  /** A pull request of another repository that is shown among ours. */
  stranger: { readonly repo: string; readonly branch: string } | null = null;
  readonly requests: Request[] = [];
  url = '';
  /** Requests wait for this before they are answered. */
  #held: { readonly asked: () => void; readonly free: Promise<void> } | null = null;
  readonly #server: Server;
  #faults: (Fault & { left: number })[] = [];

  /** `dir`: where its bare repository is made, as the remote `origin` of the repository `from`. */
  static async start(dir: string, from: string): Promise<Forge> {
    const forge = new Forge(join(dir, 'forge.git'));
    const git = (...args: string[]): void => {
      const done = spawnSync('git', args, { encoding: 'utf8' });
      if (done.status !== 0) throw new Error(`git ${args.join(' ')}: ${done.stderr}`);
    };
    git('init', '-q', '--bare', '-b', 'main', forge.bare);
    git('-C', from, 'remote', 'add', 'origin', forge.bare);
    git('-C', from, 'push', '-q', 'origin', 'main');
    await new Promise<void>((up) => forge.#server.listen(0, '127.0.0.1', up));
    forge.url = `http://127.0.0.1:${(forge.#server.address() as AddressInfo).port}`;
    return forge;
  }

  private constructor(bare: string) {
    this.bare = bare;
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch(() => response.destroy());
    });
  }

  fail(fault: Fault): void {
    this.#faults.push({ ...fault, left: fault.times });
  }

  /** Holds the answer to the next request until `go`; `asked` tells that there was one. */
  hold(): { readonly asked: Promise<void>; readonly go: () => void } {
    let go = (): void => undefined;
    let told = (): void => undefined;
    const free = new Promise<void>((done) => {
      go = done;
    });
    const asked = new Promise<void>((done) => {
      told = done;
    });
    this.#held = { asked: told, free };
    return { asked, go };
  }

  /** It is itself again. */
  mend(): void {
    this.#faults = [];
  }

  /** As a person presses the button: the base gets the commits. */
  merge(number: number): void {
    const pull = this.#pull(number);
    if (this.git('update-ref', `refs/heads/${pull.base}`, pull.sha).status !== 0)
      throw new Error('not merged');
    pull.state = 'closed';
    pull.merged = true;
  }

  close(number: number): void {
    this.#pull(number).state = 'closed';
  }

  reopen(number: number): void {
    this.#pull(number).state = 'open';
  }

  /** The commit that a branch has there; '' = there is no such branch. */
  tip(branch: string): string {
    return this.git('rev-parse', '--verify', '--quiet', `refs/heads/${branch}`).stdout.trim();
  }

  branches(): string[] {
    return this.git('for-each-ref', '--format=%(refname:short)', 'refs/heads').stdout.trim().split('\n');
  }

  git(...args: string[]) {
    return spawnSync('git', ['-C', this.bare, ...args], { encoding: 'utf8' });
  }

  /** A fork of it; where it is. */
  fork(owner: string): string {
    const bare = `${this.bare}-${owner}`;
    const done = spawnSync('git', ['clone', '-q', '--bare', this.bare, bare], { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(done.stderr);
    this.forks.set(owner, bare);
    return bare;
  }

  /** The commit of somebody's branch; where it is not ours, it is fetched, as a forge does it. */
  #tipOf(owner: string, branch: string): string {
    if (owner === 'ann') return this.tip(branch);
    const bare = this.forks.get(owner) ?? null;
    if (bare === null) return '';
    const ref = `refs/forks/${owner}/${branch}`;
    this.git('fetch', '-q', bare, `+refs/heads/${branch}:${ref}`);
    return this.git('rev-parse', '--verify', '--quiet', ref).stdout.trim();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  #pull(number: number): Pull {
    const pull = this.pulls[number - 1];
    if (pull === undefined) throw new Error(`no pull request ${number}`);
    return pull;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    let text = '';
    for await (const part of request) text += part;
    const method = request.method ?? '';
    if (this.#held !== null) {
      this.#held.asked();
      await this.#held.free;
      this.#held = null;
    }
    const fault = this.#faults.find((one) => one.left > 0 && (one.method ?? method) === method);
    if (fault !== undefined) fault.left -= 1;
    const give = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
      this.requests.push(`${method} ${url.pathname} ${status}`);
      if (fault?.kind === 'reset-after') return void response.destroy();
      if (fault?.kind === 'hold-after') return;
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
      response.end(JSON.stringify(body));
    };
    const kind = fault?.kind;
    if (kind === 'reset') return void response.destroy();
    if (kind === 'html') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Hello');
    if (kind === 'redirect') return give(302, {}, { location: `${this.url}/elsewhere` });
    if (kind === 'limit') {
      const reset = String(Math.floor(Date.now() / 1000) + 3600);
      return give(
        403,
        { message: 'API rate limit exceeded' },
        { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset },
      );
    }
    if (typeof kind === 'number') return give(kind, { message: `told to fail with ${kind}` });
    const { authorization } = request.headers;
    if (authorization !== `token ${this.token}` && authorization !== `Bearer ${this.token}`)
      return give(401, { message: 'Bad credentials' });
    const [, rest] = new RegExp(`^/repos/${this.repo}/pulls(?:/(\\d+))?$`).exec(url.pathname) ?? [null];
    if (rest === null) return give(404, { message: 'Not Found' });
    if (method === 'GET' && rest !== undefined) {
      const pull = this.pulls[Number(rest) - 1];
      return pull === undefined ? give(404, { message: 'Not Found' }) : give(200, this.#shape(pull));
    }
    if (method === 'GET') {
      const head = url.searchParams.get('head');
      const state = url.searchParams.get('state') ?? 'open';
      const found = this.pulls.filter(
        (one) =>
          (head === null || head === `${one.owner}:${one.branch}`) &&
          (state === 'all' || one.state === state),
      );
      return give(
        200,
        kind === 'late' ? [] : [...this.#strange(), ...found.map((one) => this.#shape(one))].reverse(),
      );
    }
    if (method === 'POST' && rest === undefined) return this.#open(JSON.parse(text), give);
    give(404, { message: 'Not Found' });
  }

  /** What a forge shows that passes over the filter by owner. */
  #strange(): object[] {
    if (this.stranger === null) return [];
    const { repo, branch } = this.stranger;
    const pull = {
      number: 77,
      owner: 'ann',
      branch,
      base: 'main',
      title: 'x',
      body: '',
      draft: false,
      sha: '0'.repeat(40),
    };
    const shape = this.#shape({ ...pull, state: 'closed', merged: false }) as { head: object };
    const html_url = `https://forge.example/${repo}/pull/77`;
    return [{ ...shape, state: 'open', html_url, head: { ...shape.head, repo: { full_name: repo } } }];
  }

  #open(asked: Record<string, unknown>, give: (status: number, body: unknown) => void): void {
    const { head, base, title, body = '', draft = false } = asked;
    const invalid = (message: string): void =>
      give(422, { message: 'Validation Failed', errors: [{ resource: 'PullRequest', message }] });
    if (typeof head !== 'string' || typeof base !== 'string' || typeof title !== 'string')
      return invalid('head, base and title are needed');
    const [branch = '', owner = 'ann'] = head.split(':').reverse();
    const sha = this.#tipOf(owner, branch);
    if (sha === '') return invalid('head is invalid');
    if (this.git('rev-list', '--count', `${base}..${sha}`).stdout.trim() === '0')
      return invalid(`No commits between ${base} and ${branch}`);
    const same = (one: Pull): boolean => one.owner === owner && one.branch === branch && one.base === base;
    if (this.pulls.some((one) => one.state === 'open' && same(one)))
      return invalid(`A pull request already exists for ${owner}:${branch}.`);
    const number = this.pulls.length + 1;
    const pull: Pull = {
      ...{ number, owner, branch, base, title, sha, state: 'open', merged: false },
      ...{ body: String(body), draft: draft === true },
    };
    this.pulls.push(pull);
    give(201, this.#shape(pull));
  }

  #shape(pull: Pull): object {
    // An open one follows its branch.
    if (pull.state === 'open') pull.sha = this.#tipOf(pull.owner, pull.branch) || pull.sha;
    const { number, title, body, draft, state, sha, owner, branch, base, merged } = pull;
    const name = owner === 'ann' ? this.repo : `${owner}/shop-fork`;
    const gone = this.forks.get(owner) === null;
    return {
      ...{ number, title, body, draft, state, merged },
      html_url: `https://forge.example/${this.repo}/pull/${number}`,
      merged_at: merged ? '2026-01-01T00:00:00Z' : null,
      head: { ref: branch, sha, label: `${owner}:${branch}`, repo: gone ? null : { full_name: name } },
      base: { ref: base },
    };
  }
}
