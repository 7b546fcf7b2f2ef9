/*
 * The way out of one ticket. Each deed is written down before it is done and looked for before it is done again: a push of
 * the same commit is the same push, and a pull request is searched by its branch before one is opened. So a process may
 * die at any point, an answer may be lost, and the next tick goes on from what is there.
 */
import type { Board, NewTicket, ReviewRow } from '../board/port/index.ts';
import type { Limits } from '../model/policy.ts';
import { retryAfter } from '../model/retry.ts';
import type { Runtime } from '../model/runtime.ts';
import { oneLine } from '../model/text.ts';
import { type BranchDiff, branchDiff, droppedWords, type Looked } from '../workspace/diff.ts';
import { few } from '../workspace/kept.ts';
import { committedOf } from '../workspace/placed.ts';
import { isOurBranch, pushBranch } from '../workspace/push.ts';
import { headOwner } from '../workspace/remotes.ts';
import { stashWords } from '../workspace/stashes.ts';
import { lineWords } from '../workspace/work.ts';
import { type Forge, ForgeError, isForgeError, type PullRequest, type Wanted } from './forge/forge.ts';
import type { PublishStep } from './plan.ts';
import { bodyOf, readerOf, titleOf } from './words.ts';

/** After so many failures it is left for a person. */
const MOST_FAILURES = 10;
const MOST_RUNS = 20;
const ACTOR = 'forge';

export interface PublishHands {
  readonly board: Board;
  readonly host_id: string;
  readonly limits: Limits;
  readonly clock: () => number;
  /** Where is noted what worktrees were given of the main checkout. */
  readonly placed: string;
  readonly forgeOf: (step: PublishStep) => Promise<Forge>;
}

/** What became of one ticket, for people. `news`: it was not known before. */
export interface Told {
  readonly ticket: string;
  readonly text: string;
  readonly failed: boolean;
  readonly news: boolean;
}

/** Someone else has changed the row or the ticket: an outcome, as everywhere. */
class Lost extends Error {}

/** Nothing that trying again would mend. */
class Refused extends Error {}

/** Brings one ticket as far as it goes now. null = it is not this host's, or somebody else was faster. */
export async function publishOne(step: PublishStep, hands: PublishHands): Promise<Told | null> {
  const run = (await hands.board.runtimesOf({ ticket: step.ticket.id, limit: MOST_RUNS })).find(
    ({ branch }) => branch !== null,
  );
  // The work is where the agent was.
  if (run !== undefined && run.host_id !== hands.host_id) return null;
  const way = new Way(step, run ?? null, hands);
  try {
    return await way.go();
  } catch (error) {
    try {
      if (error instanceof Lost) return null;
      if (error instanceof Refused) return await way.failed(error.message, { last: true });
      if (isForgeError(error)) return await way.failed(error.message, { until_ms: error.until_ms });
      throw error;
    } catch (second) {
      if (second instanceof Lost) return null;
      throw second;
    }
  }
}

class Way {
  readonly #step: PublishStep;
  readonly #run: Runtime | null;
  readonly #hands: PublishHands;
  readonly #news: string[] = [];
  /** What stands in the way of the branch, but not of its pull request. */
  #trouble: string | null = null;
  #row: ReviewRow;

  constructor(step: PublishStep, run: Runtime | null, hands: PublishHands) {
    this.#step = step;
    this.#run = run;
    this.#hands = hands;
    const { ticket, row } = step;
    this.#row = row ?? {
      ...{ ticket_id: ticket.id, claim_epoch: ticket.claim_epoch, run_id: run?.id ?? '' },
      ...{ branch: run?.branch ?? '', head: null, stage: 'read', number: null, url: null, reader: null },
      ...{ error: null, attempts: 0, next_at_ms: null, ticket_version: ticket.version },
      ...{ updated_at_ms: hands.clock(), version: 0 },
    };
  }

  async go(): Promise<Told> {
    const { spec, project, ticket } = this.#step;
    const run = this.#ourRun();
    // Wherever its agent has left the work, it goes out by the ticket's own name.
    const branch = run.branch ?? '';
    if (!isOurBranch(branch, ticket.id, { prefix: project.branch_prefix, made: branch }))
      throw new Refused(`"${oneLine(branch, 100)}" is no branch of ${ticket.id}: nothing is pushed`);
    const looked = await branchDiff({
      ...{ project, worktree: run.worktree, branch, placed: this.#hands.placed },
    });
    // What is out already may be merged, and its branch cleared away: then only the forge is asked.
    if (!this.#isOut()) this.#fitToGo(looked);
    if (looked.ok) {
      await this.#askReader(looked.diff, branch);
      // Its agent may have gone on after its report.
      const wentOn = spec.push && this.#row.head !== null && looked.diff.tip !== this.#row.head;
      if (this.#step.does.includes('push') || wentOn) await this.#push(looked, branch);
    }
    if (spec.pull_request === 'none') {
      await this.#save({ stage: spec.push ? 'pushed' : 'read', next_at_ms: null, error: null, attempts: 0 });
      return this.#told();
    }
    const one = await this.#pullRequest(run);
    if (one.state !== 'open') return this.#settle(one.state);
    const next_at_ms = this.#now() + spec.check_minutes * 60_000;
    await this.#save({ stage: 'open', next_at_ms, error: this.#trouble, attempts: 0 });
    return this.#told();
  }

  /** Records a failure. The same one again is no news. */
  async failed(
    why: string,
    { until_ms = null, last = false }: { readonly until_ms?: number | null; readonly last?: boolean },
  ): Promise<Told> {
    const { ticket } = this.#step;
    const error = oneLine(why, 400);
    const news = error !== this.#row.error;
    const attempts = this.#row.attempts + (until_ms === null ? 1 : 0);
    const limits = { ...this.#hands.limits, max_attempts: MOST_FAILURES };
    const next = retryAfter(ticket.id, attempts - 1, this.#now(), limits).not_before_at_ms;
    const next_at_ms = last ? null : (until_ms ?? next);
    const stage = last ? 'refused' : this.#row.stage;
    await this.#save({ stage, error, attempts, next_at_ms });
    if (news) await this.#log('warning', 'publish_failed', error);
    const then = next_at_ms === null ? `; left for you: mc-pickup ticket publish ${ticket.id}` : '';
    return { ticket: ticket.id, text: `${error}${then}`, failed: true, news };
  }

  #now(): number {
    return this.#hands.clock();
  }

  #isOut(): boolean {
    return this.#row.head !== null || this.#row.url !== null;
  }

  /** The run whose work this is. A person who has taken the ticket since pushes their own work. */
  #ourRun(): Runtime {
    const { ticket } = this.#step;
    const run = this.#run;
    if (run === null) throw new Refused('no agent has made a branch for it');
    if (run.claim_epoch !== ticket.claim_epoch || run.owner !== ticket.owner)
      throw new Refused('a person has taken it since its agent worked: nothing is pushed');
    return run;
  }

  #fitToGo(looked: Looked): void {
    if (!looked.ok) throw new ForgeError(looked.error);
    const { commits, merged, base, undecided } = looked.diff;
    if (undecided) throw new Refused(twoWays(looked.diff));
    if (commits.length > 0) return;
    throw new Refused(
      merged
        ? `${base.name} holds all its commits already`
        : `its branch has no commits of its own${besides(looked.diff)}`,
    );
  }

  /** The reader's ticket is added with the row that names it, so there is one for each claim. */
  async #askReader({ branch: on, tip }: BranchDiff, branch: string): Promise<void> {
    const { spec, project, ticket } = this.#step;
    if (spec.reviewer === null || !this.#step.does.includes('read')) return;
    await this.#save({ branch }, readerOf(ticket, spec.reviewer, on === 'HEAD' ? tip : on, project.base));
    this.#news.push(`${this.#row.reader} is to read it`);
    await this.#log('published', 'reader', `${this.#row.reader} is to read it first`);
  }

  async #push({ diff }: Extract<Looked, { ok: true }>, branch: string): Promise<void> {
    const { spec, project } = this.#step;
    const { tip: head, uncommitted, undecided, branch: on } = diff;
    if (this.#row.head === head) return;
    if (undecided) return this.#bothered(twoWays(diff));
    const lacking = diff.submodules.find(({ on_remote }) => !on_remote);
    if (lacking !== undefined)
      throw new ForgeError(
        `nobody could check ${branch} out: its submodule ${lacking.path} is at ${lacking.to?.slice(0, 12)}, which is not on the submodule's remote; push it there: git -C ${lacking.inside} push origin ${lacking.to}:refs/heads/${branch}`,
      );
    await this.#withoutGiven(diff);
    if (this.#row.url === null) await this.#save({ stage: 'pushing', branch });
    const pushed = await pushBranch(project.repo, { remote: spec.remote, branch, head });
    if (!pushed.ok) {
      if (pushed.because === 'failed') throw new ForgeError(pushed.error);
      if (this.#row.url === null) throw new Refused(pushed.error);
      // Somebody has committed to it there. What becomes of the pull request is looked at all the same.
      return this.#bothered(pushed.error);
    }
    await this.#save({ stage: this.#row.url === null ? 'pushed' : 'open', head, branch });
    const from =
      on === branch
        ? ''
        : `, as its agent left it on ${on === 'HEAD' ? 'a detached HEAD' : oneLine(on, 100)}`;
    const what = `pushed ${branch} to ${spec.remote} (${head.slice(0, 12)}${from})`;
    this.#news.push(what);
    await this.#log('published', 'pushed', what);
    if (uncommitted.length > 0)
      await this.#log(
        'warning',
        'uncommitted',
        `${uncommitted.length} files of its worktree are not committed: they are not in what was pushed`,
      );
    if (diff.dropped > 0)
      await this.#log(
        'warning',
        'base_rewritten',
        `pushed with what its base has no more: ${droppedWords(diff)}`,
      );
    if (diff.stashed.length > 0)
      await this.#log(
        'warning',
        'uncommitted',
        `stashed by its agent, and not in what was pushed: ${diff.stashed.map(stashWords).join(', ')}`,
      );
  }

  /** What was copied from the main checkout may hold secrets, and what is out is out. */
  async #withoutGiven({ cwd, base, tip }: BranchDiff): Promise<void> {
    const at = { notes: this.#hands.placed, worktree: this.#run?.worktree ?? '', cwd };
    const given = await committedOf(at, `${base.sha}..${tip}`);
    if (given.length > 0)
      throw new Refused(
        `its commits have ${few(given)}, which its worktree was given from the main checkout: nothing is pushed until they are out of its history`,
      );
  }

  async #bothered(why: string): Promise<void> {
    this.#trouble = oneLine(why, 400);
    if (this.#trouble === this.#row.error) return;
    this.#news.push(this.#trouble);
    await this.#log('warning', 'publish_failed', this.#trouble);
  }

  async #pullRequest(run: Runtime): Promise<PullRequest> {
    const { spec, project, ticket, earlier } = this.#step;
    const { branch, head, number, url } = this.#row;
    if (head === null) throw new ForgeError('its branch has not been pushed yet');
    const wanted: Wanted = {
      ticket: { id: ticket.id, title: oneLine(ticket.title, 300), project: project.name },
      ...{ branch, base: project.base, head, draft: spec.draft },
      head_owner: await headOwner(project.repo, spec),
      ...{ title: titleOf(ticket), body: bodyOf(ticket, run.id) },
    };
    const forge = await this.#hands.forgeOf(this.#step);
    if (url !== null) return forge.look({ number, url, state: 'open', head }, wanted);
    const before = new Set(earlier.map((one) => one.url));
    const there = await forge.find(wanted);
    // One that an earlier claim has brought to its end says nothing of this one.
    const mine =
      there.find(({ state }) => state === 'open') ??
      there.find((one) => one.head === head && !before.has(one.url));
    if (mine === undefined) await this.#save({ stage: 'opening' });
    const one = mine ?? (await forge.open(wanted));
    await this.#save({ stage: 'open', number: one.number, url: one.url });
    this.#news.push(`${mine === undefined ? 'opened' : 'found'} ${one.url}`);
    await this.#log('published', mine === undefined ? 'opened' : 'found', one.url);
    return one;
  }

  /** The forge has decided. Forward only, and only from the very ticket that was looked at: a person's move in between
   *  stands. */
  async #settle(state: 'merged' | 'closed'): Promise<Told> {
    const { ticket } = this.#step;
    const to = state === 'merged' ? 'done' : 'cancelled';
    const why = `${state}: ${this.#row.url}`;
    const move = { to, why, trusted: false } as const;
    if (
      (await this.#hands.board.move(
        { ticket: ticket.id, version: ticket.version, ...move },
        { actor: ACTOR, now_ms: this.#now() },
      )) === 'lost'
    )
      throw new Lost();
    await this.#save({ stage: state, next_at_ms: null, error: null, attempts: 0 });
    await this.#log('published', state, this.#row.url ?? '');
    return { ticket: ticket.id, text: `${why}: the ticket is ${to}`, failed: false, news: true };
  }

  #told(): Told {
    const text = this.#news.length > 0 ? this.#news.join(', ') : `still ${this.#row.stage}`;
    return { ticket: this.#step.ticket.id, text, failed: false, news: this.#news.length > 0 };
  }

  async #save(change: Partial<ReviewRow>, reader: NewTicket | null = null): Promise<void> {
    const { ticket } = this.#step;
    const { board } = this.#hands;
    // Whoever dies after this leaves it due.
    const now = this.#now();
    const due = { ticket_version: ticket.version, updated_at_ms: now, next_at_ms: now };
    const next = { ...this.#row, ...due, ...change };
    if ((await board.saveReview({ review: next, reader })) === 'lost') throw new Lost();
    this.#row = { ...next, version: next.version + 1 };
    if (reader === null) return;
    const rows = (await board.reviews([ticket.id])) ?? [];
    const mine = rows.find(({ claim_epoch }) => claim_epoch === ticket.claim_epoch);
    if (mine === undefined || mine.version !== this.#row.version) throw new Lost();
    this.#row = mine;
  }

  async #log(kind: string, because: string, text: string): Promise<void> {
    await this.#hands.board.log({
      ...{ at_ms: this.#now(), ticket_id: this.#step.ticket.id, run_id: this.#run?.id ?? null },
      ...{ actor: ACTOR, kind, because, text: oneLine(text, 500) },
    });
  }
}

/** Nobody but a person or its agent knows which of them are the work. */
function twoWays(diff: BranchDiff): string {
  return `its work is on ${oneLine(diff.branch, 100)}${besides(diff)}: bring together in its worktree what belongs to it, nothing is pushed before`;
}

function besides({ elsewhere }: BranchDiff): string {
  return elsewhere.length === 0
    ? ''
    : `, and beside it there are ${oneLine(elsewhere.map(lineWords).join(', '), 200)}`;
}
