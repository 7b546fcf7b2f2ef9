/*
 * Where the work of a ticket is. An agent may leave its worktree anywhere: in the middle of a rebase, on a branch of its own, on
 * the base, on a detached HEAD. So the work is what the worktree's HEAD and the ticket's branch hold beyond the base:
 *   - where one of the two holds all that the other does, it is followed;
 *   - where each has commits that the other lacks, nobody but a person or an agent can decide (`undecided`);
 *   - where neither has any, another branch is followed whose last commit was made in this worktree, if there is but one.
 * Whatever is not followed is named (`elsewhere`). What HEAD has without a commit that was made here (somebody's branch that was
 * looked at) is named as well, and never followed.
 */
import { join } from 'node:path';
import { many } from '../model/text.ts';
import { branchKeys } from './branches.ts';
import { baseRefs, commitOf, git } from './git.ts';
import { madeIn, START } from './head.ts';
import { textOf } from './own.ts';
import { once, type Shared } from './turn.ts';

/** Commits, and the branch that ends with them; null = a detached HEAD. */
export interface Line {
  readonly name: string | null;
  readonly tip: string;
  /** How many of them the others lack. */
  readonly commits: number;
}

/** The line that is followed; its commits are counted where they are not on the ticket's branch. */
export interface Work extends Line {
  readonly elsewhere: readonly Line[];
  readonly undecided: boolean;
  /** Whether HEAD has a commit at all. */
  readonly unborn: boolean;
}

export interface Asked {
  readonly cwd: string;
  /** The git dir of the worktree; null = it is gone, and only the branch tells. */
  readonly own: string | null;
  /** The ticket's branch. */
  readonly branch: string | null;
  readonly base: { readonly remote: string; readonly base: string };
  /** What HEAD is, where that is known. */
  readonly head?: { readonly tip: string; readonly branch: string | null };
  /** What several worktrees of one repository ask alike. */
  readonly shared?: Shared;
}

/** `2 commits on fix`. */
export function lineWords({ name, tip, commits }: Line): string {
  return `${many(commits, 'commit')} on ${name ?? `a detached HEAD (${tip.slice(0, 12)})`}`;
}

type Candidate = Omit<Line, 'commits'>;

const HEADS = 'refs/heads/';
/** Branches that were made in one worktree, looked at one by one. */
const MOST_BRANCHES = 30;

/** null = there is neither a commit nor a branch of that name. Reads only. */
export async function workOf(asked: Asked): Promise<Work | null> {
  const { cwd, own, branch } = asked;
  const [{ at, ref }, refs] = await Promise.all([headOf(asked), refsOf(asked)]);
  const unborn = own !== null && at === null;
  const oid = branch === null ? undefined : refs.get(`${HEADS}${branch}`);
  const ticket: Candidate | null = oid === undefined ? null : { name: branch, tip: oid };
  const head: Candidate | null = at === null ? null : { name: ref?.replace(HEADS, '') ?? null, tip: at };
  const made = own === null ? null : await madeIn(own);
  const others = [...refs]
    .filter(([name, tip]) => made?.has(tip) === true && name.startsWith(HEADS))
    .filter(([name]) => name !== ref && name !== `${HEADS}${branch}`)
    .slice(0, MOST_BRANCHES)
    .map(([name, tip]): Candidate => ({ name: name.slice(HEADS.length), tip }));
  const isOwn = head !== null && (head.name === branch || made === null || made.has(head.tip));
  if (others.length === 0 && (head === null || head.tip === ticket?.tip || (isOwn && ticket === null))) {
    const only = ticket ?? head;
    return only === null ? null : { ...only, commits: 0, elsewhere: [], undecided: false, unborn };
  }
  const beyond = new Beyond(cwd, await basesOf(asked, refs, made));
  const first = await beyond.tops([ticket, isOwn ? head : null]);
  const second = first.length > 0 ? [] : await beyond.tops(others);
  const followed = first[0] ?? (second.length === 1 ? second[0] : undefined) ?? ticket ?? head ?? second[0];
  if (followed === undefined) return null;
  const [elsewhere, [line]] = [
    await beyond.lacking(followed, [ticket, head, ...others]),
    await beyond.lacking(ticket, [followed]),
  ];
  const lost = followed === head && !isOwn;
  const undecided = first.length > 1 || second.length > 1 || lost;
  return { ...followed, commits: line?.commits ?? 0, elsewhere, undecided, unborn };
}

/** The work of a ticket where HEAD does not have it: who looks at HEAD alone would take it for merged, or for none. */
export async function workBeside(
  { cwd, own, base, shared = new Map() }: Omit<Asked, 'branch' | 'head'>,
  {
    key,
    common,
    branch,
    tip,
  }: { readonly key: string; readonly common: string; readonly branch: string | null; readonly tip: string },
): Promise<readonly Line[]> {
  const keys = await branchKeys(common, shared);
  const mine = [...keys].filter(([, one]) => one === key).map(([name]) => name);
  const ticket = mine.length === 0 || mine.includes(branch ?? '') ? branch : (mine[0] ?? null);
  const work = await workOf({ cwd, own, base, branch: ticket, head: { tip, branch }, shared });
  if (work === null) return [];
  return [work, ...(work.undecided ? work.elsewhere : [])].filter((one) => one.tip !== tip);
}

/** The commit of HEAD, and the ref that it is on. */
async function headOf({ cwd, own, head }: Asked): Promise<{ at: string | null; ref: string | null }> {
  if (own === null) return { at: null, ref: null };
  if (head !== undefined)
    return { at: head.tip, ref: head.branch === null ? null : `${HEADS}${head.branch}` };
  const [at, on] = await Promise.all([commitOf(cwd, 'HEAD'), git(cwd, ['symbolic-ref', '--quiet', 'HEAD'])]);
  return { at, ref: on.ok ? on.stdout : null };
}

/** The tips of all branches here, and of the remote's base. */
async function refsOf({ cwd, base, shared = new Map() }: Asked): Promise<ReadonlyMap<string, string>> {
  const words = ['for-each-ref', '--format=%(objectname) %(refname)', '--', HEADS, baseRefs(base)[0]];
  const listed = await once(shared, 'branches', () => git(cwd, words, { most: 256 * 1024 * 1024 }));
  const lines = listed.stdout.split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => [line.slice(line.indexOf(' ') + 1), line.slice(0, line.indexOf(' '))]));
}

/** What counts as the base: not a base that this very worktree has committed to. And the commit that the work began at, which a base has no
 *  more that was rewritten. */
async function basesOf(
  { cwd, own, base }: Asked,
  refs: ReadonlyMap<string, string>,
  made: ReadonlySet<string> | null,
): Promise<readonly string[]> {
  const tips = baseRefs(base).flatMap((ref) => refs.get(ref) ?? []);
  const found = tips.filter((tip) => made?.has(tip) !== true);
  const start = own === null ? null : await commitOf(cwd, textOf(join(own, START)));
  return start === null ? found : [...found, start];
}

/** What commits hold beyond the base. */
class Beyond {
  readonly #cwd: string;
  readonly #bases: readonly string[];

  constructor(cwd: string, bases: readonly string[]) {
    this.#cwd = cwd;
    this.#bases = bases;
  }

  /** Those that have commits which none of the others has; of equals the first. */
  async tops(candidates: readonly (Candidate | null)[]): Promise<readonly Candidate[]> {
    const found: Candidate[] = [];
    for (const one of candidates)
      if (one !== null && !found.some(({ tip }) => tip === one.tip) && (await this.#count(one, [])) > 0)
        found.push(one);
    const tops: Candidate[] = [];
    for (const one of found) {
      const rest = found.filter((other) => other !== one).map(async (other) => this.#count(one, [other.tip]));
      if ((await Promise.all(rest)).every((count) => count > 0)) tops.push(one);
    }
    return tops;
  }

  /** Those that have commits which one lacks. */
  async lacking(than: Candidate | null, candidates: readonly (Candidate | null)[]): Promise<readonly Line[]> {
    const found: Line[] = [];
    for (const one of candidates) {
      if (one === null || one.tip === than?.tip || found.some(({ tip }) => tip === one.tip)) continue;
      const commits = await this.#count(one, than === null ? [] : [than.tip]);
      if (commits > 0) found.push({ ...one, commits });
    }
    return found;
  }

  async #count({ tip }: Candidate, without: readonly string[]): Promise<number> {
    const args = ['rev-list', '--count', tip, '--not', ...this.#bases, ...without, '--'];
    const done = await git(this.#cwd, args);
    // What can't be told is not left out.
    return done.ok && /^\d+$/.test(done.stdout) ? Number(done.stdout) : 1;
  }
}
