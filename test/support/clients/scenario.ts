/** How a scenario with the real clients is told: what each file of them begins with. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { waitFor } from '../wait.ts';
import { chosenClients, type LiveRun, makeRig, type RealKind, type Rig, START_MS } from './rig.ts';

/** Stands in each ticket that `launched` launches. */
export const MARK = 'real-work-marker-of-the-ticket';

export interface Told {
  readonly kind: RealKind;
  /** One scenario, and a line of the table. */
  scenario(name: string, body: () => Promise<void>): void;
  /** A rig of its own, which is taken away after the scenario. */
  open(...how: Parameters<typeof makeRig> extends [unknown, ...infer R] ? R : never): Promise<Rig>;
  live(one: Rig, id: string): LiveRun;
  /** Launches a ticket and waits until the model has its prompt. */
  launched(one: Rig, body: string): Promise<string>;
  /** Waits until the model has had so many prompts with this text. */
  began(one: Rig, id: string, text: string, times: number): Promise<void>;
}

/** Limits of a client itself, stated instead of a pass: why, and what was seen. By `kind: name of the scenario`. */
export type Limits = Readonly<Record<string, string>>;

/** Calls `tell` for each client that this run tests. */
export function withClients(limits: Limits, tell: (told: Told) => void): void {
  let rig: Rig | undefined;
  afterEach(async () => {
    const one = rig;
    rig = undefined;
    await one?.destroy();
  });
  for (const kind of chosenClients())
    describe(kind, { timeout: 240_000 }, () => {
      const live = (one: Rig, id: string): LiveRun => {
        const row = one.live(id);
        if (row === undefined) throw new Error(`${id} has no run`);
        return row;
      };
      const began = async (one: Rig, id: string, text: string, times: number): Promise<void> => {
        try {
          await waitFor(() => one.prompts(text).length >= times, `prompt ${times}`, START_MS[kind]);
        } catch (error) {
          throw new Error(`${String(error)}\n${(await one.tick()).out}\n${one.screen(id)}`);
        }
      };
      tell({
        kind,
        live,
        began,
        scenario(name, body) {
          const limit = limits[`${kind}: ${name}`];
          it(name, async ({ skip }) => {
            note(kind, name, limit === undefined ? 'FAIL' : `limit: ${limit}`); // failed, until it has passed
            skip(limit !== undefined, limit);
            await body();
            expect(rig?.stub.errors).toEqual([]);
            expect(rig?.touched()).toEqual([]);
            note(kind, name, 'pass');
          });
        },
        async open(...how) {
          rig = await makeRig(kind, ...how);
          return rig;
        },
        async launched(one, body) {
          const id = one.add(body);
          const done = await one.tick();
          expect(done).toMatchObject({ code: 0 });
          await began(one, id, MARK, 1);
          return id;
        },
      });
    });
}

/** One line for the table of the clients. */
function note(kind: string, name: string, result: string): void {
  const file = process.env.MC_AGENTS_RESULTS;
  if (file === undefined) return;
  mkdirSync(dirname(file), { recursive: true });
  appendFileSync(file, `${JSON.stringify({ kind, name, result })}\n`);
}
