import { accessSync, constants, existsSync } from 'node:fs';
import { maxLiving, type Policy } from '../model/policy.ts';
import type { Complaint } from './load.ts';
import { locator } from './locate.ts';

/** What can be used, and is hardly meant: what it names is not there, or one key undoes another. A tick asks none of it. */
export function warningsOf(policy: Policy, text: string, env: NodeJS.ProcessEnv): Complaint[] {
  const placeOf = locator(text);
  const found = [...livingWarning(policy), ...caWarning(policy, env), ...repoWarnings(policy)];
  return found.map(({ path, says }) => ({ ...placeOf(path), key: path.join('.'), says }));
}

interface Told {
  readonly path: readonly string[];
  readonly says: string;
}

function livingWarning({ limits }: Policy): Told[] {
  if (maxLiving(limits) >= limits.max_agents) return [];
  const says = `is ${limits.max_living}, and max_agents ${limits.max_agents}: no more than ${limits.max_living} agents are ever at work`;
  return [{ path: ['limits', 'max_living'], says }];
}

/** The certificates that are trusted as well, by the configuration or by the variable that goes before it. */
export function caWarning({ network }: Pick<Policy, 'network'>, env: NodeJS.ProcessEnv): Told[] {
  const file = env.NODE_EXTRA_CA_CERTS;
  if (!file || !network.includes('NODE_EXTRA_CA_CERTS')) return [];
  try {
    accessSync(file, constants.R_OK);
    return [];
  } catch {
    return [
      {
        path: ['network', 'ca_file'],
        says: `${file} cannot be read: put the certificates there, or take the key out`,
      },
    ];
  }
}

function repoWarnings({ projects }: Policy): Told[] {
  return [...projects.values()]
    .filter(({ repo }) => !existsSync(repo))
    .map(({ name, repo }) => ({ path: ['project', name, 'repo'], says: `${repo} is not there` }));
}
