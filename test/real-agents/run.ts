/** `npm run test:agents`: the scenario list with each real client from npm, a table of what came of it, and what is otherwise than in the
 *  table of docs/agents.md. `MC_AGENTS=claude,codex` chooses clients (else all), `MC_AGENTS_VERSIONS` versions (else the newest: see
 *  test/support/clients/versions.ts), `-- --write` puts the table into docs/agents.md; `-- scenarios` runs that file alone. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CLIENTS, chosenClients, installed, type RealKind } from '../support/clients/rig.ts';
import { versionOf } from '../support/clients/versions.ts';
import { changesIn, LIMIT, type Result, resultsIn, tableOf } from './table.ts';

const DOCS = 'docs/agents.md';
const BEGIN = '<!-- scenarios: written by npm run test:agents -- --write -->';
const END = '<!-- scenarios end -->';
const KINDS = Object.keys(CLIENTS) as RealKind[];

function main(): number {
  const { values, positionals: files } = parseArgs({
    options: { write: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const skipped = new Map<RealKind, string>();
  const clients = chosenClients().filter((kind) => {
    const why = uninstallable(kind);
    if (why !== null) skipped.set(kind, why);
    return why === null;
  });
  const { ok, results } = clients.length === 0 ? { ok: true, results: [] } : run(clients, files);
  console.log(`\n${tableOf(clients, results)}`);
  for (const line of changesIn(resultsIn(documented().table, KINDS), results)) console.log(line);
  for (const kind of KINDS)
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

/** The last word on each scenario: one that was cut off has said FAIL at its beginning. All of the run is of one version, whatever is released
 *  meanwhile. */
function run(
  clients: readonly RealKind[],
  files: readonly string[],
): { readonly ok: boolean; readonly results: readonly Result[] } {
  const dir = mkdtempSync(join(tmpdir(), 'mc-agents-'));
  const file = join(dir, 'results');
  const versions = new Map(clients.map((kind) => [kind, versionOf(CLIENTS[kind])]));
  const MC_AGENTS_VERSIONS = [...versions].map(([kind, version]) => `${kind}=${version}`).join(',');
  try {
    writeFileSync(file, '');
    const done = spawnSync('vitest', ['run', '--config', 'vitest.agents.config.ts', ...files], {
      stdio: 'inherit',
      env: { ...process.env, MC_AGENTS: clients.join(','), MC_AGENTS_VERSIONS, MC_AGENTS_RESULTS: file },
    });
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    const last = new Map<string, Result>();
    for (const one of lines.map((line) => JSON.parse(line) as Omit<Result, 'version'>))
      last.set(`${one.kind} ${one.name}`, { ...one, version: versions.get(one.kind) ?? '' });
    return { ok: done.status === 0, results: [...last.values()] };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The part of docs/agents.md that holds the table, and what is around it. */
function documented(): { readonly before: string; readonly table: string; readonly after: string } {
  const text = readFileSync(DOCS, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${DOCS} has no place for the table: ${BEGIN} ... ${END}`);
  const start = from + BEGIN.length;
  return { before: text.slice(0, start), table: text.slice(start, to), after: text.slice(to) };
}

/** Columns of clients that were not run stay as they are. */
function write(clients: readonly RealKind[], results: readonly Result[]): void {
  const { before, table, after } = documented();
  const kept = resultsIn(table, KINDS).filter(({ kind }) => !clients.includes(kind));
  writeFileSync(DOCS, `${before}\n\n${tableOf(KINDS, [...results, ...kept]).trimEnd()}\n\n${after}`);
  spawnSync('biome', ['format', '--write', DOCS], { stdio: ['ignore', 'ignore', 'inherit'] });
  console.log(`written: ${DOCS}`);
}

process.exitCode = main();
