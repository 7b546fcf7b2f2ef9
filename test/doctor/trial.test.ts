/** doctor does what the first launch of a project will do, and says what that would meet. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Context } from '../../src/context.ts';
import { ok } from '../../src/doctor/finding.ts';
import { holdFindings } from '../../src/doctor/holds.ts';
import { serverFindings } from '../../src/doctor/server.ts';
import { trialFindings } from '../../src/doctor/trial.ts';
import { changeHolds } from '../../src/machine/holds.ts';
import { placesOf } from '../../src/machine/paths.ts';
import { begun } from '../../src/model/hold.ts';
import type { Project } from '../../src/model/policy.ts';
import { aPolicy, aProfile, aProject } from '../support/builders.ts';
import '../support/scratch.ts';
import { git } from '../support/git.ts';

const dir = mkdtempSync(join(tmpdir(), 'mc-doctor-trial-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const places = placesOf({ stateDir: join(dir, 'state'), config: join(dir, 'config.toml') }, {});
const repo = join(dir, 'repo');
const found = (over: Partial<Project>) =>
  trialFindings({ places } as Context, aPolicy({ projects: [aProject({ repo, ...over })] }));
const review = { push: true, remote: 'origin' } as Project['review'];

beforeAll(() => {
  mkdirSync(repo);
  git(repo, 'init', '-q', '-b', 'main');
  git(repo, 'commit', '-q', '--allow-empty', '-m', 'base');
});

it('makes nothing where nothing was set up', async () => {
  expect(await found({})).toEqual([]);
  expect(existsSync(places.state)).toBe(false);
});

it('is well where all comes through, and leaves not even the place of the worktrees', async () => {
  mkdirSync(places.state);
  expect(await found({ fetch: true })).toMatchObject([
    { result: 'ok', says: expect.stringMatching(/taken away again, there is no remote to fetch from/) },
  ]);
  git(dir, 'clone', '-q', '--bare', repo, 'remote');
  git(repo, 'remote', 'add', 'origin', join(dir, 'remote'));
  expect(await found({ fetch: true, review })).toMatchObject([
    { result: 'ok', says: expect.stringMatching(/taken away again, fetched, a push would be taken/) },
  ]);
  expect(existsSync(places.worktrees)).toBe(false);
});

it('says where an agent would commit as somebody else than a person does in the checkout', async () => {
  const condition = `includeIf.gitdir:${join(repo, '.git')}.path`;
  writeFileSync(join(dir, 'work.cfg'), '[user]\n\temail = ann@house.example\n');
  git(repo, 'config', condition, join(dir, 'work.cfg'));
  expect(await found({})).toMatchObject([
    { result: 'warn', says: expect.stringMatching(/commits as .+, and not as ann@house.example/) },
  ]);
  git(repo, 'config', '--unset', condition);
  git(repo, 'config', `includeIf.gitdir:${repo}/.path`, join(dir, 'work.cfg'));
  expect(await found({})).toMatchObject([{ result: 'ok' }]);
  git(repo, 'config', '--unset', `includeIf.gitdir:${repo}/.path`);
});

it('says what a launch, a fetch and a push would meet, each with what to do', async () => {
  expect(await found({ remote: 'origin', base: 'trunk', fetch: true })).toMatchObject([
    { result: 'fail', fix: expect.stringContaining('project.house.base') },
  ]);
  git(repo, 'remote', 'add', 'away', join(dir, 'nowhere'));
  expect(
    await found({ fetch: true, remote: 'away', review: { ...review, remote: 'away' } as Project['review'] }),
  ).toMatchObject([
    { result: 'warn', fix: expect.stringContaining('fetch = false') },
    { result: 'warn', says: expect.stringContaining('nowhere') },
  ]);
  writeFileSync(join(repo, '.gitattributes'), '* filter=f\n');
  git(repo, 'add', '.');
  git(repo, 'commit', '-q', '-m', 'filtered');
  git(repo, 'config', 'filter.f.required', 'true');
  git(repo, 'config', 'filter.f.smudge', 'mc-no-such-filter');
  expect(await found({ remote: 'none' })).toMatchObject([
    { result: 'fail', says: expect.stringContaining('mc-no-such-filter') },
  ]);
  // What the other findings say is not said twice.
  expect(await found({ repo: join(dir, 'gone') })).toEqual([]);
});

it('says what is held, and that a file which can not be read holds nothing', () => {
  const policy = aPolicy({ agents: [aProfile({ name: 'robot' })], projects: [aProject({ name: 'demo' })] });
  expect(holdFindings(places, policy, 0)).toMatchObject([{ result: 'ok' }]);
  const fault = { scope: 'agent:robot', because: 'program_missing', says: 'no robot' } as const;
  changeHolds(places, () => ({ holds: [begun(fault, '', 0)] }));
  expect(holdFindings(places, policy, 90_000)).toMatchObject([
    {
      check: 'held agent:robot',
      result: 'fail',
      says: expect.stringContaining('no robot (since 1m'),
      fix: expect.stringContaining('agent.robot.argv'),
    },
  ]);
  const none = aPolicy({ agents: [] });
  // Of one that the configuration names no more nothing is to be mended; a broken one names nothing.
  expect(holdFindings(places, none, 90_000)).toMatchObject([{ result: 'ok' }]);
  expect(holdFindings(places, { ...none, broken: ['x'] }, 90_000)).toMatchObject([{ result: 'fail' }]);
  // Mended, or well only in this environment: "install it" beside "ok" would contradict itself.
  const well = [ok('agent robot', 'robot 1.0')];
  expect(holdFindings(places, policy, 90_000, well)).toMatchObject([
    { result: 'warn', fix: expect.stringContaining('--as-cron') },
  ]);
  const hook = { scope: 'project:demo', because: 'hook_fails', says: 'no make' } as const;
  changeHolds(places, () => ({ holds: [begun(hook, '', 0)] }));
  expect(holdFindings(places, policy, 90_000, [ok('trial demo', 'a worktree was made')])).toMatchObject([
    { result: 'fail' },
  ]);
  writeFileSync(places.holds, 'nothing of ours');
  expect(holdFindings(places, policy, 0)).toMatchObject([
    { result: 'warn', fix: expect.stringContaining('holds.json') },
  ]);
});

it('a tmux that can not make its socket is told before the first launch; where it can, nothing is left of the try', async () => {
  const look = async (state: string) =>
    serverFindings(
      {
        tmux: { socket: join(state, 'tmux.sock'), serverFile: join(dir, 'none'), binary: 'tmux' },
        env: {},
      } as Context,
      [],
    );
  const fine = mkdtempSync(join(dir, 't-'));
  expect((await look(fine))[0]).toMatchObject({ result: 'ok' });
  expect(readdirSync(fine)).toEqual([]);
  // No file can be made there, whoever asks.
  expect((await look('/proc'))[0]).toMatchObject({
    result: 'fail',
    says: expect.stringMatching(/^tmux: error creating \/proc\/tmux\.try/),
  });
});
