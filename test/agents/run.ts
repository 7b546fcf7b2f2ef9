/** `npm run test:agents`: the scenario list with each real client from npm, and a table of what came of it.
 *  `MC_AGENTS=claude,codex` chooses clients (else all), `-- --write` puts the table into docs/agents.md. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CLIENTS, chosenClients, installed, type RealKind } from '../support/clients/rig.ts';

interface Result {
  readonly kind: RealKind;
  readonly name: string;
  readonly result: string;
}

const BEGIN = '<!-- scenarios: written by npm run test:agents -- --write -->';
const END = '<!-- scenarios end -->';

function main(): number {
  const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
  const skipped = new Map<RealKind, string>();
  const clients = chosenClients().filter((kind) => {
    const why = uninstallable(kind);
    if (why !== null) skipped.set(kind, why);
    return why === null;
  });
  const results = clients.length === 0 ? [] : run(clients);
  const notes: string[] = [];
  const table = tableOf(clients, results, notes);
  console.log(`\n${[...table, '', ...notes].join('\n')}`);
  for (const kind of Object.keys(CLIENTS) as RealKind[]) {
    if (clients.includes(kind)) continue;
    console.log(`not run: ${kind}: ${skipped.get(kind) ?? 'not among those that MC_AGENTS names'}`);
  }
  if (values.write) write(['', ...table, '', ...notes, ''].join('\n'));
  const passed = results.filter(({ result }) => result === 'pass').length;
  const limits = results.filter(({ result }) => result.startsWith('limit')).length;
  const failed = results.length - passed - limits;
  console.log(`\n${passed} passed, ${failed + skipped.size} failed, ${limits} skipped`);
  return failed + skipped.size > 0 || passed === 0 ? 1 : 0;
}

/** Installs the client where it is not there yet; why it cannot be, or null. */
function uninstallable(kind: RealKind): string | null {
  try {
    installed(kind);
    return null;
  } catch (error) {
    return `npm could not install it (${error instanceof Error ? error.message.split('\n')[0] : error})`;
  }
}

function run(clients: readonly RealKind[]): Result[] {
  const dir = mkdtempSync(join(tmpdir(), 'mc-agents-'));
  const file = join(dir, 'results');
  try {
    writeFileSync(file, '');
    spawnSync('vitest', ['run', '--config', 'vitest.agents.config.ts'], {
      stdio: 'inherit',
      env: { ...process.env, MC_AGENTS: clients.join(','), MC_AGENTS_RESULTS: file },
    });
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Result);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** One row a scenario, one column a client; what is a limit of the client is said below, by number. */
function tableOf(clients: readonly RealKind[], results: readonly Result[], notes: string[]): string[] {
  const heads = clients.map((kind) => `${kind} ${CLIENTS[kind].version}`);
  const names = [...new Set(results.map(({ name }) => name))];
  const cell = (kind: RealKind, name: string): string => {
    const result = results.find((one) => one.kind === kind && one.name === name)?.result ?? 'not run';
    if (!result.startsWith('limit')) return result;
    notes.push(`${notes.length + 1}. ${kind}, ${name}: ${result.slice('limit: '.length)}`);
    return `limit ${notes.length}`;
  };
  return [
    `| scenario | ${heads.join(' | ')} |`,
    `| --- |${' --- |'.repeat(heads.length)}`,
    ...names.map((name) => `| ${name} | ${clients.map((kind) => cell(kind, name)).join(' | ')} |`),
  ];
}

function write(text: string): void {
  const file = 'docs/agents.md';
  const before = readFileSync(file, 'utf8');
  const [from, to] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${file} has no place for the table: ${BEGIN} ... ${END}`);
  writeFileSync(file, `${before.slice(0, from + BEGIN.length)}\n${text}\n${before.slice(to)}`);
  console.log(`written: ${file}`);
}

process.exitCode = main();
