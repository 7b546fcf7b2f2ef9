/** What a person means is said once, and is not offered to be undone for a fortnight. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { restoreSettings, settingFindings, settleSettings } from '../../src/doctor/settings.ts';
import { noteLeft } from '../../src/workspace/commons-notes.ts';

const dir = realpathSync(mkdtempSync(join(tmpdir(), 'mc-meant-')));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('settings that changed during a run and are meant are told no more, and stay; one that changes later is told again', async () => {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: dir, encoding: 'utf8', stdio: 'pipe' }).trim();
  git('init', '-q');
  const at = { commons: join(dir, 'commons') };
  const change = (value: string, before: string[], at_ms: number): void => {
    git('config', 'user.name', value);
    const changes = [{ key: 'user.name', before, after: [value] }];
    noteLeft(at.commons, { common: join(dir, '.git'), at_ms, ticket: 'MC-1', changes });
  };
  change('Ann', [], 1000);
  expect(await settingFindings(at, 2000)).toMatchObject([{ fix: expect.stringContaining('doctor --meant') }]);
  expect(await settleSettings(at, 2000)).toEqual([
    expect.stringMatching(/config: user\.name is Ann, and was not set: it is meant/),
  ]);
  expect(await settingFindings(at, 2000)).toEqual([]);
  expect(await restoreSettings(at, 2000)).toEqual([]);
  change('Test Fixture', ['Ann'], 3000);
  expect(await settingFindings(at, 4000)).toHaveLength(1);
  await restoreSettings(at, 4000);
  expect(git('config', 'user.name')).toBe('Ann');
});
