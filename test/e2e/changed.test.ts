import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from '../support/rig.ts';
import { git } from '../support/sandbox.ts';

let rig: Rig;
beforeAll(() => {
  rig = new Rig();
});
afterAll(() => rig.box.destroy());

test('what changed in the repository during a run is told on its ticket once, and settings go back by doctor --fix', async () => {
  const { box } = rig;
  const program = join(box.dir, 'clumsy');
  const script = `#!/bin/sh\ngit config core.bare true\ngit config user.name 'Test Fixture'\necho x >>${box.repo}/README.md\n`;
  writeFileSync(program, script, { mode: 0o755 });
  rig.configure({ more: `[agent.clumsy]\nkind = "command"\nargv = [${JSON.stringify(program)}]\n` });
  const id = rig.add('it', '--agent', 'clumsy');
  rig.tick();
  await rig.gone(rig.runs(id)[0]?.pid ?? 0);
  rig.tick();
  const told = box.sql<{ text: string }>(
    "SELECT text FROM activity WHERE because = 'changed_during_run' AND ticket_id = ?",
    id,
  );
  expect(told.map(({ text }) => text)).toEqual([
    expect.stringMatching(
      /core\.bare is true, and was false.*user\.name is Test Fixture, and was not set.*README\.md/,
    ),
  ]);
  expect(readdirSync(join(box.state, 'commons')).filter((name) => name.startsWith('run-'))).toEqual([]);
  const doctor = (...args: string[]) => box.run(['doctor', '--json', ...args]);
  const finding = JSON.parse(doctor().out).find(({ check }: { check: string }) => check === 'settings');
  expect(finding).toMatchObject({ result: 'warn', fix: expect.stringContaining('doctor --fix') });
  const fixed = doctor('--fix');
  expect(fixed.err).toMatch(/core\.bare is true, and was false: put back[\s\S]*kept as .*config-/);
  expect(fixed.out).not.toContain('"settings"');
  expect(git(box, 'config', '--get', 'core.bare')).toBe('false\n');
  expect(spawnSync('git', ['-C', box.repo, 'config', '--local', 'user.name'], { env: box.env }).status).toBe(
    1,
  );
});
