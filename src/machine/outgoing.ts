/*
 * How this program asks other machines: by the proxy and the certificates of the environment. What that takes is loaded when there is a
 * proxy, or when somebody's certificate is signed by nobody that Node knows: most machines pay nothing for it.
 */
import { isHere } from '../model/address.ts';
import { isMistrust } from './fetched.ts';
import { hearTime } from './heard.ts';

type Init = Omit<RequestInit, 'dispatcher'>;

/** fetch, as this machine reaches others. Throws as `fetch` does; where the way there was at fault, the cause is a `NoWay`. `of`: who it is
 *  for people, where the address itself may be a secret; null = it has the clock of this machine. */
export async function fetchOut(
  url: string | URL,
  init: Init,
  { env = process.env, of }: { readonly env?: NodeJS.ProcessEnv; readonly of?: string | null } = {},
): Promise<Response> {
  const answer = await asked(new URL(url), init, env);
  if (of !== null) hearTime(answer.headers, of ?? new URL(url).host, Date.now());
  return answer;
}

async function asked(url: URL, init: Init, env: NodeJS.ProcessEnv): Promise<Response> {
  const special = async () => (await import('./proxied.ts')).fetchBy(url, init, env);
  // Node itself knows proxies where it is told so, and would ask this machine by them too.
  const direct = isHere(url) && !env.NODE_USE_ENV_PROXY;
  if ((hasProxy(env) && !direct) || own.trust) return special();
  try {
    return await fetch(url, init);
  } catch (error) {
    // Nothing was sent yet: who answers was not known.
    if (!isMistrust(error)) throw error;
    const answer = await special();
    own.trust = true;
    return answer;
  }
}

/** Whether Node's own certificates have been found not to do here. */
const own = { trust: false };

function hasProxy(env: NodeJS.ProcessEnv): boolean {
  return ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'].some((name) => env[name] || env[name.toLowerCase()]);
}
