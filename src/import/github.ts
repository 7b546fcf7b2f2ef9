import { bodyWithin, reasonOf } from '../machine/fetched.ts';
import { octokitOf, readAnswer } from '../machine/octokit.ts';
import { fetchOut } from '../machine/outgoing.ts';
import { wrongName } from '../model/name.ts';
import { oneLine } from '../model/text.ts';
import { Fault, type Found, type Raw } from './row.ts';

export interface Forge {
  /** Such as `https://api.github.com`. */
  readonly api: string;
  readonly owner: string;
  readonly repo: string;
  readonly token: string | null;
  readonly labels: readonly string[];
  /** At most so many issues. */
  readonly limit: number;
}

const ANSWER_MS = 20_000;
const MAX_BYTES = 32 * 1024 * 1024;
const API = '2022-11-28';
const PER_PAGE = 100;
/** Pull requests come among the issues, so pages are bounded apart from what is wanted of them. */
const MAX_PAGES = 200;

/** What stands before the names of this forge: `github:` alone is GitHub's own, whoever calls a server so. */
export function forgeSpace(api: string): string {
  const { host } = new URL(api);
  return host === 'api.github.com' ? 'github:' : `github:${host}/`;
}

/** The open issues of a repository, the oldest first; pull requests are left out. */
export async function readGithub(forge: Forge): Promise<Found> {
  const { api, owner, repo, token, labels, limit } = forge;
  const octokit = octokitOf({ api, token, fetch: fetchWithin(forge) });
  const raws: Raw[] = [];
  const warnings: string[] = [];
  let pages = 0;
  try {
    const wish = {
      owner,
      repo,
      state: 'open',
      sort: 'created',
      direction: 'asc',
      per_page: PER_PAGE,
      headers: { accept: 'application/vnd.github+json, application/json', 'x-github-api-version': API },
    } as const;
    const found = octokit.paginate.iterator(octokit.rest.issues.listForRepo, {
      ...wish,
      ...(labels.length === 0 ? {} : { labels: labels.join(',') }),
    });
    for await (const { data } of found) {
      if (!Array.isArray(data)) throw new Fault(69, `${api} does not answer as GitHub does`);
      for (const issue of data as unknown[]) {
        const raw = rawOf(issue, forge, warnings);
        if (raw === null) continue;
        if (raws.length < limit) raws.push(raw);
        else
          return {
            raws,
            warnings: [...warnings, `more than ${limit} issues: the rest is left out (--limit)`],
          };
      }
      pages += 1;
      if (pages === MAX_PAGES) {
        warnings.push(`more than ${MAX_PAGES} pages: the rest is left out`);
        break;
      }
    }
  } catch (error) {
    throw faultOf(error, forge);
  }
  return { raws, warnings };
}

interface Issue {
  readonly number: number;
  readonly title: string;
  readonly body?: string | null;
  readonly user?: { readonly login?: string } | null;
  readonly labels?: readonly (string | { readonly name?: string | null })[];
  readonly assignees?: readonly { readonly login?: string }[] | null;
  readonly pull_request?: unknown;
  readonly created_at?: string;
  readonly updated_at?: string;
}

function rawOf(value: unknown, { api, owner, repo }: Forge, warnings: string[]): Raw | null {
  const issue = value as Issue | null;
  if (typeof issue !== 'object' || issue === null || !Number.isSafeInteger(issue.number))
    throw new Fault(69, `${api} does not answer as GitHub does: an issue without a number`);
  if (issue.pull_request != null) return null;
  const where = `${owner}/${repo}#${issue.number}`;
  const names = (issue.labels ?? []).flatMap((one) => (typeof one === 'string' ? one : (one.name ?? [])));
  // Nobody who imports can mend a label of somebody else's repository.
  const bad = names.filter((one) => wrongName(one) !== null);
  if (bad.length > 0) warnings.push(`${where}: left out labels: ${oneLine(bad.join(', '), 100)}`);
  return {
    ...{ where, id: String(issue.number), own: false },
    source: `${forgeSpace(api)}${owner.toLowerCase()}/${repo.toLowerCase()}#${issue.number}`,
    fields: {
      title: issue.title,
      body: issue.body ?? '',
      author: issue.user?.login ?? 'ghost',
      owner: issue.assignees?.[0]?.login,
      labels: names.filter((one) => !bad.includes(one)),
      priority: priorityIn(names),
      created_at: issue.created_at,
      updated_at: issue.updated_at,
    },
  };
}

/** `P1`, `priority: 1`, `priority/p1`: the most urgent counts. */
function priorityIn(labels: readonly string[]): number | undefined {
  const found = labels.flatMap((one) => /^(?:priority[\s:/-]*)?p?([0-4])$/i.exec(one)?.[1] ?? []);
  return found.length === 0 ? undefined : Math.min(...found.map(Number));
}

/** fetch to this one origin, bounded in time and size. A page that leads elsewhere would take the token along. */
function fetchWithin({ api, owner, repo }: Forge): typeof fetch {
  const { origin } = new URL(api);
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.origin !== origin) throw new Fault(69, `${api} leads to ${url.origin}, which is not followed`);
    const signal = AbortSignal.timeout(ANSWER_MS);
    const answer = await fetchOut(url, { ...init, redirect: 'manual', signal });
    if (answer.status >= 300 && answer.status < 400)
      throw new Fault(2, `${owner}/${repo} has moved: name it as it is called now`);
    const body = await bodyWithin(answer, MAX_BYTES);
    if (body === null) throw new Fault(69, `an answer of ${api} is larger than ${MAX_BYTES} bytes`);
    return readAnswer(answer, body);
  };
}

interface Refused extends Error {
  readonly status: number;
  readonly response?: { readonly headers: Readonly<Record<string, string | undefined>> };
}

/** What a person has to do about it. */
function faultOf(error: unknown, { api, owner, repo, token }: Forge): unknown {
  if (error instanceof Fault) return error;
  if (!(error instanceof Error) || !('status' in error)) return error;
  if (error.cause instanceof Fault) return error.cause;
  const { status, response, message } = error as Refused;
  if (response === undefined)
    return new Fault(69, `${api} cannot be reached (${oneLine(reasonOf(error), 200)})`);
  const { headers } = response;
  const limited = headers['x-ratelimit-remaining'] === '0' || headers['retry-after'] !== undefined;
  if (status === 429 || (status === 403 && limited))
    return new Fault(
      75,
      `${api} takes no more requests ${until(headers)}${token === null ? '; with a token in GITHUB_TOKEN it takes more' : ''}`,
    );
  if (status === 401)
    return new Fault(
      78,
      `${api} refuses the token (401): put one that is valid into GITHUB_TOKEN or GH_TOKEN`,
    );
  if (status === 403)
    return new Fault(78, `${api} refuses ${owner}/${repo} (403): the token needs to read its issues`);
  if (status === 404 || status === 410)
    return new Fault(
      2,
      `${api} knows no issues of ${owner}/${repo} (${status}): look at its name; a private one needs a token in GITHUB_TOKEN`,
    );
  return new Fault(status >= 500 ? 69 : 78, `${api} answered ${status}: ${oneLine(message, 200)}`);
}

function until(headers: Readonly<Record<string, string | undefined>>): string {
  const after = Number(headers['retry-after'] ?? Number.NaN);
  const reset = Number(headers['x-ratelimit-reset'] ?? Number.NaN);
  const ms = Number.isFinite(after) ? Date.now() + after * 1000 : reset * 1000;
  if (!Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return 'now (rate limit): try again later';
  return `before ${new Date(ms).toISOString().replace(/\.\d+Z/, 'Z')} (rate limit): try again then`;
}
