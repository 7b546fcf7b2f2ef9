/** A fault that is no ticket's: met once, it holds its project, and lets go by itself. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { putTicket } from '../support/put.ts';
import { Rig } from '../support/rig.ts';
import { LIMITS } from '../support/sandbox.ts';

let rig: Rig;
let other = '';

const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: 'pipe',
  });

/** Every checkout of this repository fails, and `mend` mends it. */
function breakFilter(repo: string): void {
  writeFileSync(join(repo, '.gitattributes'), '*.bin filter=away\n');
  writeFileSync(join(repo, 'a.bin'), 'x');
  git(repo, 'add', '.');
  git(repo, 'commit', '-q', '-m', 'a file behind a filter');
  git(repo, 'config', 'filter.away.required', 'true');
  git(repo, 'config', 'filter.away.smudge', 'mc-no-such-filter');
}

interface Holds {
  holds: {
    scope: string;
    because: string;
    says: string;
    next_at_ms: number;
    looked_at_ms: number;
    tries: number;
  }[];
}
const file = () => join(rig.box.state, 'holds.json');
const holds = () => (existsSync(file()) ? (JSON.parse(readFileSync(file(), 'utf8')) as Holds).holds : []);
/** The next look is due: as it is after its wait. */
function due(): void {
  const all = JSON.parse(readFileSync(file(), 'utf8')) as Holds;
  const holds = all.holds.map((one) => ({
    ...one,
    next_at_ms: Date.now(),
    looked_at_ms: Date.now() - 60_000,
  }));
  writeFileSync(file(), JSON.stringify({ ...all, holds }));
}
/** What of trials is left in the repository and beside its worktrees. */
const left = (): string[] => [
  ...git(rig.box.repo, 'for-each-ref', '--format=%(refname)', 'refs/heads/mc/trial-*')
    .split('\n')
    .filter(Boolean),
  ...git(rig.box.repo, 'worktree', 'list', '--porcelain')
    .split('\n')
    .filter((line) => line.includes('trial')),
  ...readdirSync(join(rig.box.state, 'worktrees', 'demo')).filter((name) => name.includes('trial')),
  ...readdirSync(join(rig.box.repo, '.git')).filter((name) => name.includes('trial')),
];

beforeEach(() => {
  rig = new Rig();
  other = join(rig.box.dir, 'other');
  mkdirSync(other);
  git(other, 'init', '-q', '-b', 'main');
  git(other, 'commit', '-q', '--allow-empty', '-m', 'base');
  rig.configure({
    limits: LIMITS.replace(/max_agents = \d+/, 'max_agents = 20').replace(
      /max_launches_per_tick = \d+/,
      'max_launches_per_tick = 20',
    ),
    more: `[project.other]\nrepo = ${JSON.stringify(other)}\nbase = "main"\nfetch = false\n`,
  });
});
afterEach(async () => {
  await rig.box.destroy();
});

describe('a checkout that every ticket of a project meets', () => {
  it('costs one claim and no attempt, holds that project alone, and lets go in the tick of the look that finds it mended', async () => {
    breakFilter(rig.box.repo);
    const five = Array.from({ length: 5 }, () => rig.add('hold'));
    const free = putTicket(rig.box, {
      title: 'Do hold',
      body: 'behave: hold',
      project: 'other',
      agent: 'scripted',
    });

    const first = rig.tick();
    expect(first.dispatch.filter(({ result }) => result === 'launched').map(({ ticket }) => ticket)).toEqual([
      free,
    ]);
    expect(
      first.dispatch
        .filter(({ ticket }) => ticket !== free)
        .map(({ result }) => result)
        .sort(),
    ).toEqual([...['declined', 'declined', 'declined', 'declined', 'failed']]);
    expect(rig.box.sql('SELECT COUNT(*) AS n FROM runtime_sessions WHERE ticket_id <> ?', free)).toEqual([
      { n: 1 },
    ]);
    for (const id of five)
      expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, not_before_at_ms: null });
    expect(holds()).toMatchObject([{ scope: 'project:demo', because: 'checkout_fails', tries: 1 }]);
    expect(holds()[0]?.says).toContain('mc-no-such-filter');
    expect(left()).toEqual([]);

    // While it stands nothing is claimed, nothing fails, and a dry run says what a tick says.
    const second = rig.tick();
    expect(second).toMatchObject({ code: 0, outcome: 'ok', dispatch: [] });
    expect(second.skipped.map(({ because }) => because)).toEqual(Array(5).fill('held'));
    const before = readFileSync(file(), 'utf8');
    expect(rig.tick('dispatch', '--dry-run').skipped).toEqual(second.skipped);
    expect(readFileSync(file(), 'utf8')).toBe(before);
    const [head = ''] = rig.box.run(['status']).out.split('\n');
    expect(head).toMatch(/^held +project demo: .*mc-no-such-filter/);
    expect(rig.box.run(['explain', five[0] ?? '']).out).toMatch(/held: project:demo:.*mc-no-such-filter/s);

    // Looked at again in vain: the next look is later, and no ticket is touched.
    due();
    expect(rig.tick()).toMatchObject({ dispatch: [] });
    expect(holds()).toMatchObject([{ tries: 2 }]);

    git(rig.box.repo, 'config', 'filter.away.smudge', 'cat');
    // Its wait is not over: who asks doctor has mended something.
    expect(rig.box.run(['doctor']).out).toMatch(/^FAIL held project:demo .*mc-no-such-filter/m);
    const last = rig.tick();
    expect(last.dispatch.map(({ result }) => result)).toEqual(Array(5).fill('launched'));
    expect(holds()).toEqual([]);
    expect(left()).toEqual([]);
    const told = rig.box.sql<{ kind: string }>(
      "SELECT kind FROM activity WHERE kind IN ('held', 'let_go') ORDER BY id",
    );
    expect(told.map(({ kind }) => kind)).toEqual(['held', 'let_go']);
  });
});
