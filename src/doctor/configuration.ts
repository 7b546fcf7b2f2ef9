import type { Policy } from '../model/policy.ts';
import { type Finding, fail, ok } from './finding.ts';

/** Every complaint about the configuration, each with its line, and what a configuration without any lacks. */
export function configuration(
  { broken, agents, projects }: Policy,
  exists: boolean,
  file: string,
): Finding[] {
  const check = 'configuration';
  if (broken.length > 0)
    return broken.map((says) =>
      says.startsWith('environment: ')
        ? fail(check, says, 'correct that variable, or unset it')
        : fail(check, says, exists ? `edit ${file}` : 'mc-pickup init'),
    );
  if (agents.size === 0 || projects.size === 0)
    return [
      fail(
        check,
        `${file} has ${agents.size === 0 ? 'no agent profile' : 'no project'}`,
        'mc-pickup init --project in a repository; profiles are described in README.md',
      ),
    ];
  return [ok(check, file)];
}
