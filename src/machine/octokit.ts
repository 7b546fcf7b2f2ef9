import { Octokit } from '@octokit/rest';

/** GitHub's own client, which says nothing by itself and asks by this `fetch`. */
export function octokitOf(o: {
  /** Such as `https://api.github.com`. */
  readonly api: string;
  readonly token: string | null;
  readonly fetch: typeof fetch;
}): Octokit {
  const quiet = (): void => undefined;
  return new Octokit({
    ...(o.token === null ? {} : { auth: o.token }),
    baseUrl: o.api.replace(/\/+$/, ''),
    userAgent: 'mc-pickup',
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    request: { fetch: o.fetch },
  });
}

/** An answer whose body was read whole, as the client wants it. */
export function readAnswer({ status, headers, url }: Response, body: Buffer): Response {
  // One without a body may not even have an empty one.
  const made = new Response(body.length === 0 ? null : new Uint8Array(body), { status, headers });
  return Object.defineProperty(made, 'url', { value: url });
}
