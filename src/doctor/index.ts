import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { agentFindings } from './agents.ts';
import { lookAtBoard } from './board.ts';
import { configuration } from './configuration.ts';
import { diskFindings } from './disk.ts';
import { type Look, looked, type Topic, type TopicFinding } from './finding.ts';
import { holdFindings } from './holds.ts';
import { leftoverFindings } from './leftovers.ts';
import { machineFindings } from './machine.ts';
import { notifyFindings } from './notify.ts';
import { programs } from './programs.ts';
import { projectFindings } from './projects.ts';
import { runDirFindings } from './run-dirs.ts';
import { serverFindings } from './server.ts';
import { settingFindings } from './settings.ts';
import { stateFindings } from './state.ts';
import { tickFindings } from './ticks.ts';
import { trialFindings, trialMs } from './trial.ts';

/** Looks at everything that a tick and its agents need. Leaves nothing behind, never throws, and waits for nothing for long:
 *  what starts programs runs side by side. `begins` hears what is being looked at. */
export async function examine(
  context: Context,
  begins: (what: string) => void = () => undefined,
): Promise<TopicFinding[]> {
  const { places, env } = context;
  const now_ms = Date.now();
  const { policy, exists } = loadPolicy(places.config, env);
  begins('programs, board, projects');
  const asked = looked('programs', () => programs(env));
  const board = await lookAtBoard(context, now_ms);
  begins('agents, projects, tmux');
  const group = async (topic: Topic, check: string, look: Look, bound_ms?: number): Promise<TopicFinding[]> =>
    (await looked(check, look, bound_ms)).map((one) => ({ topic, ...one }));
  const trial_ms = trialMs(policy.projects.values());
  const agents = group('agents', 'agents', () => agentFindings(context, policy, board.accounts, now_ms));
  const trials = group('projects', 'trials', () => trialFindings(context, policy), trial_ms);
  const held = async () => holdFindings(places, policy, now_ms, [...(await agents), ...(await trials)]);
  const all = await Promise.all([
    group('programs', 'programs', () => asked),
    group('state', 'configuration', () => configuration(policy, exists, places.config, env)),
    group('state', 'state dir', () => stateFindings(places, env)),
    group('state', 'disk', () => diskFindings(places, policy)),
    group('state', 'runs', () => runDirFindings(places)),
    group('board', 'board', () => board.findings),
    agents,
    group('projects', 'projects', () => projectFindings(context, policy, board.closed)),
    trials,
    group('ticks', 'held', held, trial_ms),
    group('projects', 'settings', () => settingFindings(places, now_ms)),
    group('ticks', 'ticks', () => tickFindings(context, policy, board, now_ms)),
    group('ticks', 'notifications', () => notifyFindings(places, policy, now_ms)),
    group('machine', 'tmux server', () => serverFindings(context, board.live)),
    group('machine', 'leftovers', () => leftoverFindings(board.leftovers)),
    group('machine', 'machine', () => machineFindings(places, env)),
  ]);
  return all.flat();
}
