/** A repository, a board and worktrees of settled tickets, to be cleaned in this very process. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileBoard } from '../../src/board/open.ts';
import type { Board } from '../../src/board/port/index.ts';
import type { Here } from '../../src/clean/here.ts';
import { carryOut, propose } from '../../src/clean/index.ts';
import { placesOf } from '../../src/machine/paths.ts';
import { ensureHostId } from '../../src/machine/process.ts';
import type { Acted, Found, Group, Item, Proposal } from '../../src/model/clean.ts';
import { NO_POLICY, type Project } from '../../src/model/policy.ts';
import type { TicketStatus } from '../../src/model/ticket.ts';
import { prepareWorkspace } from '../../src/workspace/index.ts';
import { boardAt } from '../support/boards.ts';
import { aProject } from '../support/builders.ts';
import { WHO } from '../support/git.ts';

export interface Tree {
  readonly id: string;
  readonly dir: string;
  readonly branch: string;
}

export interface Cleaned {
  readonly found: Found;
  readonly outcomes: readonly { readonly item: Item; readonly acted: Acted }[];
  /** Why something was left, at first or at the second look. */
  because(name: string): string | undefined;
}

export class World {
  readonly dir: string;
  readonly repo: string;
  readonly state: string;
  readonly board: Board;
  readonly #home = process.env.HOME;

  constructor(name = 'mc-clean-') {
    this.dir = realpathSync(mkdtempSync(join(tmpdir(), name)));
    process.env.HOME = this.dir;
    this.repo = join(this.dir, 'repo');
    this.state = join(this.dir, 'state');
    for (const one of [this.repo, this.state]) mkdirSync(one, { mode: 0o700 });
    this.git(this.repo, 'init', '-q', '-b', 'main');
    writeFileSync(join(this.repo, '.gitignore'), 'node_modules\n.env\n*.log\n');
    this.commit(this.repo, 'base');
    this.board = boardAt(join(this.state, 'board.sqlite'));
  }

  get project(): Project {
    return aProject({ name: 'p', repo: this.repo, base: 'main', remote: 'origin', fetch: false });
  }

  get root(): string {
    return join(this.state, 'worktrees', 'p');
  }

  git(cwd: string, ...args: string[]): string {
    const who = [...WHO, '-c', 'protocol.file.allow=always'];
    return execFileSync('git', [...who, ...args], { cwd, encoding: 'utf8', stdio: 'pipe' }).trim();
  }

  commit(cwd: string, message: string): string {
    writeFileSync(join(cwd, `${message.replace(/\W/g, '-')}.txt`), `${message}\n`);
    this.git(cwd, 'add', '-A');
    this.git(cwd, 'commit', '-qm', message);
    return this.git(cwd, 'rev-parse', 'HEAD');
  }

  /** A ticket, its worktree, one commit in it that the base has too, and the ticket settled. */
  async merged(status: TicketStatus = 'done'): Promise<Tree> {
    const tree = await this.unmerged(status);
    this.git(this.repo, 'merge', '-q', '--no-ff', '-m', `merge ${tree.id}`, tree.branch);
    return tree;
  }

  async unmerged(status: TicketStatus = 'done'): Promise<Tree> {
    const id = await this.ticket();
    const tree = await this.worktree(id);
    this.commit(tree.dir, `work on ${id}`);
    await this.move(id, status);
    return tree;
  }

  async ticket(): Promise<string> {
    const { id } = await this.board.addTicket(
      {
        ...{ title: 'Do it', body: '', status: 'todo', priority: 2, project: 'p', labels: [], agent: null },
        ...{ owner: null, author: 'ann', trusted: true, depends_on: [] },
      },
      { now_ms: Date.now() },
    );
    return id;
  }

  async worktree(id: string): Promise<Tree> {
    const ticket = await this.board.ticket(id);
    if (ticket === null) throw new Error(id);
    const made = await prepareWorkspace({ project: this.project, ticket, root: this.root });
    if (!made.ok) throw new Error(made.error);
    return { id, dir: made.worktree, branch: made.branch };
  }

  async move(id: string, to: TicketStatus, at_ms = Date.now()): Promise<void> {
    const ticket = await this.board.ticket(id);
    await this.board.move(
      { ticket: id, version: ticket?.version ?? 0, to, why: '', trusted: true },
      { actor: 'ann', now_ms: at_ms },
    );
  }

  /** A ticket with a run that has ended. */
  async ended(status: TicketStatus): Promise<{ id: string; run: string; dir: string }> {
    const id = await this.ticket();
    const ticket = await this.board.ticket(id);
    if (ticket === null) throw new Error(id);
    const run = `run-${id}`;
    const { status: was, owner, claim_epoch, version } = ticket;
    const guard = { status: was, owner, claim_epoch, version };
    const by = { actor: 'tick:1', now_ms: Date.now() };
    await this.board.claim(
      {
        ...{ ticket: id, guard, run, agent: 'a', project: 'p', attempt: 1 },
        ...{ host_id: ensureHostId(this.state), boot_id: 'b', kind: 'command', headless: false },
      },
      by,
    );
    const runtime = { run, version: (await this.board.runtime(run))?.version ?? 0 };
    const end = { end_reason: 'agent_exited', exit_code: 0, exit_signal: null } as const;
    if ((await this.board.end({ runtime, end }, by)) === 'lost') throw new Error(run);
    await this.move(id, status);
    const dir = join(this.state, 'runs', run);
    mkdirSync(join(dir, 'events'), { recursive: true });
    writeFileSync(join(dir, 'screen.txt'), 'the last screen\n');
    return { id, run, dir };
  }

  here(over: Partial<Here> = {}): Here {
    const places = placesOf({ stateDir: this.state, config: join(this.dir, 'config.toml') }, {});
    const policy = { ...NO_POLICY, projects: new Map([['p', this.project]]) };
    const tmux = { socket: places.socket, serverFile: places.server, binary: 'tmux' };
    const now = { now_ms: Date.now(), older_ms: 30 * 86_400_000 };
    const { name, upkeep } = fileBoard(places);
    return { places, env: {}, tmux, board: this.board, policy, ...now, name, upkeep, ...over };
  }

  /** Proposes, and does all of it. `between`: what happens after the proposal. */
  async clean(
    groups: readonly Group[] = ['worktrees'],
    { over = {}, between }: { readonly over?: Partial<Here>; readonly between?: () => unknown } = {},
  ): Promise<Cleaned> {
    const found = await propose(groups, this.here(over));
    await between?.();
    const outcomes: { item: Item; acted: Acted }[] = [];
    for (const proposal of found.proposals)
      outcomes.push({ item: proposal.item, acted: await this.act(proposal) });
    return {
      found,
      outcomes,
      because: (name) => {
        const late = outcomes.find(({ item }) => item.name === name)?.acted;
        if (late?.result === 'left') return late.because;
        return found.left.find((one) => one.name === name)?.because;
      },
    };
  }

  async act(proposal: Proposal): Promise<Acted> {
    const acted = await carryOut(proposal);
    if (acted.result === 'done') acted.later?.();
    return acted;
  }

  async destroy(): Promise<void> {
    await this.board.close();
    process.env.HOME = this.#home;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Every entry below a directory: its kind, mode and bytes. Not the board, which is open. */
export function picture(dir: string): Map<string, string> {
  return new Map(
    readdirSync(dir, { recursive: true, encoding: 'utf8' })
      .filter((name) => !name.includes('board.sqlite'))
      .sort()
      .map((name) => [name, entry(join(dir, name))] as const),
  );
}

function entry(path: string): string {
  // A name whose bytes are no text is found by no text.
  const stat = lstatSync(path, { throwIfNoEntry: !path.includes('\ufffd') });
  if (stat === undefined) return 'named by no text';
  if (stat.isSymbolicLink()) return `link ${readlinkSync(path)}`;
  if (!stat.isFile()) return `${stat.mode}`;
  return `${stat.mode} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
}
