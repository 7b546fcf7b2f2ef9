/** A fault that is no ticket's: met once, it holds its project, and lets go by itself. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { putTicket } from '../support/put.ts';
import { type Report, Rig } from '../support/rig.ts';
import { BIN, LIMITS } from '../support/sandbox.ts';

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

    const first = await rig.tickHere();
    expect(first.dispatch.filter(({ result }) => result === 'launched').map(({ ticket }) => ticket)).toEqual([
      free,
    ]);
    expect(
      first.dispatch
        .filter(({ ticket }) => ticket !== free)
        .map(({ result }) => result)
        .sort(),
    ).toEqual([...['declined', 'declined', 'declined', 'declined', 'failed']]);
    // The line of the tick itself says what to do.
    expect(first.dispatch.find(({ result }) => result === 'failed')?.error).toMatch(/; mend what git/);
    expect(rig.box.sql('SELECT COUNT(*) AS n FROM runtime_sessions WHERE ticket_id <> ?', free)).toEqual([
      { n: 1 },
    ]);
    for (const id of five)
      expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, not_before_at_ms: null });
    expect(holds()).toMatchObject([{ scope: 'project:demo', because: 'checkout_fails', tries: 1 }]);
    expect(holds()[0]?.says).toMatch(/^git worktree: error: .*mc-no-such-filter/);
    expect(left()).toEqual([]);

    // While it stands nothing is claimed, nothing fails, and a dry run says what a tick says.
    const second = await rig.tickHere();
    expect(second).toMatchObject({ code: 0, outcome: 'ok', dispatch: [] });
    expect(second.skipped.map(({ because }) => because)).toEqual(Array(5).fill('held'));
    const before = readFileSync(file(), 'utf8');
    expect((await rig.tickHere('dispatch', '--dry-run')).skipped).toEqual(second.skipped);
    expect(readFileSync(file(), 'utf8')).toBe(before);
    expect(second).toMatchObject({ holds: [{ scope: 'project:demo', todo: expect.any(String) }] });
    const [head = ''] = (await rig.box.here(['status'])).out.split('\n');
    expect(head).toMatch(/^held +project demo: .*mc-no-such-filter/);
    expect((await rig.box.here(['explain', five[0] ?? ''])).out).toMatch(
      /now: nothing, because .*held.* project:demo: .*mc-no-such-filter/,
    );

    // Looked at again in vain: the next look is later, and no ticket is touched.
    rig.holdsDue();
    expect(await rig.tickHere()).toMatchObject({ dispatch: [] });
    expect(holds()).toMatchObject([{ tries: 2 }]);

    git(rig.box.repo, 'config', 'filter.away.smudge', 'cat');
    // Its wait is not over: who asks doctor has mended something.
    expect((await rig.box.here(['doctor'])).out).toMatch(
      /^warn held project:demo +it goes well here and now/m,
    );
    const last = await rig.tickHere();
    expect(last.dispatch.map(({ result }) => result)).toEqual(Array(5).fill('launched'));
    expect(holds()).toEqual([]);
    expect(left()).toEqual([]);
    const told = rig.box.sql<{ kind: string }>(
      "SELECT kind FROM activity WHERE kind IN ('held', 'let_go') ORDER BY id",
    );
    expect(told.map(({ kind }) => kind)).toEqual(['held', 'let_go']);
  });
});

/** A tick with one ticket of these: what came of it, and its warnings. */
async function launched(): Promise<{ result: string | undefined; said: string }> {
  const id = rig.add('hold');
  const { dispatch } = await rig.tickHere();
  const said = rig.box.sql<{ text: string }>(
    "SELECT text FROM activity WHERE ticket_id = ? AND kind = 'warning'",
    id,
  );
  return {
    result: dispatch.find(({ ticket }) => ticket === id)?.result,
    said: said.map(({ text }) => text).join(),
  };
}

it('an after_create that fails holds its ticket, and one that fails alike for another its project, until it comes through', async () => {
  const tool = join(rig.box.dir, 'tool');
  rig.configure({ project: `after_create = ["/bin/sh", "-c", "exec ${tool}"]` });
  const [one, two] = [rig.add('hold'), rig.add('hold')];
  rig.box.sql('UPDATE tickets SET not_before_at_ms = ? WHERE id = ?', Date.now() + 3_600_000, two);
  expect((await rig.tickHere()).dispatch).toMatchObject([
    { ticket: one, result: 'failed', error: expect.stringContaining('a program was not found') },
  ]);
  expect(rig.ticket(one)).toMatchObject({
    status: 'todo',
    attempts: 0,
    not_before_at_ms: expect.any(Number),
  });
  expect(holds()).toEqual([]);

  expect(await launched()).toMatchObject({ result: 'failed' });
  expect(holds()).toMatchObject([{ scope: 'project:demo', because: 'hook_fails' }]);
  rig.holdsDue();
  expect((await rig.tickHere()).dispatch).toEqual([]);
  writeFileSync(tool, '#!/bin/sh\n', { mode: 0o755 });
  rig.holdsDue();
  const { dispatch } = await rig.tickHere();
  expect(dispatch.map(({ result }) => result)).toContain('launched');
  expect([holds(), left()]).toEqual([[], []]);
});

it('a base that can not be fetched is a warning in one tick, and holds the project in the next; one that the remote does not have holds it at once', async () => {
  const remote = join(rig.box.dir, 'remote');
  git(rig.box.dir, 'clone', '-q', '--bare', rig.box.repo, remote);
  git(rig.box.repo, 'remote', 'add', 'origin', join(rig.box.dir, 'away'));
  rig.box.configure(
    readFileSync(rig.box.env.MC_PICKUP_CONFIG ?? '', 'utf8').replace('fetch = false', 'fetch = true'),
  );
  expect(await launched()).toMatchObject({
    result: 'launched',
    said: expect.stringContaining('the base may be old'),
  });
  expect(await launched()).toMatchObject({ result: 'failed' });
  expect(holds()).toMatchObject([{ scope: 'project:demo', because: 'fetch_fails' }]);
  git(rig.box.repo, 'remote', 'set-url', 'origin', remote);
  rig.holdsDue();
  expect((await rig.tickHere()).dispatch).toMatchObject([{ result: 'launched' }]);
  expect(holds()).toEqual([]);

  git(remote, 'branch', '-m', 'main', 'trunk');
  expect(await launched()).toMatchObject({ result: 'failed' });
  expect(holds()).toMatchObject([{ because: 'base_gone' }]);
  // What the configuration says of it has changed: that is looked at at once.
  rig.box.configure(
    readFileSync(rig.box.env.MC_PICKUP_CONFIG ?? '', 'utf8').replace('base = "main"', 'base = "trunk"'),
  );
  expect((await rig.tickHere()).dispatch).toMatchObject([{ result: 'launched' }]);
  expect(holds()).toEqual([]);
});

it('a client that is not there holds its profile alone', async () => {
  const robot = join(rig.box.dir, 'robot');
  rig.configure({ more: `[agent.robot]\nkind = "command"\nargv = [${JSON.stringify(robot)}]\n` });
  const ids = [1, 2].map(() =>
    putTicket(rig.box, { title: 't', body: 'behave: hold', project: 'demo', agent: 'robot' }),
  );
  const free = rig.add('hold');
  const first = await rig.tickHere();
  expect(first.dispatch).toMatchObject([
    {
      ticket: ids[0],
      result: 'failed',
      error: expect.stringMatching(/not found \(not there, or not executable\); install it, or name/),
    },
    { ticket: ids[1], result: 'declined' },
    { ticket: free, result: 'launched' },
  ]);
  expect(await rig.tickHere()).toMatchObject({ code: 0, dispatch: [] });
  expect(holds()).toMatchObject([{ scope: 'agent:robot', because: 'program_missing' }]);
  // What the configuration names no more is held for nobody.
  rig.configure();
  expect((await rig.box.here(['status'])).out).not.toMatch(/^held/m);
  expect(await rig.tickHere('dispatch', '--dry-run')).not.toHaveProperty('holds');
  await rig.tickHere();
  expect(holds()).toEqual([]);
  rig.configure({ more: `[agent.robot]\nkind = "command"\nargv = [${JSON.stringify(robot)}]\n` });
  await rig.tickHere();
  expect(holds()).toMatchObject([{ scope: 'agent:robot' }]);
  writeFileSync(robot, '#!/bin/sh\nsleep 60\n', { mode: 0o755 });
  rig.holdsDue();
  expect((await rig.tickHere()).dispatch.map(({ result }) => result)).toEqual(['launched', 'launched']);
});

it('a client that is not there has its fallback in its place, in the very tick that finds it missing, as a dry run says', async () => {
  const more = '[agent.robot]\nkind = "command"\nargv = ["/none/robot"]\nfallback = "scripted"\n';
  rig.configure({ more });
  const add = (...owner: string[]) => rig.add('hold', '--agent', 'robot', ...owner);
  const [id, own] = [add(), add('--owner', 'robot')];
  const planned = (await rig.tickHere('dispatch', '--dry-run')).dispatch;
  const done = await rig.tickHere();
  expect(done).toMatchObject({
    dispatch: [{ ticket: id, result: 'launched', evidence: { agent: 'scripted' } }],
    skipped: [{ ticket: own, because: 'held' }],
  });
  expect(planned).toMatchObject([{ ticket: id, evidence: { agent: 'scripted' } }]);
  expect(holds()).toMatchObject([{ scope: 'agent:robot', because: 'program_missing' }]);
});

it('a configuration that is broken meanwhile lets nothing go, since it names no project', async () => {
  breakFilter(rig.box.repo);
  expect(await launched()).toMatchObject({ result: 'failed' });
  const before = readFileSync(file(), 'utf8');
  rig.box.configure('[limits]\nmax_agnets = 1\n');
  await rig.tickHere();
  expect(readFileSync(file(), 'utf8')).toBe(before);
});

it.each([
  ['its socket can not be made', /tmux: error connecting to .*tmux.sock \(Is a directory\)/],
  ['its program is broken', /tmux: .*cannot open shared object file/],
])('a tmux that does not start holds the host, and costs no ticket a back-off: %s', async (what, says) => {
  const { state, env } = rig.box;
  const bin = join(rig.box.dir, 'tools');
  const broken = join(bin, 'broken');
  mkdirSync(bin);
  const real = execFileSync('/bin/sh', ['-c', 'command -v tmux'], { encoding: 'utf8' }).trim();
  const loader = 'echo "tmux: libevent.so.7: cannot open shared object file" >&2; exit 127';
  writeFileSync(join(bin, 'tmux'), `#!/bin/sh\n[ ! -e ${broken} ] || { ${loader}; }\nexec ${real} "$@"\n`, {
    mode: 0o755,
  });
  env.PATH = `${bin}:${env.PATH}`;
  const bad = what.startsWith('its socket') ? join(state, 'tmux.sock') : broken;
  rig.configure({ project: `after_create = ["mkdir", "-p", ${JSON.stringify(bad)}]` });
  const ids = [rig.add('hold'), rig.add('hold')];
  await rig.tickHere();
  expect(holds()).toMatchObject([
    { scope: 'host', because: 'tmux_fails', says: expect.stringMatching(says), tries: 1 },
  ]);
  rig.holdsDue();
  await rig.box.here(['dispatch']);
  for (const id of ids)
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, not_before_at_ms: null });
  rmdirSync(bad);
  rig.configure();
  rig.holdsDue();
  expect((await rig.tickHere()).dispatch.map(({ result }) => result)).toEqual(['launched', 'launched']);
  expect(holds()).toEqual([]);
});

/** A user who is no root: permissions are his too. */
const WEAK = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'] : ['env'];

it.each<[string, () => void]>([
  ['a directory', () => mkdirSync(file())],
  ['a file that may not be read', () => writeFileSync(file(), '{}', { mode: 0o000 })],
])('%s where what is held is noted holds the host: nothing is claimed in vain', (_, spoil) => {
  breakFilter(rig.box.repo);
  const id = rig.add('hold');
  spoil();
  const [program = '', ...words] = [...WEAK, process.execPath, BIN, 'dispatch', '--json'];
  const tick = (): Report =>
    JSON.parse(spawnSync(program, words, { env: rig.box.env, encoding: 'utf8' }).stdout);
  expect(tick()).toMatchObject({
    ...{ dispatch: [], skipped: [{ ticket: id, because: 'held' }] },
    holds: [{ scope: 'host', because: 'holds_unreadable', says: expect.stringContaining(file()) }],
  });
  expect(tick().dispatch).toEqual([]);
  expect(rig.box.sql('SELECT COUNT(*) AS n FROM runtime_sessions')).toEqual([{ n: 0 }]);
  // People hear of it once.
  expect(rig.box.sql("SELECT COUNT(*) AS n FROM activity WHERE kind = 'held'")).toEqual([{ n: 1 }]);
  rmSync(file(), { recursive: true });
  expect(tick().dispatch).toMatchObject([{ result: 'failed' }]);
  expect(holds()).toMatchObject([{ because: 'checkout_fails' }]);
});

it.each(['own', 'bin'])(
  'a directory of the state dir that may not be entered holds the host, and is named: %s',
  async (name) => {
    const [old = ''] = await rig.held(1);
    const ids = [rig.add('hold'), rig.add('hold')];
    const dir = join(rig.box.state, name);
    const [program = '', ...words] = [...WEAK, process.execPath, BIN, 'dispatch', '--json'];
    const tick = (): Report =>
      JSON.parse(spawnSync(program, words, { env: rig.box.env, encoding: 'utf8' }).stdout);
    chmodSync(dir, 0o000);
    try {
      expect(
        tick()
          .dispatch.map(({ result }) => result)
          .sort(),
      ).toEqual(['declined', 'failed']);
      expect(holds()).toMatchObject([
        { scope: 'host', because: 'no_permission', says: expect.stringContaining(dir) },
      ]);
      rig.holdsDue();
      expect(tick()).toMatchObject({ reconcile: [], dispatch: [] });
      expect(holds()).toMatchObject([{ tries: 2 }]);
      for (const id of ids)
        expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, not_before_at_ms: null });
      expect(rig.agents(old)).toHaveLength(1);
    } finally {
      chmodSync(dir, 0o700);
    }
    rig.holdsDue();
    expect(tick().dispatch.map(({ result }) => result)).toEqual(['launched', 'launched']);
    expect(holds()).toEqual([]);
  },
);
