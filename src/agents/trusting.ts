import { realOf } from '../machine/files.ts';
import type { AgentKind, Policy } from '../model/policy.ts';
import { adapterOf, type Trust } from './index.ts';

/** What the file of one client says. */
export interface ClientTrust extends Trust {
  readonly kind: AgentKind;
}

/** Where the clients of the profiles say whether they trust a repository, each file once. */
export function clientsTrust(policy: Policy, repo: string, env: NodeJS.ProcessEnv): ClientTrust[] {
  const found = new Map<string, ClientTrust>();
  for (const { kind, env: own } of policy.agents.values()) {
    const trust = adapterOf(kind).trust?.(realOf(repo), { ...env, ...own });
    if (trust !== undefined) found.set(trust.file, { kind, ...trust });
  }
  return [...found.values()];
}
