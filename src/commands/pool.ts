import { join } from 'node:path';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { readSwitches } from '../machine/killswitch.ts';
import { startedWith } from '../machine/proc.ts';
import { hostId, lookAt, lookAtSelf } from '../machine/process.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { blocks } from '../model/world.ts';
import { hookEnvironment } from '../runs/environment.ts';
import { fillingTurn, rootOf } from '../tick/pool.ts';

/** Makes at most one slot of each project ready, beside all ticks. One at a time on this machine; a second one has nothing to
 *  do. */
export async function pool(context: Context): Promise<ExitCode> {
  const { places, env, out } = context;
  const { policy } = loadPolicy(places.config, env);
  const projects = [...policy.projects.values()].filter((one) => one.pool > 0);
  if (policy.broken.length > 0 || projects.length === 0) return EXIT.ok;
  // Ticks make it first; where none has run, this may be anybody's directory.
  const host = hostId(places.state);
  if (host === null) return EXIT.ok;
  const processes = { me: lookAtSelf(host), lookAt, startedWith, notes: places.hooks };
  const lock = await fillingTurn(context, policy);
  if (lock === null) return EXIT.ok;
  try {
    const { fillSlot } = await import('../workspace/index.ts');
    let code: ExitCode = EXIT.ok;
    for (const project of projects) {
      if (blocks(readSwitches(places, env, Date.now()), project.name, undefined) !== null) continue;
      const filled = await fillSlot({
        project,
        root: rootOf(project, places.worktrees),
        env: hookEnvironment(project, policy, places, env),
        logFile: (n) => join(places.state, 'pool', `${project.name}-${n}.log`),
        ...{ processes, placed: places.placed },
      });
      if (filled.kind === 'made') out.line(`${project.name}: slot ${filled.n} is ready`);
      if (filled.kind === 'failed') {
        code = EXIT.partial;
        out.warn(`${project.name}: no slot could be made ready: ${filled.error}`);
      }
    }
    return code;
  } finally {
    lock.release();
  }
}
