/** Questions of the clients' own tools, as their screens show them, and the keys that answer them. */
import { describe, expect, it } from 'vitest';
import type { ChoiceDialog } from '../../src/agents/adapter.ts';
import { claudeChoice } from '../../src/agents/claude/choice.ts';
import { codexChoice } from '../../src/agents/codex/choice.ts';
import { choiceText, chosenIn, dialogOf } from '../../src/model/choice.ts';

const RULE = '─'.repeat(100);
const claude = (
  body: string,
  foot = `  4. Chat about this\n\nEnter to select · ↑/↓ to navigate · Esc to cancel`,
) => `❯ Do it: "1. yes"\n  1. red\n\n${RULE}\n${body}\n${RULE}\n${foot}\n`;
const one = (at: number, own = 'Type something.') => {
  const row = (n: number, label: string) => `${n === at ? '❯' : ' '} ${n}. ${label}`;
  return claude(
    ` ☐ Choice\n\nWhich colour?\n\n${row(1, 'red')}\n     Choose red\n${row(2, 'blue "sky"; #{x}')}\n     Choose blue\n${row(3, own)}`,
  );
};
const several = (ticks: string) => {
  const rows = ['S', 'M'].map((label, n) => `${n === 0 ? '❯' : ' '} ${n + 1}. [${ticks[n]}] ${label}`);
  return claude(
    `←  ${ticks.trim() === '' ? '☐' : '☒'} Choice  ☐ Choice  ✔ Submit  →\n\nWhich size?\n\n${rows.join('\n')}\n  3. [ ] Type something\n     Next`,
  );
};
const review = (answered: string) =>
  `${RULE}\n←  ☒ Choice  ${answered} Choice  ✔ Submit  →\n\nReview your answers\n\n ● Which size?\n   → S\n\nReady to submit your answers?\n\n❯ 1. Submit answers\n  2. Cancel\n`;
const codex = (at: number, head = 'Question 1/2 (2 unanswered)', notes = '') =>
  [
    `  ${head}`,
    '  Which colour?',
    '',
    ...[
      'red                Choose red',
      'blue               Choose blue',
      'None of the above  Optionally, add details in notes (tab)',
    ].map((label, n) => `  ${n + 1 === at ? '›' : ' '} ${n + 1}. ${label}`),
    ...(notes === ''
      ? ['', '  tab to add notes | enter to submit answer | esc to interrupt']
      : ['', `  › ${notes}`, '', '  tab or esc to clear notes | enter to submit answer']),
  ].join('\n');

const next = (dialog: ChoiceDialog, screen: string, said: string, name?: string) => {
  const open = dialog.read(screen);
  const chosen = chosenIn(said, open ?? { question: '', options: ['a', 'b', 'c', 'd'], many: true });
  if ('wrong' in chosen) throw new Error(chosen.wrong);
  return dialog.next(screen, name ?? open?.name ?? '', chosen);
};

describe('Claude Code', () => {
  it('is answered by the digit of an option, once the very rows are shown', () => {
    expect(claudeChoice.read(one(1))).toMatchObject({
      question: 'Which colour?',
      options: ['red', 'blue "sky"; #{x}'],
      many: false,
    });
    expect(next(claudeChoice, one(1), '2')).toEqual({
      do: 'keys',
      keys: ['2'],
      shows: ['Which colour?', '2. blue "sky"; #{x}'],
    });
    expect(next(claudeChoice, one(1), 'RED')).toMatchObject({ keys: ['1'] });
  });

  it('takes a text in the place for it, without its Enter before it is there', () => {
    expect(next(claudeChoice, one(1), 'my own')).toMatchObject({ do: 'keys', keys: ['3'] });
    expect(next(claudeChoice, one(3), 'my own')).toMatchObject({ do: 'paste' });
    expect(next(claudeChoice, one(3, 'my own'), 'my own')).toMatchObject({
      keys: ['Enter'],
      shows: ['Which colour?', '❯ 3. my own'],
    });
  });

  it('has each option ticked or not as it was chosen, leads on, and submits only what is answered whole', () => {
    expect(claudeChoice.read(several('  '))).toMatchObject({ options: ['S', 'M'], many: true });
    expect(next(claudeChoice, several('  '), '1 2')).toMatchObject({ keys: ['1'] });
    expect(next(claudeChoice, several('✔ '), '1,2')).toMatchObject({ keys: ['2'] });
    expect(next(claudeChoice, several('✔✔'), '2')).toMatchObject({ keys: ['1'] });
    expect(next(claudeChoice, several('✔✔'), '1,2')).toMatchObject({ keys: ['Tab'] });
    expect(next(claudeChoice, several('  '), 'neither')).toMatchObject({ do: 'refuse' });
    expect(claudeChoice.read(review('☒'))).toBeNull();
    expect(next(claudeChoice, review('☒'), '1')).toMatchObject({
      keys: ['1'],
      shows: ['❯ 1. Submit answers'],
    });
    expect(next(claudeChoice, review('☐'), '1')).toMatchObject({ do: 'refuse' });
  });

  it('is not taken for one where a text shows such a dialog, or another question is open', () => {
    expect(claudeChoice.read('❯ Do it\n ☐ Choice\n\nWhich?\n\n❯ 1. red\n  2. blue\n')).toBeNull();
    expect(claudeChoice.read(`${RULE}\n❯ \n${RULE}\n`)).toBeNull();
    expect(next(claudeChoice, one(1), '2', 'Which size?')).toEqual({ do: 'nothing' });
    expect(next(claudeChoice, '', '2', 'Which size?')).toEqual({ do: 'nothing' });
  });
});

describe('Codex', () => {
  it('is answered by the digit of an option; "None of the above" is the place for a text', () => {
    expect(codexChoice.read(codex(1))).toMatchObject({
      question: 'Which colour?',
      options: ['red', 'blue'],
      many: false,
    });
    expect(next(codexChoice, codex(1), 'blue')).toEqual({
      do: 'keys',
      keys: ['2'],
      shows: ['Question 1/2', 'Which colour?', '2. blue               Choose blue'],
    });
    expect(next(codexChoice, codex(1), 'my own')).toMatchObject({ keys: ['Down'] });
    expect(next(codexChoice, codex(3), 'my own')).toMatchObject({ keys: ['Tab'] });
    expect(next(codexChoice, codex(3, undefined, 'Add notes'), 'my own')).toMatchObject({ do: 'paste' });
    expect(next(codexChoice, codex(3, undefined, 'my own'), 'my own')).toMatchObject({ keys: ['Enter'] });
    // A digit would be put into the note that somebody writes.
    expect(next(codexChoice, codex(3, undefined, 'my'), '2')).toMatchObject({ do: 'refuse' });
  });

  it('tells questions of one call apart, of the same words too', () => {
    const first = codexChoice.read(codex(1))?.name;
    expect(next(codexChoice, codex(1, 'Question 2/2 (1 unanswered)'), '2', first)).toEqual({ do: 'nothing' });
    expect(codexChoice.read('  Question 1/2 (2 unanswered)\n  Which?\n  › 1. red  x\n')).toBeNull();
  });
});

it('the text of a question holds its options, and an agent can not write one that is not there', () => {
  const text = choiceText([{ question: 'Which\n  1. fake', options: ['red\n  9. x', 'blue'], many: true }]);
  expect(text).toBe('Which 1. fake (several may be chosen)\n  1. red 9. x\n  2. blue');
  expect(dialogOf(text)).toBe('choice');
  expect(dialogOf('Permission for Bash: echo\n  1. red')).toBe('permission');
  expect(dialogOf('The client shows a dialog: mc-pickup attach MC-1')).toBe('attach');
  expect([dialogOf('Claude needs your permission'), dialogOf(null)]).toEqual(['unknown', 'unknown']);
  const choice = { question: '', options: ['red', '2'], many: false };
  expect(['1', 'Red', '2', 'neither', '3', '0', '1,2'].map((said) => chosenIn(said, choice))).toEqual([
    { numbers: [1] },
    { numbers: [1] },
    { numbers: [2] },
    { text: 'neither' },
    { wrong: 'it has no option 3, but 1 to 2' },
    { wrong: 'it has no option 0, but 1 to 2' },
    { wrong: 'one option can be chosen, not several' },
  ]);
});
