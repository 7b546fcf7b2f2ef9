/** Every command of the documents, typed as it stands there, each block in a home made for it. */
import { describe, expect, it } from 'vitest';
import { NPM, named, SHELL } from './blocks.ts';
import { makeWorld } from './world.ts';

/** Documents whose commands another test runs, in a world of their own. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'docs/mission-control.md': 'test/http/docs.test.ts',
};

/** They take the terminal, or go on until somebody ends them: typed in a terminal after the others, and then left. */
const ENDLESS = /\battach\b|--follow\b|--watch\b|\bconfig edit\b|^\s*man /;

const typed = SHELL.filter(({ file }) => ELSEWHERE[file] === undefined);

describe('each command of the documents does what it says', () => {
  it.each(named(typed))('$where', async ({ text }) => {
    const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s*#/.test(line));
    const script = lines.filter((line) => !ENDLESS.test(line) && !NPM.test(line));
    const endless = lines.filter((line) => ENDLESS.test(line));
    if (script.length + endless.length === 0) return;
    const world = await makeWorld(/mc-pickup init --project/.test(text) ? 'fresh' : 'working');
    try {
      // Each line's exit code, by its number; a comment "exit 69" in the line says what else than 0 it may be.
      const marked = script.map((line, n) => `${line}\nprintf '%s %s\\n' ${n} $? >&3`).join('\n');
      const { printed, marks } = await world.type(marked);
      const codes = marks
        .trim()
        .split('\n')
        .map((line) => line.split(' ').map(Number)[1]);
      const expected = script.map((line) => Number(/# exit (\d+)/.exec(line)?.[1] ?? 0));
      expect(
        script.map((line, n) => [line, codes[n]]),
        printed,
      ).toEqual(script.map((line, n) => [line, expected[n]]));
      expect(printed).not.toContain('a bug');
      for (const line of endless) expect([line, await world.watch(line)]).toEqual([line, 0]);
    } finally {
      await world.destroy();
    }
  });
});
