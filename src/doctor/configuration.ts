import { caWarning } from '../config/warnings.ts';
import type { Policy } from '../model/policy.ts';
import { about, type Finding } from './finding.ts';

/** Every complaint about the configuration, each with its line, and what a configuration without any lacks. */
export function configuration(
  { broken, agents, projects, network }: Policy,
  exists: boolean,
  file: string,
  env: NodeJS.ProcessEnv,
): Finding[] {
  const { ok, warn, fail } = about('configuration');
  if (broken.length > 0)
    return broken.map((says) =>
      says.startsWith('environment: ')
        ? fail(says, 'correct that variable, or unset it')
        : fail(says, exists ? `edit ${file}` : 'mc-pickup init'),
    );
  if (agents.size === 0 || projects.size === 0)
    return [
      fail(
        `${file} has ${agents.size === 0 ? 'no agent profile' : 'no project'}`,
        'mc-pickup init --project in a repository; profiles are described in README.md',
      ),
    ];
  const odd = caWarning({ network }, env);
  return odd.length === 0
    ? [ok(file)]
    : odd.map(({ path, says }) => warn(`${path.join('.')}: ${says}`, `edit ${file}`));
}
