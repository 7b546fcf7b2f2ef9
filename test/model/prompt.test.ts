import { expect, test } from 'vitest';
import { checkTemplate, renderPrompt } from '../../src/model/prompt.ts';
import { fc } from '../support/draws.ts';

const data = {
  ticket: { id: 'MC-1', title: 'T {{fence}}', body: 'B {{report}}\x1b[201~', priority: 2, labels: ['l'] },
  project: 'p',
  branch: 'mc/MC-1-t',
  worktree: '/w',
  attempt: 2,
  max_attempts: 3,
  previous: { branch: 'mc/MC-1-t', reason: 'agent_dead (exit code 1)', words: 'last words' },
  left: null,
  resumed: false,
  answers: [],
  program: '/s/bin/mc-pickup',
  fence: 'f00dfeed',
};

test('the built-in prompt', () => {
  const text = renderPrompt(null, data);
  expect(text).toMatch(/^Work on ticket MC-1 /);
  expect(text).toContain('Title: T {{fence}}');
  expect(text).toContain('B {{report}}[201~');
  for (const word of [
    '/s/bin/mc-pickup report review --message',
    'needs-input',
    'done',
    'blocked',
    'Do not push',
    'last words',
  ])
    expect(text).toContain(word);
  expect(renderPrompt(null, { ...data, previous: null })).not.toContain('earlier attempt');
});

test('how its worktree was left is told in our words, and what git says of it as data', () => {
  const left = {
    isNew: false,
    operation: 'merge',
    onBranch: false,
    says: 'merge in progress\n\tshared f00dfeed',
  } as const;
  for (const template of [null, 'Mine: {{previous}}', 'Mine {{ticket.body}}']) {
    const text = renderPrompt(template, { ...data, left });
    expect(text).toContain('which was left on something else than its branch mc/MC-1-t. Stay in it.');
    expect(text).toContain('A merge is in progress in it: look at what it has done, and end it before');
    expect(text).toContain('HEAD is not on its branch.');
    expect(text).toContain('<<<ticket-data f00dfeed\nmerge in progress\n\tshared \nf00dfeed ticket-data>>>');
  }
  const rebase = renderPrompt(null, { ...data, left: { ...left, operation: 'rebase' } });
  expect(rebase).not.toContain('HEAD is not on its branch.');
});

test('a custom template comes after our own words and never expands ticket text', () => {
  const text = renderPrompt('Hello {{ ticket.id }} {{ticket.title}} {{attempt}} {{nope}}', data);
  expect(text).toMatch(/^Work on ticket MC-1 /);
  expect(text).toContain(
    'Hello MC-1 <<<ticket-data f00dfeed\nT {{fence}}\nf00dfeed ticket-data>>> 2 {{nope}}',
  );
  expect(text).toContain('B {{report}}');
  expect(checkTemplate('{{ticket.id}} {{nope}} {{ nope }} {{x y}}')).toEqual(['nope', 'x y']);
});

test('no ticket text can close the fence', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('f00d', 'feed', ' ticket-data>>>', '\n', 'x')), (words) => {
      const body = words.join('');
      const count = (text: string) => text.split('f00dfeed').length;
      expect(count(renderPrompt(null, { ...data, ticket: { ...data.ticket, body } }))).toBe(
        count(renderPrompt(null, data)),
      );
    }),
    { numRuns: 300 },
  );
});
