import { monotonicMs } from '../../machine/clock.ts';
import type { Here } from '../here.ts';
import type { Outside } from '../outside.ts';
import { witness } from '../witnesses.ts';
import { lastLook } from './look.ts';
import { prepare } from './prepare.ts';
import { Registrar } from './registrar.ts';
import { startByServer, startHere } from './start.ts';
import { unlaunchable } from './unlaunchable.ts';
import { waitUntilRegistered } from './wait.ts';

/** What of the outside only launches need: those of one tick. */
export type LaunchOutside = Pick<
  Outside,
  'unlaunchable' | 'prepare' | 'neighbours' | 'expect' | 'start' | 'registered'
>;

/** The same on this machine. */
export function launchOutside(here: Here): LaunchOutside {
  const { board, places, clock, starter } = here;
  const registrar = new Registrar(places, board, clock);
  const claimed = new Map<string, number>();
  const asked = new Map<string, string | null>();
  return {
    async unlaunchable(step) {
      const known = asked.get(step.agent);
      const why = known === undefined ? await unlaunchable(step, here) : known;
      asked.set(step.agent, why);
      return why;
    },
    async prepare(one) {
      claimed.set(one.run, monotonicMs());
      return prepare(one, here, starter ? null : registrar.pipe(one.run));
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
