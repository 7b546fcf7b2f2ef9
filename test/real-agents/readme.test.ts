/** The README's way to a first ticket, typed line by line by somebody who is new, with the real client. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { blocksOf } from '../docs/blocks.ts';
import { makeWorld } from '../docs/world.ts';
import { CLIENTS, chosenClients, installed } from '../support/clients/rig.ts';
import { startStub } from '../support/model/stub.ts';
import { waitFor } from '../support/wait.ts';

it.skipIf(!chosenClients().includes('claude'))(
  'a new user gets from a fresh home to a ticket in review with the real client, by the lines of the README alone',
  { timeout: 240_000 },
  async () => {
    const stub = await startStub('claude');
    const world = await makeWorld('fresh');
    const { box } = world;
    const home = world.env.HOME ?? '';
    try {
      // What a user has who has started the client once and logged in; the model's address is the stub's.
      const setup = { home, repo: box.repo, worktrees: '', cache: installed('claude'), api: stub.url };
      const { argv, env } = CLIENTS.claude.prepare(setup);
      writeFileSync(join(home, '.claude.json'), JSON.stringify({ hasCompletedOnboarding: true }));
      writeFileSync(join(home, '.claude', 'settings.json'), JSON.stringify({ env }));
      const program = join(box.dir, 'bin', 'claude');
      rmSync(program);
      mkdirSync(join(home, '.local', 'bin'), { recursive: true });
      symlinkSync(argv[0] ?? '', program);
      const report = '$MC_PICKUP_STATE_DIR/bin/mc-pickup report review --message "The cookie is kept."';
      stub.brain.otherwise = [
        [
          'shell',
          'echo fixed > login.txt && git add -A && git -c user.name=agent -c user.email=agent@localhost commit -qm "Fix the login"',
        ],
        ['shell', report],
      ];

      const block = blocksOf('README.md').find(({ text }) =>
        text.includes('mc-pickup init --project --trust'),
      );
      const lines = (block?.text ?? '').split('\n').filter((line) => !/\b(attach|diff)\b/.test(line));
      expect(lines.length).toBeGreaterThan(5);
      const { marks, printed } = await world.type(lines.map((line) => `${line}\necho $? >&3`).join('\n'));
      expect(marks.trim().split('\n'), printed).toEqual(lines.map(() => '0'));

      const status = () => box.sql<{ status: string; reason_text: string }>('SELECT * FROM tickets')[0];
      const said: string[] = [];
      await waitFor(
        async () => {
          // What the scheduler does, and what the README says to do about a question.
          const line =
            status()?.status === 'needs_input' ? 'mc-pickup answer MC-1 --allow' : 'mc-pickup dispatch';
          said.push((await world.type(line)).printed);
          return status()?.status === 'in_review';
        },
        'the ticket to be in review',
        120_000,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${JSON.stringify(status())}\n${said.slice(-10).join('')}`);
      });
      expect(status()?.reason_text).toBe('The cookie is kept.');
      expect(await world.watch('mc-pickup attach MC-1')).toBe(0);
      expect((await world.type('git -C ~/src/shop log --oneline --all')).printed).toContain('Fix the login');
      expect(stub.errors).toEqual([]);
      await world.type('mc-pickup stop MC-1');
    } finally {
      await stub.close();
      await world.destroy();
    }
  },
);
