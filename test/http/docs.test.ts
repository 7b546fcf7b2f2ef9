/** The examples of docs/mission-control.md, run as they stand there. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Served } from '../support/mission-control/served.ts';

it('every shell block is carried out against a server, and none fails', async (context) => {
  if (spawnSync('curl', ['--version']).error) context.skip('curl is not installed');
  const blocks = [...readFileSync('docs/mission-control.md', 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)].map(
    ([, text]) => text,
  );
  expect(blocks.length).toBeGreaterThan(0);
  const server = await Served.start();
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-eu'], {
    env: { PATH: process.env.PATH, MC_URL: server.url, MC_TOKEN: server.token },
    input: blocks.join('\n'),
    encoding: 'utf8',
  });
  expect(await server.destroy()).toEqual([]);
  expect(`${stdout}${stderr}`).toContain('Mend the roof');
  expect(status, `${stdout}${stderr}`).toBe(0);
  // The key that came twice added one ticket.
  expect(stdout).toContain('"items":[{"id":"MC-1"');
  expect(stdout).not.toContain('"id":"MC-2"');
});
