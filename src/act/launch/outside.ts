import { join } from 'node:path';
import { monotonicMs } from '../../machine/clock.ts';
import type { Project } from '../../model/policy.ts';
import type { Refused } from '../../workspace/prepared.ts';
import type { Tried } from '../../workspace/trial.ts';
import type { Shared } from '../../workspace/turn.ts';
import type { Here } from '../here.ts';
import type { Outside } from '../outside.ts';
import { witness } from '../witnesses.ts';
import { lastLook } from './look.ts';
import { prepare } from './prepare.ts';
import { probe } from './probe.ts';
import { Registrar } from './registrar.ts';
import { slotGiver } from './slots.ts';
import { startByServer, startHere } from './start.ts';
import { noSpace, unlaunchable } from './unlaunchable.ts';
import { waitUntilRegistered } from './wait.ts';

/** What of the outside only launches need: those of one tick. */
export type LaunchOutside = Pick<
  Outside,
  'unlaunchable' | 'lookAgain' | 'prepare' | 'neighbours' | 'expect' | 'start' | 'registered'
>;

/** The same on this machine. */
export function launchOutside(here: Here): LaunchOutside {
  const { board, places, clock, starter } = here;
  const registrar = new Registrar(places, board, clock);
  const claimed = new Map<string, number>();
  const asked = new Map<string, Shared>();
  const slot = slotGiver(here);
  const ready = once((agent: string) => unlaunchable(agent, here));
  const tried = once(async (name: string): Promise<Tried | Refused> => {
    const project = here.policy.projects.get(name);
    const { tryOut } = await import('../../workspace/index.ts');
    if (project === undefined) throw new Error(`no project ${name}`);
    return tryOut({ project, root: join(places.worktrees, name) });
  });
  return {
    async unlaunchable({ agent, project: name }) {
      const project = here.policy.projects.get(name);
      return (await ready(agent)) ?? (project === undefined ? null : noSpace(project, here));
    },
    lookAgain: (hold) => probe(hold, here),
    async prepare(one, placed = () => undefined) {
      // Every run is staged with it, and it takes long to load: that is done while git makes the first worktree.
      if (claimed.size === 0) setImmediate(() => process.getBuiltinModule('node:crypto'));
      claimed.set(one.run, monotonicMs());
      const proof = { placed, trial: ({ name }: Project) => tried(name), asked, slot };
      return prepare(one, here, starter ? null : registrar.pipe(one.run), proof);
    },
    neighbours: lastLook(here, (run) => claimed.get(run)),
    async expect(count) {
      if (!starter) registrar.expect(count);
    },
    start: (run, ticket, place) =>
      starter ? startByServer(run, ticket, here, starter) : startHere(run, ticket, place, here, registrar),
    async registered(run, pid) {
      const done = await waitUntilRegistered(run, pid, here, registrar).finally(() => registrar.close(run));
      const row = done && starter ? await board.runtime(run) : null;
      if (row !== null) witness(row, places);
      return done;
    },
  };
}

/** Asks but once for each name. */
function once<T>(ask: (name: string) => Promise<T>): (name: string) => Promise<T> {
  const asked = new Map<string, Promise<T>>();
  return (name) => {
    const known = asked.get(name) ?? ask(name);
    asked.set(name, known);
    return known;
  };
}
