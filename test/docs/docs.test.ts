/** The documents' own blocks, as they stand there: every command is typed, every configuration is read. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPolicy } from '../../src/config/load.ts';
import { BLOCKS, DOCUMENTS, NPM, named, SHELL } from './blocks.ts';
import { makeWorld } from './world.ts';

describe('the documents', () => {
  it('say of each block what it is: sh, toml, json or text', () => {
    const unsaid = BLOCKS.filter(
      ({ language }) => !['sh', 'toml', 'json', 'text', 'sql', 'ini', 'yaml'].includes(language),
    );
    expect(named(unsaid).map(({ where }) => where)).toEqual([]);
  });

  it('hide no command in a block that is not run', () => {
    const hidden = BLOCKS.filter(
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

  it.each(named(BLOCKS.filter(({ language }) => language === 'toml')))(
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

const programOf = (script: string) => / && (node test\/\S+)$/.exec(script)?.[1] ?? 'npm run none';

it('each npm script that the documents name is run in CI', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    scripts: Record<string, string>;
  };
  const ci = readFileSync('.ci/run', 'utf8');
  const lines = SHELL.flatMap(({ text }) => text.split('\n')).filter((line) => NPM.test(line));
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines)
    for (const [, , name = ''] of line.matchAll(/npm (run (?:--silent )?)?([\w:]+)/g)) {
      if (['ci', 'install', 'link'].includes(name)) continue;
      expect(Object.keys(scripts)).toContain(name);
      // "lint" asks for what "format" does, "start" builds, "npm test" and "test:slow" have every file between them.
      const part = /\bvitest run\b/.test(scripts[name] ?? '') && !['test', 'test:slow'].includes(name);
      if (!['format', 'generate', 'build'].includes(name) && !part)
        expect(ci).toMatch(
          // By its name, or what it runs behind the build.
          new RegExp(
            `^ *(MC_AGENTS\\w*=\\S+ )*(stage )?(npm (run --silent )?${name}\\b|${programOf(scripts[name] ?? '')})`,
            'm',
          ),
        );
    }
});
