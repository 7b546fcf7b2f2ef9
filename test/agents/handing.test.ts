/** How texts go to clients: which are typed as they are, and which go by a file because a client would read something into them. */
import { describe, expect, it } from 'vitest';
import { nudgeText } from '../../src/act/deliver/index.ts';
import { fileWords, type Handing, textFile, type Way } from '../../src/agents/handing.ts';
import { adapterOf } from '../../src/agents/index.ts';
import type { AgentKind } from '../../src/model/policy.ts';

/** What stands anywhere in a text, for clients that read something into it. */
const ANYWHERE: Readonly<Partial<Record<AgentKind, readonly string[]>>> = {
  claude: [
    'see @README.md now',
    '"@/etc/hostname"',
    'x, @"a b"',
    'ask @agent-x',
    'use /review now',
    'use /review.',
    'as in [Pasted text #1]',
    'ultrathink on it',
  ],
  codex: [
    'see @README.md now',
    'use $foo now',
    'use $3d-foo now',
    'use [$foo](skill://x) now',
    'use /review now',
    'x plugin://y z',
  ],
};
/** What every client that is known takes as it stands. */
const PLAIN: readonly string[] = [
  'Blue',
  'yes, and no; or: both?',
  'mail me at someone@example.com, or call',
  'src/a/b.ts and /var/log/syslog are wrong, so is </div>',
  '"quoted" first',
  '- a list\n- of two',
  `${'many words in lines\n'.repeat(900)}end`,
  'it costs $5, or $7.50 (see #42)',
  'as in #41',
];
const TYPED: readonly (readonly [Handing, readonly string[]])[] = [
  [
    'after_words',
    ['!ls', '#42', '?', '& x', '~ home', '<task-notification> it is', 'exit', 'Quit', '\u2713 done'],
  ],
  [
    'by_file',
    [
      ...[
        'goes on \\',
        'a\tb',
        'ends\n',
        ' begins',
        'look at @READ',
        'use $foo',
        'is /etc/passwd',
        'in #general',
      ],
      ...['see a/b.png now', '/help', '/help me', '#note', ':q', ':wq!', 'it costs $5'],
    ],
  ],
];

describe.each(['claude', 'codex'] as const)('%s', (kind) => {
  const { hands } = adapterOf(kind);
  const how = (texts: readonly string[], way: Way) => texts.map((text) => [text, hands(text, way)]);
  const all = (texts: readonly string[], handing: Handing) => texts.map((text) => [text, handing]);

  it('gets what it reads something into by a file, with its launch and later', () => {
    const texts = ANYWHERE[kind] ?? [];
    expect(how(texts, 'start')).toEqual(all(texts, 'by_file'));
    expect(how(texts, 'typed')).toEqual(all(texts, 'by_file'));
  });

  it('gets other texts as they are', () => {
    expect(how(PLAIN, 'start')).toEqual(all(PLAIN, 'as_is'));
    expect(how(PLAIN, 'typed')).toEqual(all(PLAIN, 'as_is'));
  });

  it.each(TYPED)('%s: what means something at an end of a text that is typed', (handing, texts) => {
    expect(how(texts, 'typed')).toEqual(all(texts, handing));
  });

  it('gets the words of this program as they are, wherever its state is', () => {
    for (const dir of [
      '/home/me/.local/state/mc-pickup',
      '/home/me@corp.example/x',
      '/Users/My Name/state',
    ]) {
      expect(hands(fileWords(`${dir}/runs/MC-1-e1-0a/text-0a.md`, 'typed'), 'typed')).toBe('as_is');
      expect(hands(fileWords(`${dir}/runs/MC-1-e1-0a/prompt.md`, 'start'), 'start')).toBe('as_is');
      expect(hands(nudgeText('idle_without_report', 2, `${dir}/bin/mc-pickup`), 'typed')).toBe('as_is');
    }
    expect(hands(fileWords('/home/@me/text-0a.md', 'typed'), 'typed')).not.toBe('as_is');
  });
});

it('OpenCode gets every text as it is: its server reads nothing into one', () => {
  const texts = [...PLAIN, ...Object.values(ANYWHERE).flat(), ...TYPED.flatMap(([, some]) => some)];
  const { hands, post } = adapterOf('opencode');
  expect(
    texts.filter((text) => hands(text, 'typed') !== 'as_is' || hands(text, 'start') !== 'as_is'),
  ).toEqual([]);
  expect(post).toBeDefined();
});

it('Gemini CLI gets each text with an @ by a file that it sends along, and is told of no place that it could not find', () => {
  const adapter = adapterOf('gemini');
  for (const text of ['see @README.md now', 'mail me at someone@example.com, or call'])
    for (const way of ['start', 'typed'] as const) expect(adapter.hands(text, way)).toBe('by_file');
  for (const text of TYPED.flatMap(([, texts]) => texts))
    expect(adapter.hands(text, 'typed')).not.toBe('as_is');
  const at = (runDir: string) => textFile(adapter, { runDir, name: 'text-0a', way: 'typed' });
  expect(at('/s/runs/MC-1-e1-0a')).toEqual({
    file: 'gemini-texts/MC-1-e1-0a-text-0a.svg',
    words: expect.stringContaining(' is in @MC-1-e1-0a-text-0a.svg : '),
  });
  for (const dir of ['/a,b', '/a[b]', '/a*', '/a{b,c}', '/a"b', '/a\\b'])
    expect(at(`${dir}/runs/MC-1`)).toBeNull();
});

it('an agent of any other program gets what would be a command behind words of ours', () => {
  const { hands } = adapterOf('command');
  expect(['!ls', '/quit', 'exit', 'see @README.md'].map((text) => hands(text, 'typed'))).toEqual([
    ...['after_words', 'after_words', 'after_words', 'as_is'],
  ]);
});
