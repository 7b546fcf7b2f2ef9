import { describe, expect, it } from 'vitest';
import { decide } from '../../src/decide/index.ts';
import type { Plan, Step } from '../../src/model/plan.ts';
import { sameHands } from '../../src/model/runtime.ts';
import { SETTLED, TICKET_STATUSES } from '../../src/model/ticket.ts';
import type { ObservedRuntime, TicketView, World } from '../../src/model/world.ts';
import {
  aLaunch,
  anEnded,
  aPane,
  aPolicy,
  aProfile,
  aProject,
  applyPlan,
  aRecent,
  aRuntime,
  aSighting,
  aView,
  aWorld,
  JUDGED,
  MINUTE,
  NOW,
  observed,
} from '../support/builders.ts';
import { draws, fc } from '../support/draws.ts';

const OPTIONS = { dispatch: true, max: null, project: null };
const POLICY = aPolicy({
  limits: { max_agents: 3, max_launches_per_tick: 2 },
  projects: [aProject(), aProject({ name: 'garden', max_agents: 1 })],
  agents: [
    aProfile(),
    aProfile({ name: 'b', max_agents: 1, on_idle: 'review' }),
    aProfile({ name: 'c', on_idle: 'leave' }),
  ],
});

const agent = fc.constantFrom('robot', 'b', 'c');
const project = fc.constantFrom('house', 'garden');
const owner = fc.constantFrom(null, null, 'robot', 'ann');
const judgement = fc.constantFrom(...Object.values(JUDGED));

/** A ticket with at most one live row and at most one sighting, as the database allows. */
const part = fc.record({
  status: fc.constantFrom(...TICKET_STATUSES),
  owner,
  rowOwner: owner,
  sameOwner: fc.boolean(),
  project,
  agent,
  epoch: fc.constantFrom(1, 1, 2),
  attempts: fc.nat(3),
  trusted: fc.boolean(),
  unmet: fc.boolean(),
  later: fc.boolean(),
  heals: fc.nat(4),
  reason: fc.constantFrom(null, 'asked', 'agent_waiting', 'idle_without_report', 'parked', 'agent_dead'),
  reason_run: fc.constantFrom(null, 'own', 'r-else'),
  row: fc.constantFrom('none', 'ended', 'launching', 'live', 'live', 'live'),
  judgement,
  activity: fc.constantFrom('busy', 'waiting', 'idle', 'unknown'),
  turn: fc.nat(3),
  fresh: fc.nat(1),
  silent_ms: fc.constantFrom(0, 95 * MINUTE),
  launching_ms: fc.constantFrom(0, 5 * MINUTE),
  abandoned: fc.boolean(),
  young: fc.boolean(),
  server_lost: fc.boolean(),
  deadPane: fc.boolean(),
  readable: fc.constantFrom(true, true, true, true, false),
  sighting: fc.constantFrom(false, false, true),
  sightOwner: owner,
  sightJudgement: judgement,
} as const);

const worlds = fc
  .record({
    parts: fc.array(part, { maxLength: 7 }),
    delta_ms: fc.constantFrom(0, MINUTE, 2 * MINUTE),
    early: fc.boolean(),
  })
  .map(({ parts, delta_ms, early }): World => {
    const tickets: TicketView[] = [];
    const runtimes: ObservedRuntime[] = [];
    const sightings = [];
    const panes = [];
    for (const [n, p] of parts.entries()) {
      const id = `MC-${n + 1}`;
      const run = `r-${n + 1}`;
      const base = {
        id: run,
        ticket_id: id,
        owner: p.sameOwner ? p.owner : p.rowOwner,
        agent: p.agent,
        project: p.project,
        silent_ms: p.silent_ms,
        registered_at_ms: NOW - (p.young ? 1000 : 30 * MINUTE),
      } as const;
      const ended = p.row === 'ended' ? anEnded({ ...base, claim_epoch: p.epoch }) : null;
      if (p.readable) {
        const ticket = {
          id,
          status: p.status,
          owner: p.owner,
          project: p.project,
          agent: p.agent,
          claim_epoch: p.epoch,
          attempts: p.attempts,
          trusted: p.trusted,
          not_before_at_ms: p.later ? NOW * 2 : null,
          reason: p.reason,
          reason_run: p.reason_run === 'own' ? run : p.reason_run,
          reason_turn: 1,
        };
        tickets.push(aView(ticket, { unmet: p.unmet ? ['MC-99'] : [], ended, heals: p.heals }));
      }
      const pane = p.deadPane ? aPane({ run, ticket: id, pane: `%${n}`, dead: true, exit_code: 1 }) : null;
      if (pane !== null) panes.push(pane);
      if (p.row === 'launching')
        runtimes.push(
          observed(aLaunch({ ...base, launching_ms: p.launching_ms, registered_at_ms: null }), {
            ...{ pane, abandoned: p.abandoned && pane === null },
          }),
        );
      if (p.row === 'live') {
        const seen = { activity: p.activity, turn: p.turn, fresh: p.fresh };
        const host_id = p.judgement.verdict === 'not_mine' ? 'h-far' : 'h-here';
        const state = { judgement: p.judgement, pane, server_lost: p.server_lost, seen };
        runtimes.push(observed(aRuntime({ ...base, host_id }), state));
      }
      if (p.sighting && (p.row === 'none' || p.row === 'ended')) {
        sightings.push(
          aSighting({
            ticket: id,
            run: `s-${n}`,
            owner: p.sightOwner,
            agent: p.agent,
            project: p.project,
            judgement: p.sightJudgement,
          }),
        );
      }
    }
    const tmux = { kind: 'server', server_pid: 99, server_start: '11', panes } as const;
    return aWorld({
      tickets,
      runtimes,
      sightings,
      delta_ms,
      tmux,
      recent: early ? ['MC-50', 'MC-51'].map((ticket) => aRecent({ ticket })) : [],
    });
  });

const HANDED_OVER = 'retry ended_without_release';

function always(check: (world: World, plan: Plan) => void): void {
  fc.assert(
    fc.property(worlds, (world) => check(world, decide(world, POLICY, OPTIONS))),
    { numRuns: draws(1500) },
  );
}

const steps = (plan: Plan): Step[] => [...plan.reconcile, ...plan.dispatch];
const moves = (step: Step): boolean => 'guard' in step;

describe('in every world', () => {
  it('no step moves a ticket out of a settled status', () => {
    always((_world, plan) => {
      expect(steps(plan).filter((step) => 'guard' in step && SETTLED.has(step.guard.status))).toEqual([]);
    });
  });

  it('every guard of the reconcile pass repeats what was observed', () => {
    always((world, plan) => {
      const seen = new Map(world.tickets.map(({ ticket }) => [ticket.id, ticket]));
      for (const step of plan.reconcile) {
        if ('guard' in step) expect(seen.get(step.ticket)).toMatchObject(step.guard);
      }
    });
  });

  it('a runtime that is unknown or not ours brings forth no step for its ticket', () => {
    always((world, plan) => {
      const closed = new Set(
        world.runtimes
          .filter(({ judgement }) => judgement?.verdict === 'unknown' || judgement?.verdict === 'not_mine')
          .map(({ row }) => row.ticket_id),
      );
      expect(steps(plan).filter(({ ticket }) => closed.has(ticket))).toEqual([]);
      expect(
        plan.refresh.filter(({ run }) =>
          world.runtimes.some(({ row }) => row.id === run && closed.has(row.ticket_id)),
        ),
      ).toEqual([]);
    });
  });

  it('only the dead, and launches that failed, are ended', () => {
    always((world, plan) => {
      const verdicts = new Map(
        world.runtimes.map(({ row, judgement }) => [row.id, judgement?.verdict ?? row.phase]),
      );
      for (const step of plan.reconcile) {
        if ((step.kind === 'end' || step.kind === 'retry') && step.runtime !== null) {
          expect(['dead', 'launching']).toContain(verdicts.get(step.runtime.run));
        }
      }
    });
  });

  it('a launch of which no agent came costs no attempt', () => {
    always((world, plan) => {
      const launching = new Set(
        world.runtimes.flatMap(({ row }) => (row.phase === 'launching' ? row.id : [])),
      );
      const before = new Map(world.tickets.map(({ ticket }) => [ticket.id, ticket.attempts]));
      for (const step of plan.reconcile) {
        if (step.kind !== 'retry' || !launching.has(step.runtime?.run ?? '')) continue;
        expect(step.to).toMatchObject({ status: 'todo', attempts: before.get(step.ticket) });
      }
    });
  });

  it('a ticket is moved at most once by reconcile and launched at most once', () => {
    always((_world, plan) => {
      const moved = plan.reconcile.filter(moves).map(({ ticket }) => ticket);
      const launched = plan.dispatch.map(({ ticket }) => ticket);
      expect(moved).toEqual([...new Set(moved)]);
      expect(launched).toEqual([...new Set(launched)]);
    });
  });

  it('no ticket is launched that a runtime may still work on', () => {
    always((world, plan) => {
      const ended = new Set(
        plan.reconcile.flatMap((step) =>
          'runtime' in step && (step.kind === 'end' || step.kind === 'retry')
            ? (step.runtime?.run ?? [])
            : [],
        ),
      );
      const busy = new Set([
        ...world.runtimes.filter(({ row }) => !ended.has(row.id)).map(({ row }) => row.ticket_id),
        ...world.sightings
          .filter(({ judgement }) => judgement.verdict !== 'dead')
          .map(({ ticket }) => ticket),
      ]);
      expect(plan.dispatch.filter(({ ticket }) => busy.has(ticket))).toEqual([]);
    });
  });

  it('launches exceed neither the limit of a tick nor any slot', () => {
    always((world, plan) => {
      const after = applyPlan(world, plan);
      const status = new Map(after.tickets.map(({ ticket }) => [ticket.id, ticket.status]));
      const working = after.runtimes.filter(
        ({ row, judgement }) =>
          row.phase === 'launching' ||
          (judgement?.verdict !== 'dead' &&
            judgement?.verdict !== 'not_mine' &&
            status.get(row.ticket_id ?? '') === 'in_progress'),
      );
      const launched = plan.dispatch.flatMap((step) => (step.kind === 'launch' ? [step] : []));
      const total = (pick: (x: { readonly agent: string; readonly project: string }) => boolean) =>
        working.filter(({ row }) => pick(row)).length + launched.filter(pick).length;
      const within = (pick: Parameters<typeof total>[0], limit: number) => {
        if (launched.some(pick)) expect(total(pick)).toBeLessThanOrEqual(limit);
      };
      expect(launched.length).toBeLessThanOrEqual(2);
      within(() => true, 3);
      within((x) => x.project === 'garden', 1);
      within((x) => x.agent === 'b', 1);
    });
  });

  it('every ticket in todo is launched, healed or passed over for exactly one reason', () => {
    always((world, plan) => {
      for (const { ticket } of world.tickets.filter((view) => view.ticket.status === 'todo')) {
        const acted = steps(plan).filter((step) => step.ticket === ticket.id && moves(step)).length;
        const skips = plan.skipped.filter((skip) => skip.ticket === ticket.id).length;
        expect([ticket.id, acted + skips]).toEqual([ticket.id, 1]);
      }
    });
  });

  it('no ticket that a person took is touched', () => {
    always((world, plan) => {
      const taken = (by: (owner: string | null) => boolean) =>
        new Set(
          world.runtimes
            .filter(({ row }) =>
              world.tickets.some(
                ({ ticket }) =>
                  ticket.id === row.ticket_id && !sameHands(row, ticket.owner) && by(ticket.owner),
              ),
            )
            .map(({ row }) => row.ticket_id),
        );
      const person = (owner: string | null): boolean => owner !== null && !POLICY.agents.has(owner);
      const persons = taken(person);
      expect(plan.reconcile.filter((step) => moves(step) && persons.has(step.ticket))).toEqual([]);
      // What was given to another profile is let go of, once its run has ended, and nothing else.
      const others = taken((owner) => !person(owner));
      const moved = plan.reconcile.filter((step) => moves(step) && others.has(step.ticket));
      expect(moved.filter(({ kind, because }) => `${kind} ${because}` !== HANDED_OVER)).toEqual([]);
    });
  });

  it('a plan that is carried out leaves nothing to heal', () => {
    always((world, plan) => {
      // A drifted ticket comes back to in_progress first; what its agent then says of itself is the next step.
      const healed = new Set(
        plan.reconcile.filter(({ kind }) => kind === 'normalize').map(({ ticket }) => ticket),
      );
      const once = applyPlan(world, plan);
      const again = decide(once, POLICY, OPTIONS);
      expect(
        again.reconcile.filter(
          (step) => !(healed.has(step.ticket) && ['ask', 'park', 'submit'].includes(step.kind)),
        ),
      ).toEqual([]);
      expect(decide(applyPlan(once, again), POLICY, OPTIONS).reconcile).toEqual([]);
    });
  });

  it('the same world gives the same plan, and is not changed by it', () => {
    always((world, plan) => {
      const before = structuredClone(world);
      expect(decide(world, POLICY, OPTIONS)).toEqual(plan);
      expect(world).toEqual(before);
    });
  });

  it('tmux that did not answer gives an empty plan', () => {
    always((world) => {
      const blind = decide({ ...world, tmux: { kind: 'unknown', error: 'timeout' } }, POLICY, OPTIONS);
      expect([blind.reconcile, blind.dispatch, blind.refresh]).toEqual([[], [], []]);
      expect(blind.skipped.map(({ because }) => because)).toEqual(world.tickets.map(() => 'tmux_unreadable'));
    });
  });
});
