/** Tickets that go from an agent in tmux to a pull request on a stand-in for a forge. */
import { expect } from 'vitest';
import type { ReviewRow } from '../../src/board/port/index.ts';
import { Forge } from '../support/forge/server.ts';
import { type Report, Rig } from '../support/rig.ts';
import { until } from '../support/sandbox.ts';
import { putInReview } from '../support/worked.ts';

export interface Published extends Report {
  readonly err: string;
  readonly publish?: readonly { ticket: string; because: string; does: string[] }[];
}

export class ForgeRig {
  readonly rig: Rig;
  readonly forge: Forge;
  readonly env: NodeJS.ProcessEnv;

  static async start(options: ConstructorParameters<typeof Rig>[0] = {}): Promise<ForgeRig> {
    const rig = new Rig(options);
    return new ForgeRig(rig, await Forge.start(rig.box.dir, rig.box.repo));
  }

  private constructor(rig: Rig, forge: Forge) {
    this.rig = rig;
    this.forge = forge;
    this.env = { FORGE_TOKEN: forge.token };
    this.review();
  }

  /** The project's review table; by default a pull request on the stand-in, looked at by nearly every tick. */
  review(more = '', table = this.gitHub(), tables = ''): void {
    this.rig.configure({ project: `[project.demo.review]\n${table}\n${more}`, more: tables });
  }

  gitHub(): string {
    const { url, repo } = this.forge;
    return `push = true
pull_request = "github"
repo = "${repo}"
api_url = "${url}"
token_env = "FORGE_TOKEN"
check_minutes = 0.0001`;
  }

  /** A whole tick that leaves this process free to answer it. */
  async tick(...more: string[]): Promise<Published> {
    const done = await this.run('dispatch', '--json', ...more);
    if (done.out === '') throw new Error(`exit ${done.code}: ${done.err}`);
    return { ...(JSON.parse(done.out) as Published), code: done.code, err: done.err };
  }

  /** Any command, likewise. */
  run(...args: string[]) {
    return this.rig.box.here(args, '', this.env);
  }

  /** A tick beside others: a process of its own. */
  beside(...more: string[]) {
    return this.rig.box.start(['dispatch', '--json', ...more], this.env);
  }

  /** New tickets whose work is in review, without an agent. Nothing is published yet. */
  async inReview(count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let n = 0; n < count; n++) ids.push(await putInReview(this.rig.box));
    return ids;
  }

  one(): Promise<string> {
    return putInReview(this.rig.box);
  }

  /** The same by a real agent, which has put its work up for review, and is gone. `more`: further words of `ticket add`. */
  async byAgent(...more: string[]): Promise<string> {
    const id = this.rig.add('review', ...more);
    await this.tick();
    await this.rig.settle(id, 'in_review');
    await this.rig.gone(this.rig.runs(id)[0]?.pid ?? 0);
    return id;
  }

  row(id: string): ReviewRow {
    const row = this.rows(id).at(-1);
    if (row === undefined) throw new Error(`nothing went out of ${id}`);
    return row;
  }

  rows(id: string): ReviewRow[] {
    return this.rig.box.sql<ReviewRow>('SELECT * FROM reviews WHERE ticket_id = ? ORDER BY claim_epoch', id);
  }

  branch(id: string): string {
    const [run] = this.rig.box.sql<{ branch: string }>(
      'SELECT branch FROM runtime_sessions WHERE ticket_id = ? ORDER BY seq DESC LIMIT 1',
      id,
    );
    return run?.branch ?? '';
  }

  log(id: string, kind: string): { because: string; text: string; actor: string }[] {
    return this.rig.box.sql(
      'SELECT because, text, actor FROM activity WHERE ticket_id = ? AND kind = ? ORDER BY id',
      id,
      kind,
    );
  }

  /** How often a pull request was asked to be made. */
  opened(): string[] {
    return this.forge.requests.filter((one) => one.startsWith('POST'));
  }

  /** Waits until the back-off of a publication is over. */
  async due(id: string): Promise<void> {
    expect(await until(() => (this.row(id).next_at_ms ?? 0) <= Date.now())).toBe(true);
  }

  async destroy(): Promise<void> {
    await this.forge.stop();
    await this.rig.box.destroy();
  }
}
