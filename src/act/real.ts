import { join } from 'node:path';
import { adapterOf } from '../agents/index.ts';
import { lacking } from '../decide/room.ts';
import { changeHolds, forgive, readHolds } from '../machine/holds.ts';
import { readSwitches, recordRelease, switchFile, writeSwitch } from '../machine/killswitch.ts';
import { lookAtSelf } from '../machine/process.ts';
import { randomHex } from '../machine/random.ts';
import { lookAtRoom } from '../machine/room.ts';
import {
  begun,
  configOf,
  type Fault,
  foundAgain,
  type Hold,
  type HoldScope,
  holdOn,
  isTriedByRuns,
  type Probe,
  refusedUntil,
  triedBy,
} from '../model/hold.ts';
import { backOffMs } from '../model/retry.ts';
import { sentence } from '../model/sentences.ts';
import { blocks, type Pane, starterOf } from '../model/world.ts';
import { keepLastScreen } from '../runs/last-screen.ts';
import { readRegistered, removeMark } from '../runs/marks.ts';
import { kindOf } from '../runs/run-file.ts';
import { judgeRow } from '../runs/sighting.ts';
import { programWord } from '../runs/tools.ts';
import { closeDeadPane } from '../tmux/pane.ts';
import type { Here } from './here.ts';
import type { LaunchOutside } from './launch/outside.ts';
import type { Outside } from './outside.ts';
import { saidHere } from './said-here.ts';
import { bearWitness } from './witnesses.ts';

/** The files, the processes, the tmux server and the repositories of this machine. What only a launch needs is loaded by
 *  the first one, and what only a nudge needs by the first nudge. */
export function realOutside(here: Here): Outside {
  const { places, env, clock } = here;
  let loading: Promise<LaunchOutside> | undefined;
  const launches = (): Promise<LaunchOutside> => {
    loading ??= import('./launch/index.ts').then(({ launchOutside }) => launchOutside(here));
    return loading;
  };
  return {
    token: () => randomHex(4),
    halted: (project, agent) => blocks(readSwitches(places, env, clock()), project, agent) !== null,
    switchOff: (level, scope, reason) => switchOff(level, scope, reason, here),
    held: (project, agent, tries) =>
      holdOn(
        readHolds(places).holds.filter((one) => !(tries && isTriedByRuns(one))),
        project,
        agent,
      ),
    refused: (fault, until_ms) => refused(fault, until_ms, here),
    tries: (scope, probe) => tries(scope, probe, here),
    over: (scope) => over(scope, here),
    hold: (fault) => hold(fault, here),
    lookAgain: async (one) => (await launches()).lookAgain(one),
    lookedAgain: (one, found) => lookedAgain(one, found, here),
    lacks: ({ tmux }) => {
      const why = lacking(lookAtRoom(starterOf(tmux), here.policy.limits), here.policy.limits);
      return why === null ? null : sentence(why);
    },
    unlaunchable: async (step) => (await launches()).unlaunchable(step),
    prepare: async (...launch) => (await launches()).prepare(...launch),
    neighbours: async (...launch) => (await launches()).neighbours(...launch),
    expect: async (count) => (await launches()).expect(count),
    start: async (...launch) => (await launches()).start(...launch),
    registered: async (run, pid) => (await launches()).registered(run, pid),
    async nudge(step, ticket, row) {
      const { deliver, nudgeText } = await import('./deliver/index.ts');
      const { clientOf } = await import('../runs/program.ts');
      const adapter = adapterOf(kindOf(row, places, here.policy));
      const client = clientOf(row, here.policy.agents.get(row.agent), env);
      const text = nudgeText(step.because, step.free === true ? step.turn : row.nudges, programWord(places));
      return deliver(here, { kind: 'nudge', ticket, row, adapter, client, text });
    },
    said: saidHere({ ...here, policyOf: () => here.policy }),
    async quit({ ticket }, row) {
      const { quit } = await import('./deliver/quit.ts');
      const { clientOf } = await import('../runs/program.ts');
      const adapter = adapterOf(kindOf(row, places, here.policy));
      const client = clientOf(row, here.policy.agents.get(row.agent), env);
      const me = lookAtSelf(row.host_id);
      return quit(here, { row, ticket, adapter, client }, () => judgeRow(row, me)?.verdict === 'dead');
    },
    mark: async (ticket, agent) => bearWitness(ticket, agent, places),
    forget: async (ticket, mark) => void removeMark(places.marks, ticket, mark),
    closePane: (run, pane, recorded) => closePane(run, pane, recorded, here),
    recordUsage: async (world) => (await import('./usage.ts')).recordUsage(world, here),
  };
}

function switchOff(level: 'dispatch', scope: string, reason: string, { places, env, clock }: Here): boolean {
  const at_ms = clock();
  if (readSwitches(places, env, at_ms).some((one) => one.scope === '*' || one.scope === scope)) return false;
  writeSwitch(switchFile(places, env), {
    ...{ level, scope, reason, author: 'mc-pickup', at_ms, expires_at_ms: null },
  });
  recordRelease(places, scope, at_ms); // these deaths have had their effect, however the switch is taken away
  return true;
}

function hold(fault: Fault, { places, policy, clock }: Here): boolean {
  let begins = false;
  changeHolds(places, ({ holds }) => {
    begins = !holds.some(({ scope }) => scope === fault.scope);
    return begins ? { holds: [...holds, begun(fault, configOf(fault.scope, policy) ?? '', clock())] } : {};
  });
  return begins;
}

function refused(fault: Fault, until_ms: number, { places, policy, clock }: Here): boolean {
  let begins = false;
  changeHolds(places, ({ holds }) => {
    const before = holds.find(({ scope }) => scope === fault.scope) ?? null;
    // What keeps its program from being started at all comes first.
    if (before !== null && !isTriedByRuns(before)) return {};
    begins = before === null;
    const config = configOf(fault.scope, policy) ?? '';
    const one = refusedUntil(before, fault, config, { now_ms: clock(), until_ms });
    return { holds: [...holds.filter(({ scope }) => scope !== fault.scope), one] };
  });
  return begins;
}

function tries(of: HoldScope, probe: Probe, { places, policy, clock }: Here): void {
  changeHolds(places, ({ holds }) => ({
    holds: holds.map((one) =>
      one.scope === of && isTriedByRuns(one)
        ? triedBy({ ...one, config: configOf(of, policy) ?? '' }, probe, {
            now_ms: clock(),
            wait_ms: backOffMs(one.tries + 1, policy.limits),
          })
        : one,
    ),
  }));
}

function over(of: HoldScope, { places }: Here): Hold | null {
  let was: Hold | null = null;
  changeHolds(places, ({ holds }) => {
    was = holds.find((one) => one.scope === of && isTriedByRuns(one)) ?? null;
    return was === null ? {} : { holds: holds.filter((one) => one !== was) };
  });
  return was;
}

function lookedAgain(one: Hold, found: Fault | null, { places, policy, clock }: Here): void {
  const next = found === null ? [] : [foundAgain(one, found, configOf(one.scope, policy) ?? '', clock())];
  changeHolds(places, ({ holds }) => ({
    holds: holds.flatMap((each) => (each.scope === one.scope ? next : [each])),
  }));
  if (found === null) forgive(places, one);
}

async function closePane(
  run: string,
  { pane, pid }: Pick<Pane, 'pane' | 'pid'>,
  recorded: string | null,
  { places, tmux }: Here,
): Promise<void> {
  const dir = join(places.runs, run);
  // Whoever is in a pane can give it any run's mark: only that run's own process has shown its last words.
  const registered = readRegistered(dir);
  const isIts = registered === null || (pid === null ? recorded === pane : registered.pid === pid);
  if (!isIts || (await keepLastScreen(tmux, pane, dir))) await closeDeadPane(tmux, pane, run);
}
