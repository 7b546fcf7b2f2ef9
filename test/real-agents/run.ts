/** `npm run test:agents`: the scenario list with each real client from npm, and a table of what came of it.
 *  `MC_AGENTS=claude,codex` chooses clients (else all), `-- --write` puts the table into docs/agents.md, where the
 *  columns of clients that were not run stay as they are. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CLIENTS, chosenClients, installed, type RealKind } from '../support/clients/rig.ts';

interface Result {
  readonly kind: RealKind;
  readonly name: string;
  /** `pass`, `FAIL`, or `limit: ` with the reason. */
  readonly result: string;
}

const DOCS = 'docs/agents.md';
const BEGIN = '<!-- scenarios: written by npm run test:agents -- --write -->';
const END = '<!-- scenarios end -->';
const LIMIT = 'limit: ';

function main(): number {
  const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
  const skipped = new Map<RealKind, string>();
  const clients = chosenClients().filter((kind) => {
    const why = uninstallable(kind);
    if (why !== null) skipped.set(kind, why);
    return why === null;
  });
  const { ok, results } = clients.length === 0 ? { ok: true, results: [] } : run(clients);
  console.log(`\n${tableOf(clients, results)}`);
  for (const kind of Object.keys(CLIENTS) as RealKind[])
    if (!clients.includes(kind))
      console.log(`not run: ${kind}: ${skipped.get(kind) ?? 'not among those that MC_AGENTS names'}`);
  if (values.write) write(clients, results);
  const count = (result: string) => results.filter((one) => one.result.startsWith(result)).length;
  const failed = count('FAIL') + skipped.size;
  if (!ok && failed === 0) console.log('the test runner failed outside of the scenarios');
  const bad = failed > 0 || !ok || count('pass') === 0;
  console.log(`\n${count('pass')} passed, ${bad ? Math.max(1, failed) : 0} failed, ${count(LIMIT)} skipped`);
  return bad ? 1 : 0;
}

/** Installs the client where it is not there yet; why it cannot be, or null. */
function uninstallable(kind: RealKind): string | null {
  try {
    installed(kind);
    return null;
  } catch (error) {
    return `npm could not install it (${error instanceof Error ? error.message : error})`;
  }
}

/** The last word on each scenario: one that was cut off has said FAIL at its beginning. */
function run(clients: readonly RealKind[]): { readonly ok: boolean; readonly results: readonly Result[] } {
  const dir = mkdtempSync(join(tmpdir(), 'mc-agents-'));
  const file = join(dir, 'results');
  try {
    writeFileSync(file, '');
    const done = spawnSync('vitest', ['run', '--config', 'vitest.agents.config.ts'], {
      stdio: 'inherit',
      env: { ...process.env, MC_AGENTS: clients.join(','), MC_AGENTS_RESULTS: file },
    });
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    const last = new Map<string, Result>();
    for (const one of lines.map((line) => JSON.parse(line) as Result))
      last.set(`${one.kind} ${one.name}`, one);
    return { ok: done.status === 0, results: [...last.values()] };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** One row a scenario, one column a client; the limits of clients are said below. */
function tableOf(clients: readonly RealKind[], results: readonly Result[]): string {
  const names = [...new Set(results.map(({ name }) => name))];
  const cell = (kind: RealKind, name: string): string => {
    const result = results.find((one) => one.kind === kind && one.name === name)?.result ?? 'not run';
    return result.startsWith(LIMIT) ? 'limit' : result;
  };
  const limits = results.filter(({ result }) => result.startsWith(LIMIT));
  return [
    `| scenario | ${clients.map(headOf).join(' | ')} |`,
    `| --- |${' --- |'.repeat(clients.length)}`,
    ...names.map((name) => `| ${name} | ${clients.map((kind) => cell(kind, name)).join(' | ')} |`),
    '',
    ...limits.map(({ kind, name, result }) => `- ${kind}, ${name}: ${result.slice(LIMIT.length)}`),
  ].join('\n');
}

function headOf(kind: RealKind): string {
  return `${kind} ${CLIENTS[kind].version}`;
}

function write(clients: readonly RealKind[], results: readonly Result[]): void {
  const before = readFileSync(DOCS, 'utf8');
  const [from, to] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${DOCS} has no place for the table: ${BEGIN} ... ${END}`);
  const kept = resultsIn(before.slice(from, to)).filter(({ kind }) => !clients.includes(kind));
  const all = [...results, ...kept];
  const kinds = (Object.keys(CLIENTS) as RealKind[]).filter((kind) => all.some((one) => one.kind === kind));
  const text = tableOf(kinds, all).trimEnd();
  writeFileSync(DOCS, `${before.slice(0, from + BEGIN.length)}\n\n${text}\n\n${before.slice(to)}`);
  spawnSync('biome', ['format', '--write', DOCS], { stdio: ['ignore', 'ignore', 'inherit'] });
  console.log(`written: ${DOCS}`);
}

/** What a table that was written earlier says of the versions that are pinned today. */
function resultsIn(text: string): Result[] {
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((word) => word.trim()),
    );
  const heads = rows[0] ?? [];
  return (Object.keys(CLIENTS) as RealKind[]).flatMap((kind) => {
    const column = heads.indexOf(headOf(kind));
    if (column < 0) return [];
    return rows.slice(2).flatMap(([name = '', ...cells]) => {
      const said = cells[column - 1] ?? 'not run';
      const why = text.split('\n').find((line) => line.startsWith(`- ${kind}, ${name}: `));
      if (said === 'not run') return [];
      const result = said === 'limit' ? `${LIMIT}${why?.slice(`- ${kind}, ${name}: `.length)}` : said;
      return [{ kind, name, result }];
    });
  });
}

process.exitCode = main();
