import { join } from 'node:path';
import { mainCheckout } from '../machine/files.ts';
import type { Places } from '../machine/paths.ts';
import { HANDED_ON, networkOf } from '../model/environment.ts';
import type { AgentProfile, Policy, Project } from '../model/policy.ts';
import { tmuxDir } from '../tmux/dir.ts';
import { runDir } from './dirs.ts';

/** What an environment variable may be called, so that a shell script can set it. */
export const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** So many ports are set aside for each agent. */
const PORTS = 20;
const LAST_PORT = 65_535;

/** What a program needs to know to work beside others like it: where the main checkout is (null = there is none), which number it has among the
 *  living agents of this host, and the first of the ports that are its own. */
export function workplaceEnvironment(
  repo: string,
  of: { readonly slot: number; readonly port_base: number } | null,
): Record<string, string> {
  const main = mainCheckout(repo);
  const port = of === null ? LAST_PORT : of.port_base + of.slot * PORTS;
  return {
    ...(main === null ? {} : { MC_MAIN_CHECKOUT: main }),
    ...(of === null ? {} : { MC_SLOT: String(of.slot) }),
    ...(port + PORTS > LAST_PORT ? {} : { MC_PORT_BASE: String(port) }),
  };
}

/** What the hooks of a project have where there is neither a run nor a ticket. */
export function hookEnvironment(
  project: Pick<Project, 'default_agent' | 'repo'>,
  policy: Pick<Policy, 'agents' | 'default_agent'>,
  places: Places,
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  const name = project.default_agent ?? policy.default_agent ?? '';
  const profile = policy.agents.get(name) ?? { env: {}, pass_env: [] };
  const all = agentEnvironment(profile, places, { run: 'none', ticket: '' }, env);
  const ofRun = /^(MC_(RUN|TICKET|PROMPT)|TMUX_TMPDIR$)/;
  const own = Object.entries(all).filter(([key]) => !ofRun.test(key));
  return { ...Object.fromEntries(own), ...workplaceEnvironment(project.repo, null) };
}

/** The whole environment of an agent: an allow-list, the profile's own names, and what tells it its run. */
export function agentEnvironment(
  profile: Pick<AgentProfile, 'env' | 'pass_env'>,
  places: Places,
  ids: { readonly run: string; readonly ticket: string },
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  const made: Record<string, string> = {};
  const take = (name: string): void => {
    const value = env[name];
    if (value !== undefined && ENV_NAME.test(name)) made[name] = value;
  };
  for (const name of HANDED_ON) take(name);
  Object.assign(made, networkOf(env));
  for (const name of profile.pass_env) take(name);
  made.TERM = 'screen-256color';
  for (const [name, value] of Object.entries(profile.env)) if (ENV_NAME.test(name)) made[name] = value;
  made.PATH = [places.bin, made.PATH ?? env.PATH ?? '/usr/local/bin:/usr/bin:/bin'].join(':');
  const dir = runDir(places.runs, ids.run);
  return {
    ...made,
    MC_RUN_ID: ids.run,
    MC_TICKET_ID: ids.ticket,
    MC_PROMPT_FILE: join(dir, 'prompt.md'),
    MC_RUN_DIR: dir,
    TMUX_TMPDIR: tmuxDir(dir),
    MC_PICKUP_STATE_DIR: places.state,
    MC_PICKUP_CONFIG: places.config,
  };
}
