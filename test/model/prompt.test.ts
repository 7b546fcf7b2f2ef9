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
