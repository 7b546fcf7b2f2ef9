/** What is wrong with an address that something secret goes to, or that is secret itself; null = nothing. It is https, or http on
 *  this machine: a secret never crosses a network in the clear. `query`: one may stand in it. */
export function addressFault(address: string, { query }: { readonly query: boolean }): string | null {
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol)) return 'not an http address';
  if (url.username !== '' || url.password !== '' || (!query && (url.search !== '' || url.hash !== '')))
    return `must be an origin and a path, without a name${query ? ' or a password' : ', a password or a query'}`;
  return url.protocol === 'https:' || isHere(url) ? null : 'http is for this machine alone: use https';
}

/** Whether it is of this machine, by what can be told without asking anybody. */
export function isHere({ hostname }: URL): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/** An address with `hidden` in place of the name and the password in it, where it has any. A password may hold an `@` of its own. */
export function withoutUser(text: string, hidden: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/\s]*@/i, `$1${hidden}@`);
}
