import { bodyWithin, reasonOf } from '../../machine/fetched.ts';
import { octokitOf, readAnswer } from '../../machine/octokit.ts';
import { fetchOut } from '../../machine/outgoing.ts';
import { type Forge, ForgeError, type PullRequest, type Wanted, webAddress } from './forge.ts';

const CALL_MS = 15_000;
const MAX_BYTES = 4 * 1024 * 1024;
const MOST = 30;

interface Options {
  /** `owner/name` */
  readonly repo: string;
  readonly api_url: string;
  readonly token: string | null;
  readonly now: () => number;
  readonly call_ms?: number;
}

/** GitHub, or a GitHub Enterprise server, by its REST interface. */
export function gitHub(o: Options): Forge {
  const [owner = '', repo = ''] = o.repo.split('/');
  const octokit = octokitOf({ api: o.api_url, token: o.token, fetch: bounded(o.call_ms ?? CALL_MS) });
  // What GitHub's own description says that it gives; Octokit asks for an older name of the same.
  octokit.hook.before('request', (options) => {
    options.headers.accept = 'application/json';
  });
  const at = { owner, repo };
  const same = (a: string | undefined, b: string): boolean => a?.toLowerCase() === b.toLowerCase();
  const find = async ({ branch, head_owner }: Wanted): Promise<PullRequest[]> => {
    const from = head_owner ?? owner;
    const options = { ...at, head: `${from}:${branch}`, state: 'all', per_page: MOST } as const;
    const { data } = await octokit.rest.pulls.list({ ...options, sort: 'created', direction: 'desc' });
    if (!Array.isArray(data)) throw new ForgeError(`${o.api_url} gives no list of pull requests`);
    // A forge that passes over the filter must not make another's work ours: a fork may have a branch of that name. One that was
    // deleted is told by its owner alone.
    const ours = ({ repo: of, label }: (typeof data)[number]['head']): boolean =>
      same(from, owner)
        ? same(of?.full_name, `${owner}/${repo}`)
        : same(of?.full_name.split('/')[0] ?? label?.split(':')[0], from);
    return data.filter((one) => one?.head?.ref === branch && ours(one.head)).map(known);
  };
  return {
    find: (wanted) => asked(() => find(wanted), o),
    open: (wanted) =>
      asked(async () => {
        const { branch, head_owner, base, title, body, draft } = wanted;
        const head = same(head_owner ?? owner, owner) ? branch : `${head_owner}:${branch}`;
        try {
          return known((await octokit.rest.pulls.create({ ...at, head, base, title, body, draft })).data);
        } catch (error) {
          if (statusOf(error) !== 422) throw error;
          const there = (await find(wanted)).find(({ state }) => state === 'open');
          if (there === undefined) throw error;
          return there;
        }
      }, o),
    look: ({ number }) =>
      asked(async () => {
        if (number === null) throw new ForgeError('a pull request on GitHub has a number');
        return known((await octokit.rest.pulls.get({ ...at, pull_number: number })).data);
      }, o),
  };
}

/** No redirect, a bound in time and one in size: what answers is not trusted to be GitHub. */
function bounded(call_ms: number): typeof fetch {
  return async (input, init) => {
    const answer = await fetchOut(new URL(input instanceof Request ? input.url : input), {
      ...init,
      redirect: 'error',
      signal: AbortSignal.timeout(call_ms),
    });
    const body = await bodyWithin(answer, MAX_BYTES);
    if (body === null) throw new Error(`the answer is larger than ${MAX_BYTES} bytes`);
    return readAnswer(answer, body);
  };
}

interface Given {
  readonly number?: unknown;
  readonly html_url?: unknown;
  readonly state?: unknown;
  readonly merged_at?: unknown;
  readonly head?: { readonly sha?: unknown } | null;
}

/** An answer as far as it is needed; one that is something else is an error, never a guess. */
function known(given: Given): PullRequest {
  const { number, html_url, state, merged_at, head } = given ?? {};
  const url = webAddress(html_url);
  if (typeof number !== 'number' || url === null || (state !== 'open' && state !== 'closed'))
    throw new ForgeError('the answer is no pull request');
  const sha = typeof head?.sha === 'string' ? head.sha : null;
  const merged = state === 'closed' && typeof merged_at === 'string';
  return { number, url, state: merged ? 'merged' : state, head: sha };
}

async function asked<T>(work: () => Promise<T>, o: Options): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ForgeError) throw error;
    const status = statusOf(error);
    const why = reasonOf(error);
    if (status === null) throw new ForgeError(`${o.api_url} cannot be reached (${why})`);
    const until_ms = limitOf(error, o.now());
    if (until_ms !== null) throw new ForgeError(`${o.api_url}: the rate limit is reached`, until_ms);
    if (status === 401)
      throw new ForgeError(
        `${o.api_url} refuses the token (401): look at token_env or token_file of the review`,
      );
    if (status === 404)
      throw new ForgeError(
        `${o.api_url} has no ${o.repo} that this token may see (404), or no such pull request`,
      );
    throw new ForgeError(`${o.api_url} answered ${status}: ${why}`);
  }
}

function statusOf(error: unknown): number | null {
  const status = (error as { readonly status?: unknown }).status;
  // Octokit tells a fetch that failed as a status of 500 without an answer.
  const answered = (error as { readonly response?: unknown }).response !== undefined;
  return typeof status === 'number' && answered ? status : null;
}

/** When a limit that was told ends; null = it is none. */
function limitOf(error: unknown, now_ms: number): number | null {
  const { status, response } = error as {
    readonly status?: number;
    readonly response?: { readonly headers?: Readonly<Record<string, unknown>> };
  };
  if (status !== 403 && status !== 429) return null;
  const headers = response?.headers ?? {};
  const after = Number(headers['retry-after'] ?? Number.NaN);
  if (Number.isFinite(after) && after >= 0) return now_ms + Math.min(after, 86_400) * 1000;
  const reset = Number(headers['x-ratelimit-reset'] ?? Number.NaN);
  if (String(headers['x-ratelimit-remaining']) === '0' && Number.isFinite(reset))
    return Math.min(Math.max(reset * 1000, now_ms), now_ms + 86_400_000);
  return status === 429 ? now_ms + 60_000 : null;
}
