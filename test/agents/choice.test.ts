/** Questions of the clients' own tools, as their screens show them, and the keys that answer them. */
import { describe, expect, it } from 'vitest';
import type { ChoiceDialog } from '../../src/agents/adapter.ts';
import { claudeChoice } from '../../src/agents/claude/choice.ts';
import { codexChoice } from '../../src/agents/codex/choice.ts';
import { geminiChoice } from '../../src/agents/gemini/choice.ts';
import { choicesIn, choiceText, chosenIn, dialogOf } from '../../src/model/choice.ts';

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

/** Its list shows three rows at most, each with a line below it. */
const gemini = (question: readonly string[], rows: readonly string[], tabs = '') => {
  const lines = [
    ...['Answer Questions', '', ...(tabs === '' ? [] : [tabs, '']), ...question, ''],
    ...rows.flatMap((row) => (/\d/.test(row) ? [row, '       about it'] : [row])),
    ...['', 'Enter to select · ↑/↓ to navigate · Esc to cancel'],
  ];
  const width = 90;
  const body = lines.map((line) => `│ ${line.padEnd(width - 1)}│`);
  return [` > Do it`, `╭${'─'.repeat(width)}╮`, ...body, `╰${'─'.repeat(width)}╯`, '', '⚠  Warning'].join(
    '\n',
  );
};

const next = (dialog: ChoiceDialog, screen: string, said: string, name?: string) => {
  const open = dialog.read(screen);
  const chosen = chosenIn(said, open ?? { question: '', options: ['a', 'b', 'c', 'd'], many: true });
  if ('wrong' in chosen) throw new Error(chosen.wrong);
  const asked = open ?? { question: '', options: [], many: false, name: '' };
  return dialog.next(screen, { ...asked, name: name ?? asked.name }, chosen);
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

describe('Gemini CLI', () => {
  const told = choiceText([
    { question: 'Which colour is the one of them?', options: ['one', 'two', 'three', 'four'], many: false },
    { question: 'Which sizes?', options: ['small', 'large'], many: true },
  ]);
  const colour = ['Which colour is the one of', 'them?'];
  const single = (...rows: string[]) => gemini(colour, rows, '← □ Question │ □ Question │ ≡ Review →');
  const sizes = (...rows: string[]) =>
    gemini(
      ['Which sizes?', '(Select all that apply)'],
      ['▲', ...rows, '▼'],
      '← ✓ Question │ □ Question │ ≡ Review →',
    );
  const move = (screen: string, said: string) => {
    const open = geminiChoice.read(screen, told);
    if (open === null) throw new Error('no question');
    const chosen = chosenIn(said, open);
    if ('wrong' in chosen) throw new Error(chosen.wrong);
    return geminiChoice.next(screen, open, chosen);
  };

  it('is answered by the digit of an option, also of one that its list does not show', () => {
    const screen = single('▲', '● 1.  one', '  2.  two', '  3.  three', '▼');
    expect(geminiChoice.read(screen, told)).toEqual({
      question: 'Which colour is the one of them?',
      options: ['one', 'two', 'three', 'four'],
      many: false,
      name: 'Which colour is the one of them?',
    });
    expect(move(screen, '4')).toEqual({ do: 'keys', keys: ['4'], shows: ['them?', '● 1.  one'] });
    // Without the event, what is seen can be chosen.
    const seen = single('● 1.  one', '  2.  two', '  3.  Enter a custom value');
    expect(geminiChoice.read(seen)?.options).toEqual(['one', 'two']);
  });

  it('gets a text where it takes one, and sends it once it stands there', () => {
    const rows = ['  3.  three', '  4.  four'];
    expect(move(single('▲', '● 1.  one', '▼'), 'teal')).toMatchObject({ keys: ['Down'] });
    expect(move(single(...rows, '● 5.  Enter a custom value'), 'teal')).toEqual({
      do: 'paste',
      shows: ['them?', '● 5.  Enter a custom value'],
    });
    expect(move(single(...rows, '● 5.  teal'), 'teal')).toMatchObject({ do: 'keys', keys: ['Enter'] });
  });

  it('ticks what is chosen and nothing else, and goes down to the end of the list', () => {
    const at = (...rows: string[]) => move(sizes(...rows), '2');
    expect(at('● 1. [ ] small', '  2. [ ] large', '  3. [ ] All of the above')).toMatchObject({
      keys: ['2'],
    });
    expect(at('  1. [x] small', '● 2. [x] large', '  3. [x] All of the above')).toMatchObject({
      keys: ['1'],
    });
    expect(at('● 1. [ ] small', '  2. [x] large', '  3. [ ] All of the above')).toMatchObject({
      keys: ['Down'],
    });
    expect(at('  3. [ ] All of the above', '  4. [ ] Enter a custom value', '●  Done')).toMatchObject({
      keys: ['Enter'],
      shows: ['Which sizes?', '●  Done'],
    });
    expect(move(sizes('● 1. [ ] small'), 'tiny')).toMatchObject({ do: 'refuse' });
  });

  it('sends its answers once each question has one; another question gets nothing of this one', () => {
    const answers = ['Review your answers:', '', 'Question → two'];
    const open = { question: 'x', options: [], many: false, name: 'x' };
    const review = (tabs: string) => geminiChoice.next(gemini(answers, [], tabs), open, { numbers: [1] });
    expect(geminiChoice.read(gemini(answers, [], ''))).toBeNull();
    expect(review('← ✓ Question │ ✓ Question │ ≡ Review →')).toMatchObject({ keys: ['Enter'] });
    expect(review('← ✓ Question │ □ Question │ ≡ Review →')).toMatchObject({ do: 'refuse' });
    expect(geminiChoice.next(single('● 1.  one'), open, { numbers: [1] })).toEqual({ do: 'nothing' });
    expect(geminiChoice.read('│ Answer Questions │\n│ ● 1.  red │\n')).toBeNull();
  });

  it('knows the questions of a call by the text that is told of them', () => {
    expect(choiceText(choicesIn(told))).toBe(told);
    expect(choicesIn('The agent asks a question')).toEqual([]);
  });
});
