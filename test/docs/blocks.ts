/** The code blocks of the documents. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Block {
  readonly file: string;
  readonly line: number;
  /** `sh`, `toml`, `text`; '' = not said. */
  readonly language: string;
  readonly text: string;
}

export const DOCUMENTS: readonly string[] = [
  'README.md',
  'SECURITY.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Every block of a document, fenced or indented. */
export function blocksOf(file: string): Block[] {
  const found: Block[] = [];
  const lines = readFileSync(file, 'utf8').split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const fence = /^```(\w*)/.exec(line);
    const inside: string[] = [];
    const first = at + 1;
    if (fence !== null) {
      for (at++; at < lines.length && !lines[at]?.startsWith('```'); at++) inside.push(lines[at] ?? '');
      found.push({ file, line: first, language: fence[1] ?? '', text: inside.join('\n') });
    } else if (/^ {4}\S/.test(line) && (lines[at - 1] ?? '') === '') {
      for (; /^( {4}|$)/.test(lines[at] ?? 'x'); at++) inside.push((lines[at] ?? '').slice(4));
      found.push({ file, line: first, language: '', text: inside.join('\n').trimEnd() });
    }
  }
  return found;
}

/** A line that somebody would type. */
export const COMMAND =
  /^\s*(\$ )?(mc-pickup|npm|npx|git|cd|crontab|systemctl|man|source|sudo|cp|chmod|tmux)\b/m;

export const BLOCKS: readonly Block[] = DOCUMENTS.flatMap(blocksOf);

/** What somebody would type into a shell. */
export const SHELL = BLOCKS.filter(
  ({ language, text }) => language === 'sh' || (language === '' && COMMAND.test(text)),
);

/** Scripts of the checkout: that CI runs each is checked in docs.test.ts. */
export const NPM = /^\s*npm /;

/** Blocks with their places, as names of tests. */
export function named(all: readonly Block[]): (Block & { readonly where: string })[] {
  return all.map((block) => ({ ...block, where: `${block.file}:${block.line}` }));
}
