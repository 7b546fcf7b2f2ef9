import { NO_WAY } from '../machine/fetched.ts';
import { fetchOut } from '../machine/outgoing.ts';

/** fetch hides what happened in the cause of its error. The address is in neither: it may be a secret. */
export function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return 'it failed';
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'no answer in time';
  const { cause } = error;
  if (!(cause instanceof Error)) return 'it could not be reached';
  // By its name: it comes from another bundle, which has a class of its own.
  if (cause.name === NO_WAY) return `it could not be reached: ${cause.message}`;
  const code = (cause as NodeJS.ErrnoException).code;
  if (/redirect/.test(cause.message)) return 'it redirects, which is not followed: name where it leads to';
  return `it could not be reached${code === undefined ? '' : ` (${code})`}`;
}

/** Posts, and reads nothing of the answer but its status. Throws where there was none. */
export async function post(
  url: string,
  body: string,
  o: { readonly headers: Readonly<Record<string, string>>; readonly timeout_ms: number },
): Promise<number> {
  const answer = await fetchOut(
    url,
    {
      method: 'POST',
      headers: { 'user-agent': 'mc-pickup', ...o.headers },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(Math.max(1, o.timeout_ms)),
    },
    { of: 'who is notified or pinged' },
  );
  await answer.body?.cancel();
  return answer.status;
}
