import type { Policy } from '../../model/policy.ts';
import type { Ready } from '../../model/ready.ts';
import type { Switch } from '../../model/world.ts';

/** What a ticket can be launched in and by, but for the tickets' own state: closed projects and profiles are left out. */
export function readyOf(policy: Policy, only: string | null, switches: readonly Switch[]): Ready {
  const open = (kind: 'project' | 'agent', name: string): boolean =>
    !switches.some(({ scope }) => scope === '*' || scope === `${kind}:${name}`);
  const projects = [...policy.projects.values()].filter(
    ({ name }) => (only === null || name === only) && open('project', name),
  );
  const agents = [...policy.agents.values()].filter(({ name }) => open('agent', name));
  return {
    authors: policy.trusted_authors,
    max_attempts: policy.limits.max_attempts,
    projects: Object.fromEntries(
      projects.map(({ name, max_agents, default_agent }) => [
        name,
        { max_agents, agent: default_agent ?? policy.default_agent },
      ]),
    ),
    agents: Object.fromEntries(agents.map(({ name, max_agents }) => [name, { max_agents }])),
  };
}

/** Whether anything is limited by what was used. */
export function budgeted({ limits }: Policy): boolean {
  const { max_usd_per_day, max_usd_per_ticket, max_tokens_per_day, max_tokens_per_ticket } = limits;
  return [max_usd_per_day, max_usd_per_ticket, max_tokens_per_day, max_tokens_per_ticket].some(
    (one) => one !== null,
  );
}
