/** The examples of docs/mission-control.md, run as they stand there. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Served } from '../support/mission-control/served.ts';
import { BIN, makeSandbox } from '../support/sandbox.ts';

it('every shell block is carried out against a server, and none fails', async (context) => {
  if (spawnSync('curl', ['--version']).error) context.skip('curl is not installed');
  const blocks = [...readFileSync('docs/mission-control.md', 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)].map(
    ([, text]) => text,
  );
  expect(blocks.length).toBeGreaterThan(0);
  const server = await Served.start();
  const box = makeSandbox();
  rmSync(box.env.MC_PICKUP_CONFIG ?? '');
  const bin = join(box.dir, 'bin');
  const tokens = join(box.env.HOME ?? '', '.config', 'mc-pickup');
  for (const dir of [bin, tokens]) mkdirSync(dir, { recursive: true });
  writeFileSync(join(bin, 'mc-pickup'), `#!/bin/sh\nexec ${process.execPath} ${BIN} "$@"\n`, { mode: 0o755 });
  writeFileSync(join(tokens, 'token'), `${server.token}\n`, { mode: 0o600 });
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-eu'], {
    env: { ...box.env, PATH: `${bin}:${process.env.PATH}`, MC_URL: server.url, MC_TOKEN: server.token },
    input: blocks.join('\n'),
    encoding: 'utf8',
  });
  const configured = readFileSync(box.env.MC_PICKUP_CONFIG ?? '', 'utf8');
  await box.destroy();
  expect(await server.destroy()).toEqual([]);
  expect(configured).toContain(`url = "${server.url}"`);
  expect(`${stdout}${stderr}`).toContain('Mend the roof');
  expect(status, `${stdout}${stderr}`).toBe(0);
  // The key that came twice added one ticket.
  expect(stdout).toContain('"items":[{"id":"MC-1"');
  expect(stdout).not.toContain('"id":"MC-2"');
});
