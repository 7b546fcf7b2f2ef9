/** The client of GitHub against a mock that somebody else's program makes of GitHub's own description: each request must pass
 *  its validation, and each of its answers ours. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Wanted } from '../../src/publish/forge/forge.ts';
import { gitHub } from '../../src/publish/forge/github.ts';
import { cutDescription, gitHubDescription } from '../support/forge/description.ts';
import { until } from '../support/sandbox.ts';

let dir = '';
let file = '';
let reason = '';
try {
  file = gitHubDescription();
} catch (error) {
  reason = error instanceof Error ? error.message : String(error);
}
if (reason !== '' && process.env.CI) throw new Error(`GitHub's description can't be had: ${reason}`);

/** As the examples of the description have it. */
const WANTED: Wanted = {
  ticket: { id: 'MC-1', title: 'Roof', project: 'demo' },
  ...{
    branch: 'new-topic',
    head_owner: null,
    base: 'main',
    head: 'abc',
    title: 'MC-1: Roof',
    body: 'Text',
    draft: true,
  },
};

describe.skipIf(reason !== '')(
  reason === '' ? "GitHub's own description" : `GitHub's own description (left out: ${reason})`,
  () => {
    let mock: ChildProcess;
    let said = '';
    let url = '';
    beforeAll(async () => {
      dir = mkdtempSync(join(tmpdir(), 'mc-github-'));
      const cut = join(dir, 'github.json');
      const pulls = '/repos/{owner}/{repo}/pulls';
      cutDescription(file, [pulls, `${pulls}/{pull_number}`], cut);
      const port = await new Promise<number>((resolve) => {
        const probe = createServer().listen(0, '127.0.0.1', () => {
          const { port: free } = probe.address() as AddressInfo;
          probe.close(() => resolve(free));
        });
      });
      url = `http://127.0.0.1:${port}`;
      // Not with --errors: the examples that it answers with do not pass its own description.
      const args = ['mock', '--host', '127.0.0.1', '--port', String(port), cut];
      mock = spawn('node_modules/.bin/prism', args, { stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [mock.stdout, mock.stderr])
        stream?.on('data', (chunk: Buffer) => {
          said += chunk.toString();
        });
      expect(await until(() => said.includes('Prism is listening')), said).toBe(true);
    }, 90_000);
    afterAll(async () => {
      const gone = new Promise((resolve) => mock.once('exit', resolve));
      mock.kill();
      await gone;
      rmSync(dir, { recursive: true, force: true });
    });
    const client = () => gitHub({ repo: 'octocat/Hello-World', api_url: url, token: 't', now: Date.now });

    it('takes the search for a pull request by its branch, and its answer is understood', async () => {
      const found = await client().find(WANTED);
      expect(found, said).toMatchObject([
        { number: 1347, state: 'open', head: expect.stringMatching(/^[0-9a-f]+$/) },
      ]);
      expect(await client().find({ ...WANTED, branch: 'another' })).toEqual([]);
    });

    it('takes a new pull request', async () => {
      expect(await client().open(WANTED), said).toMatchObject({ number: 1347, state: 'open' });
    });

    it('takes a look at one', async () => {
      const known = { number: 7, url: 'https://x/7', state: 'open', head: null } as const;
      const one = await client().look(known, WANTED);
      expect(one.url).toMatch(/^https:\/\/github\.com\//);
      expect(['open', 'merged', 'closed']).toContain(one.state);
    });

    it('refuses a request that is not as described, so that the others have passed', async () => {
      const answer = await fetch(`${url}/repos/ann/shop/pulls`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify({ title: 'x' }),
      });
      expect(answer.status).toBe(422);
    });

    it('and what it knows nothing of is told as an error', async () => {
      const away = gitHub({ repo: 'ann/shop', api_url: `${url}/v9`, token: 't', now: Date.now });
      await expect(away.find(WANTED)).rejects.toMatchObject({
        name: 'ForgeError',
        message: expect.stringMatching(/answered|404/),
      });
    });
  },
);
