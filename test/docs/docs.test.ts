/** The documents' own blocks, as they stand there: every command is typed, every configuration is read. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPolicy } from '../../src/config/load.ts';
import { type Block, blocksOf, COMMAND, DOCUMENTS } from './blocks.ts';
import { makeWorld } from './world.ts';

const blocks = DOCUMENTS.flatMap(blocksOf);
const named = (all: readonly Block[]) =>
  all.map((block) => ({ ...block, where: `${block.file}:${block.line}` }));

/** Documents whose commands another test runs, in a world of their own. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'docs/mission-control.md': 'test/http/docs.test.ts',
};

/** They take the terminal, or go on until somebody ends them: typed in a terminal after the others, and then left. */
const ENDLESS = /\battach\b|--follow\b|--watch\b|\bconfig edit\b|^\s*man /;
/** Scripts of the checkout: that CI runs each is checked below. */
const NPM = /^\s*npm /;

const shell = blocks.filter(
  ({ language, text }) => language === 'sh' || (language === '' && COMMAND.test(text)),
);
const typed = shell.filter(({ file }) => ELSEWHERE[file] === undefined);

describe('the documents', () => {
  it('say of each block what it is: sh, toml, json or text', () => {
    const unsaid = blocks.filter(
      ({ language }) => !['sh', 'toml', 'json', 'text', 'sql', 'ini'].includes(language),
    );
    expect(named(unsaid).map(({ where }) => where)).toEqual([]);
  });

  it('hide no command in a block that is not run', () => {
    const hidden = blocks.filter(
      ({ language, text }) => language !== 'sh' && /^\s*\$? ?mc-pickup [a-z]/m.test(text),
    );
    expect(named(hidden).map(({ where }) => where)).toEqual([]);
  });

  it('name only files of the repository that are there', () => {
    const gone = DOCUMENTS.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/\]\(([^)#:]+)(#[^)]*)?\)/g)].flatMap(([, to = '']) => {
        try {
          readFileSync(join(file, '..', to));
          return [];
        } catch (error) {
          return (error as NodeJS.ErrnoException).code === 'EISDIR' ? [] : [`${file} -> ${to}`];
        }
      }),
    );
    expect(gone).toEqual([]);
  });

  it('name only what is in the files that they name for it', () => {
    const file = 'docs/how-it-works.md';
    const text = readFileSync(file, 'utf8');
    const names = [...text.matchAll(/`(\w+)`,? (?:in\s+|of\s+|\()\[[^\]]*\]\(([^)#:]+)\)/g)];
    const gone = names.filter(
      ([, name = '', to = '']) => !readFileSync(join(file, '..', to), 'utf8').includes(name),
    );
    expect(names.length).toBeGreaterThan(10);
    expect(gone.map(([found]) => found)).toEqual([]);
  });

  it.each(named(blocks.filter(({ language }) => language === 'toml')))(
    '$where is a configuration',
    async ({ text }) => {
      const world = await makeWorld('fresh');
      try {
        const file = join(world.box.dir, 'shown.toml');
        writeFileSync(file, text);
        expect(loadPolicy(file, world.env).policy.broken).toEqual([]);
      } finally {
        await world.destroy();
      }
    },
  );
});

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

  const programOf = (script: string) => / && (node test\/\S+)$/.exec(script)?.[1] ?? 'npm run none';

  it('runs each npm script that they name, in CI', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>;
    };
    const ci = readFileSync('.ci/run', 'utf8');
    const lines = shell.flatMap(({ text }) => text.split('\n')).filter((line) => NPM.test(line));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines)
      for (const [, , name = ''] of line.matchAll(/npm (run (?:--silent )?)?([\w:]+)/g)) {
        if (['ci', 'install', 'link'].includes(name)) continue;
        expect(Object.keys(scripts)).toContain(name);
        // "lint" asks for what "format" does, "start" builds, and "npm test" runs every part of itself.
        if (!['format', 'generate', 'build'].includes(name) && !/\bvitest run\b/.test(scripts[name] ?? ''))
          expect(ci).toMatch(
            // By its name, or what it runs behind the build.
            new RegExp(
              `^ *(MC_AGENTS=\\S+ )?(stage )?(npm (run --silent )?${name}\\b|${programOf(scripts[name] ?? '')})`,
              'm',
            ),
          );
      }
  });
});
