import type { Policy } from '../model/policy.ts';
import { many } from '../model/text.ts';
import { boardComplaint } from './board.ts';
import { type Complaint, loadPolicy } from './load.ts';
import type { Text } from './read.ts';

export interface Checked {
  readonly policy: Policy;
  readonly complaints: readonly Complaint[];
}

/** All that is wrong with a text as the configuration `file`: what a tick complains of, and what every command does that needs
 *  the board. */
export function checkConfiguration(file: string, env: NodeJS.ProcessEnv, read: Text): Checked {
  const { policy, complaints } = loadPolicy(file, env, read);
  const told = complaints.some(({ key }) => key === null || /^board\b/.test(key));
  const board = told || read.missing ? null : boardComplaint(file, read.text, env);
  return { policy, complaints: board === null ? complaints : [...complaints, board] };
}

/** `2 projects, 1 profile`. */
export function summary({ projects, agents }: Policy): string {
  return `${many(projects.size, 'project')}, ${many(agents.size, 'profile')}`;
}
