/**
 * Writes what is documented from one source: `docs/config.schema.json` and the tables of `docs/configuration.md` from
 * src/config/, `docs/json/` and the table of `docs/json.md` from schemas/json.ts. `--check` writes nothing and fails if a
 * file is not what would be written, or is there for nothing.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { TABLES } from '../src/config/describe.ts';
import { configSchema, keyTable, markdownTable } from './schemas/config.ts';
import { PRINTED, printedRows, printedSchema } from './schemas/json.ts';

const CONFIGURATION = 'docs/configuration.md';
const JSON_PAGE = 'docs/json.md';
const JSON_DIR = 'docs/json';

const check = process.argv.includes('--check');

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
  [JSON_PAGE]: filled(JSON_PAGE, {
    commands: markdownTable(['command', 'prints', 'schema'], printedRows()),
  }),
  ...Object.fromEntries(
    PRINTED.map((one) => [`${JSON_DIR}/${one.name}.schema.json`, JSON.stringify(printedSchema(one))]),
  ),
};

mkdirSync(JSON_DIR, { recursive: true });
for (const name of readdirSync(JSON_DIR)) {
  const file = `${JSON_DIR}/${name}`;
  if (file in made) continue;
  if (check) complain(`${file} belongs to no command`);
  else rmSync(file);
}

for (const [file, raw] of Object.entries(made)) {
  const text = formatted(file, raw);
  if (!check) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text)
    complain(`${file} is not what its source says`);
}

function complain(what: string): void {
  process.stderr.write(`${what}: run node scripts/schemas.ts\n`);
  process.exitCode = 1;
}
