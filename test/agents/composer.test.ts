/** Composers as the real clients draw them (`capture-pane -e` of the versions in docs/agents.md): row and column of the cursor, and what is told. */
import { expect, it } from 'vitest';
import { adapterOf } from '../../src/agents/index.ts';
import type { AgentKind } from '../../src/model/policy.ts';

const E = '\u001b';
const LINE = `${E}[38;5;244m${'─'.repeat(40)}`;
const EDGE = `${E}[48;5;232m  ${E}[38;5;75m┃${E}[38;5;15m${E}[48;5;234m  `;
const HINT = `${E}[0m${E}[38;5;248m${E}[48;5;240m Type your message or @path/to/file${E}[39m`;

type Case = readonly [
  kind: AgentKind,
  what: string,
  rows: readonly string[],
  x: number,
  y: number,
  told: string | null,
];
const CASES: readonly Case[] = [
  ['claude', 'empty', [LINE, `${E}[39m❯\u00a0${E}[7m`, LINE], 2, 1, 'empty'],
  ['claude', 'a hint', [LINE, `❯\u00a0${E}[7mT${E}[0;2mry "fix lint errors"${E}[0m`, LINE], 2, 1, 'empty'],
  ['claude', 'a text', [LINE, `❯\u00a0hello${E}[7m`, LINE], 7, 1, 'filled'],
  ['claude', 'its beginning', [LINE, `❯\u00a0${E}[7mh${E}[0m${E}[39mello`, LINE], 2, 1, 'filled'],
  ['claude', 'a blank', [LINE, `❯\u00a0 ${E}[7m`, LINE], 3, 1, 'filled'],
  ['claude', 'a chip', [LINE, `❯\u00a0[Pasted text #1 +12 lines]${E}[7m`, LINE], 28, 1, 'filled'],
  ['claude', 'a second row', [LINE, '❯\u00a0xxxx', `  xx${E}[7m`, LINE], 4, 2, 'filled'],
  ['claude', 'the cursor elsewhere', ['❯\u00a0an earlier prompt', '', LINE, '  1. Yes'], 2, 3, null],
  ['codex', 'a hint', [`${E}[1m›${E}[0m${E}[39m ${E}[2mAsk Codex to do anything`], 2, 0, 'empty'],
  ['codex', 'a text', [`${E}[1m›${E}[0m${E}[39m hello`], 7, 0, 'filled'],
  ['codex', 'its beginning', [`${E}[1m›${E}[0m${E}[39m hello`], 2, 0, 'filled'],
  ['codex', 'an empty last row', ['› a1', '  a2', ''], 2, 2, 'filled'],
  ['gemini', 'a hint', [` ${E}[38;5;183m> ${E}[7m${E}[39m ${HINT}`], 3, 0, 'empty'],
  ['gemini', 'a text', [` ${E}[38;5;183m> ${E}[38;5;231mhello${E}[7m${E}[39m `], 8, 0, 'filled'],
  ['gemini', 'its beginning', [` > ${E}[7m${E}[38;5;231mh${E}[0m${E}[38;5;231mello`], 3, 0, 'filled'],
  ['gemini', 'a third row', [' > a', `   ${'x'.repeat(60)}`, '   xx'], 5, 2, 'filled'],
  ['gemini', 'where all is approved', [` * ${E}[7m ${HINT}`], 3, 0, 'empty'],
  ['opencode', 'empty', ['', EDGE, EDGE, EDGE], 5, 2, 'empty'],
  ['opencode', 'a text', ['', EDGE, `${EDGE}${E}[38;5;255mhello`, EDGE], 10, 2, 'filled'],
  ['opencode', 'an empty last row', ['', EDGE, `${EDGE}a`, EDGE, EDGE], 5, 3, 'filled'],
  ['opencode', 'a hint, or a beginning', ['', EDGE, `${EDGE}${E}[38;5;8mAsk anything`, EDGE], 5, 2, null],
  ['claude', 'no such row', [], 0, 0, null],
];

it.each(CASES)('%s, %s', (kind, _, rows, x, y, told) => {
  expect(adapterOf(kind).composer?.({ rows, x, y })).toBe(told);
});
