/** Texts that clients read something into: the model's side has each of them once and unchanged, and no file that they name. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { RealKind, Rig } from '../support/clients/rig.ts';
import { MARK, type Told, withClients } from '../support/clients/scenario.ts';
import { git } from '../support/sandbox.ts';
import { waitFor } from '../support/wait.ts';

/** Stands in files that texts name: beside the repository, and in it. */
const SECRET = 'content-of-a-file-that-nobody-has-sent';

const WORDS = 'lorem ipsum dolor sit amet, consectetur adipiscing elit\n';

/** `OUT`: a file outside of the worktree. */
const TEXTS: readonly string[] = [
  '@OUT',
  'see @README.md and say what it is',
  'look at @READ',
  '@"OUT of all"',
  'ask @agent-name and @server:resource about it',
  '$foo',
  'use $foo',
  'use /review',
  '/help',
  '/clear',
  '#note',
  '!ls',
  '?',
  'exit',
  'quit',
  ':q',
  'it goes on here \\',
  'a\ttab, and one at the end\t',
  '  blanks around it  ',
  'first line\r\nsecond line\r\n',
  'bell \u0007 and \u001b[31mred\u001b[0m',
  'ends a paste \u001b[201~\n!touch pasted\n/clear',
  'look at PIC.png',
  `${WORDS.repeat(260)}end`,
  `${WORDS.repeat(260)}see @OUT for more`,
];

/** The ways in which it lets its model do something without being asked, beside the one that all other scenarios have. */
const MODES: Readonly<Record<RealKind, readonly string[]>> = {
  claude: ['plan', 'acceptEdits', 'bypassPermissions'],
  codex: ['read-only', 'workspace-write', 'never'],
  opencode: ['plan', 'auto'],
  gemini: ['plan', 'acceptEdits', 'bypassPermissions'],
};

withClients({}, (told) => {
  const { kind, scenario } = told;

  // In two halves, since each text is a turn of its own.
  const names = /[@$]/;
  for (const [what, texts] of [
    ['names in them', TEXTS.filter((text) => names.test(text))],
    ['their beginnings and ends', TEXTS.filter((text) => !names.test(text))],
  ] as const)
    scenario(
      `texts that clients read something into, by ${what}: the model has each once and unchanged`,
      async () => {
        const { one, id, named } = await begun(told);
        for (const text of texts.map(named)) await arrives(one, id, 'send', text);
        expectNoFile(one);
        expect(one.box.sql("SELECT DISTINCT outcome FROM deliveries WHERE kind = 'send'")).toEqual([
          { outcome: 'delivered' },
        ]);
      },
    );

  for (const mode of MODES[kind])
    scenario(`texts that go by file are read without a question: ${mode}`, async () => {
      const { one, id, named } = await begun(told, `permission_mode = "${mode}"`);
      await arrives(one, id, 'answer', named('the answer is in @OUT'));
      await arrives(one, id, 'send', named(`${WORDS.repeat(260)}see @OUT for more`));
      expectNoFile(one);
      expect(one.box.sql("SELECT 1 FROM deliveries WHERE kind = 'permission'")).toEqual([]);
    });

  scenario('headless, a ticket that names files is read and nothing of it is sent', async () => {
    const { one, id } = await begun(told, 'mode = "headless"\non_idle = "needs_input"');
    await one.untilStatus(id, 'needs_input', 90_000);
    expectNoFile(one);
  });

  scenario('a comment of a rework that names a file reaches the agent as it is', async () => {
    const { one, id, named } = await begun(told, 'on_idle = "review"');
    await one.untilStatus(id, 'in_review', 60_000);
    const comment = named('once more, with @OUT and @README.md');
    expect(await one.run('ticket', 'rework', id, '--message', comment)).toMatchObject({ code: 0 });
    await one.ticking(() => one.prompts(comment).length > 0, 'the comment at the model');
    expect(one.prompts(comment)).toHaveLength(1);
    expectNoFile(one);
  });
});

/** A ticket that holds all of the texts, at the end of its first turn. */
async function begun(told: Told, profile = '') {
  const one = await told.open(`max_nudges = 0\n${profile}`);
  const out = join(one.box.dir, 'beside.txt');
  writeFileSync(out, `${SECRET}\n`);
  writeFileSync(`${out} of all`, `${SECRET}\n`);
  writeFileSync(join(one.box.dir, 'pic.png'), SECRET);
  writeFileSync(join(one.box.repo, 'README.md'), `${SECRET}\n`);
  for (const words of [
    ['add', '-A'],
    ['commit', '-qm', 'A file with a name'],
  ])
    git(one.box, ...words);
  const named = (text: string) => text.replaceAll('OUT', out).replaceAll('PIC', join(one.box.dir, 'pic'));
  const body = `${MARK}\n${TEXTS.slice(0, -2).map(named).join('\n')}`;
  const id = await told.launched(one, body);
  // The whole prompt, once.
  const prompts = one.prompts(MARK);
  expect(prompts).toHaveLength(1);
  expect(prompts[0]).toContain(cleaned(body));
  return { one, id, named };
}

/** Sends it as soon as it may be, and waits until the model has it; once, and with nothing but fixed words around it. */
async function arrives(one: Rig, id: string, by: 'send' | 'answer', text: string): Promise<void> {
  const done = await waitFor(
    async () => {
      const ran = await one.run(by, id, text);
      return ran.code === 75 ? null : ran;
    },
    `the agent to be idle for ${JSON.stringify(text.slice(0, 60))}\n${one.screen(id)}`,
  );
  const what = () => `${JSON.stringify(text.slice(0, 80))}\n${one.log(id)}`;
  expect(done, what()).toMatchObject({ code: 0, err: '' });
  expect(done.out, what()).toMatch(/: delivered\n$/);
  const expected = cleaned(text);
  const holding = () => one.stub.brain.prompts.filter((prompt) => isIt(prompt, expected));
  try {
    await waitFor(() => holding().length > 0, 'the text at the model');
  } catch {
    expect.fail(`${what()}\n${JSON.stringify(one.stub.brain.prompts.slice(-2))}`);
  }
  expect(holding(), what()).toHaveLength(1);
}

function isIt(prompt: string, text: string): boolean {
  return prompt === text || prompt === `Message for you: ${text}`;
}

/** What the product itself takes away: control characters, other line ends than its own, blanks around what is said. */
function cleaned(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replace(/[\u0007\u001b]/g, '')
    .trim();
}

function expectNoFile(one: Rig): void {
  expect(one.stub.bodies.filter((body) => body.includes(SECRET))).toEqual([]);
}
