/** Ticks that launch: real tmux, real git, and as many tickets as are to be launched at once. Every run has a fresh world,
 *  made before it and taken down after it, and must have started every agent. */
import { spawnSync } from 'node:child_process';
import { cpSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePipes } from '../../src/act/launch/pipes.ts';
import { addTicket, type Case, caseIn, command, configure, makeCase, withBoard } from './cases.ts';
import { type FloorKind, floorCommand } from './floor.ts';
import type { Command, Subject } from './measure.ts';
import type { Scratch } from './scratch.ts';

const ARGV = ['sleep', '3600'];

export class Launches {
  readonly count: number;
  readonly #scratch: Scratch;
  readonly #template: Case;
  readonly #worlds: string[] = [];

  private constructor(scratch: Scratch, count: number) {
    this.#scratch = scratch;
    this.count = count;
    this.#template = makeCase(scratch, `l${count}`, count, ARGV);
  }

  static async make(scratch: Scratch, count: number): Promise<Launches> {
    const made = new Launches(scratch, count);
    await withBoard(made.#template, async (board) => {
      for (let n = 1; n <= count; n++) await addTicket(board, `Launch number ${n}`);
    });
    return made;
  }

  get env(): NodeJS.ProcessEnv {
    return this.#template.env;
  }

  /** The tick itself. */
  tick(): Subject & { readonly end: () => void } {
    return this.#subject(
      `dispatch-${this.count}`,
      (one) => ({ ...command(one, 'dispatch', '--max', String(this.count)), talks: true }),
      (one) => this.#allRegistered(one),
    );
  }

  /** The same commands out of a shell script. */
  floor(kind: FloorKind): Subject {
    return this.#subject(
      `floor of ${this.count}, ${kind}`,
      (one) => floorCommand(kind, one, this.count),
      async (one) => this.#allStarted(one),
    );
  }

  /** All that its runs have left. Only now: ext4 gives the number of a file again a minute after it is gone at the soonest, and
   *  until then steps over it, one by one, wherever one is made: a run would pay for the removal of the one before. */
  remove(): void {
    for (const dir of [this.#template.dir, ...this.#worlds]) this.#scratch.remove(dir);
  }

  #subject(
    name: string,
    commandIn: (one: Case) => Command,
    check: (one: Case) => Promise<void>,
  ): Subject & { readonly end: () => void } {
    let one: Case | null = null;
    const end = (): void => {
      if (one !== null) this.#scratch.endServer(one.places.socket);
    };
    return {
      name,
      ready: async () => {
        one = await this.#fresh();
        return commandIn(one);
      },
      done: async () => {
        if (one === null) return;
        await check(one);
        end();
        one = null;
      },
      end,
    };
  }

  async #fresh(): Promise<Case> {
    const one = caseIn(this.#scratch, join(this.#scratch.dir, `l${this.count}-${this.#worlds.length}`));
    this.#worlds.push(one.dir);
    // Pipes can't be copied: as `init` left them, they are made anew.
    const { asking } = this.#template.places;
    cpSync(this.#template.dir, one.dir, { recursive: true, filter: (path) => path !== asking });
    await ensurePipes(one.places, this.count);
    configure(one, this.count, ARGV);
    return one;
  }

  async #allRegistered(one: Case): Promise<void> {
    await withBoard(one, async (board) => {
      const rows = await board.liveRuntimes();
      const registered = rows.filter(
        ({ phase, registered_at_ms }) => phase !== 'launching' && registered_at_ms,
      );
      if (registered.length !== this.count)
        throw new Error(`dispatch-${this.count}: ${registered.length} agents are registered`);
    });
  }

  #allStarted({ places, env }: Case): void {
    const words = ['-S', places.socket, 'list-panes', '-a', '-F', '#{pane_dead}'];
    const panes = spawnSync('tmux', words, { env, encoding: 'utf8', timeout: 10_000 }).stdout;
    const alive = panes.split('\n').filter((dead) => dead === '0').length;
    const trees = globSync('demo/MC-*/src/index.js', { cwd: places.worktrees }).length;
    if (alive !== this.count || trees !== this.count)
      throw new Error(`the floor made ${alive} panes and ${trees} worktrees of ${this.count}`);
  }
}
