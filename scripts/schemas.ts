/**
 * Writes what is documented from one source: `docs/config.schema.json` and the tables of `docs/configuration.md` from
 * src/config/. `--check` writes nothing and fails if a file is not what would be written.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { TABLES } from '../src/config/describe.ts';
import { configSchema, keyTable } from './schemas/config.ts';

const CONFIGURATION = 'docs/configuration.md';

/** Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->`. */
function filled(file: string, parts: Readonly<Record<string, string>>): string {
  let text = readFileSync(file, 'utf8');
  for (const [name, part] of Object.entries(parts)) {
    const [open, close] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
    const [from, to] = [text.indexOf(open), text.indexOf(close)];
    if (from < 0 || to < from) throw new Error(`${file} has no place for ${name}: ${open}...${close}`);
    text = `${text.slice(0, from + open.length)}\n${part}\n${text.slice(to)}`;
  }
  return text;
}

/** As `biome check` wants to find it. */
function formatted(file: string, input: string): string {
  return execFileSync('biome', ['format', `--stdin-file-path=${file}`], { input, encoding: 'utf8' });
}

const tables = TABLES.map(({ name }) => [`keys of ${name}`, keyTable(name)] as const);
const made: Record<string, string> = {
  'docs/config.schema.json': JSON.stringify(configSchema()),
  [CONFIGURATION]: filled(CONFIGURATION, Object.fromEntries(tables)),
};

for (const [file, raw] of Object.entries(made)) {
  const text = formatted(file, raw);
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${file} is not what its source says: run node scripts/schemas.ts\n`);
    process.exitCode = 1;
  }
}
