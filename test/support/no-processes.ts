/** Beside each unit test: a start of any process fails it, and says what to do, even where the program takes it for a tool that is not there. */
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import { afterEach } from 'vitest';

const tried: string[] = [];
for (const name of ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork'] as const)
  Object.defineProperty(childProcess, name, {
    value: (command: unknown) => {
      tried.push(String(command));
      throw new Error(`a unit test starts no process: ${String(command)}`);
    },
  });
syncBuiltinESMExports();

afterEach(() => {
  const found = tried.splice(0);
  if (found.length > 0)
    throw new Error(
      `a unit test tried to start ${found.join(', ')}: name its file in THROUGH_SRC of test/support/projects.ts`,
    );
});
