/** Other ways to do the same: the program unbundled, and the reads of an idle tick by other programs. */
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import Database from 'better-sqlite3';
import { sqliteBoard } from '../../src/board/sqlite/board.ts';
import { ensureHostId } from '../../src/machine/process.ts';
import { CANDIDATES } from '../../src/tick/observe/index.ts';
import { type Case, command, ROOT } from './cases.ts';
import { plain, type Subject } from './measure.ts';
import type { Scratch } from './scratch.ts';

/** The source as plain modules beside the checkout's own packages. */
export interface Unbundled {
  /** Every module of the program and what runs git, imported at the top. */
  readonly naive: string;
  /** The same modules, with the source's own late imports. */
  readonly late: string;
}

export async function unbundle(scratch: Scratch): Promise<Unbundled> {
  const { stop, transform } = await import('esbuild');
  const cache = join(ROOT, '.cache');
  mkdirSync(cache, { recursive: true });
  const dir = scratch.also(mkdtempSync(join(cache, 'bench-')));
  const files = globSync('**/*.ts', { cwd: join(ROOT, 'src') }).sort();
  for (const file of files) {
    const source = readFileSync(join(ROOT, 'src', file), 'utf8');
    const { code } = await transform(source, {
      ...{ loader: 'ts', format: 'esm', target: 'node22', sourcefile: file },
      define: { MC_PICKUP_VERSION: '"bench"', MC_PICKUP_FAILPOINTS: 'false' },
    });
    const out = join(dir, 'src', named(file));
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(
      out,
      code.replace(/(['"])(\.{1,2}\/[^'"]+\.ts)\1/g, (_, q, path) => q + named(path) + q),
    );
  }
  await stop(); // its helper process
  const run = `import { main } from './src/main.js';\nawait main(process.argv.slice(2), process.env);\n`;
  const all = [...files.map((file) => `./src/${named(file)}`), 'execa'];
  const [naive, late] = [join(dir, 'naive.js'), join(dir, 'late.js')];
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}\n');
  writeFileSync(naive, all.map((name) => `import '${name}';\n`).join('') + run);
  writeFileSync(late, run);
  return { naive, late };
}

function named(path: string): string {
  return path.replace(/\.ts$/, '.js');
}

/** A tick of the unbundled program. */
export function unbundledTick(name: string, entry: string, one: Case): Subject {
  const { args, ...rest } = command(one, 'dispatch');
  return plain(name, { ...rest, args: [entry, ...args.slice(1)] });
}

/** The statements with which an idle tick reads this board, their values filled in: taken from the program itself. */
async function readsOf({ places }: Case): Promise<string[]> {
  const statements: string[] = [];
  const db = new Database(places.board);
  const prepare = db.prepare.bind(db);
  // SQLite would tell by itself, and cut every value short.
  const recorded = (sql: string) => {
    const statement = prepare<unknown[], unknown>(sql);
    const noting = <T>(run: (...values: unknown[]) => T): ((...values: unknown[]) => T) => {
      return (...values) => {
        statements.push(filled(sql, values[0]));
        return run.apply(statement, values);
      };
    };
    return { run: noting(statement.run), get: noting(statement.get), all: noting(statement.all) };
  };
  Object.assign(db, { prepare: recorded });
  try {
    await sqliteBoard(db, places.board).snapshot({
      ...{ host_id: ensureHostId(places.state), now_ms: Date.now(), limit: CANDIDATES, budget_day: null },
      also: [],
      heals_since_ms: Date.now() - 1_800_000,
      recent_since_ms: Date.now() - 1_800_000,
      ready: {
        ...{ authors: [], max_attempts: 3 },
        projects: { demo: { max_agents: null, agent: null } },
        agents: { scripted: { max_agents: null } },
      },
    });
  } finally {
    db.close();
  }
  const selects = statements.filter((sql) => /^\s*SELECT\b/.test(sql));
  return ['BEGIN', ...selects, 'COMMIT'];
}

function filled(sql: string, values: unknown): string {
  const named = Object.fromEntries(Object.entries(values ?? {}));
  return sql.replace(/@(\w+)/g, (_, name: string) => {
    const value: unknown = named[name] ?? null;
    return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
  });
}

/** Strings and lists of strings are written alike in Python and JSON. */
function python(board: string, reads: readonly string[]): string {
  return `import sqlite3
con = sqlite3.connect(${JSON.stringify(board)}, isolation_level=None)
for sql in ${JSON.stringify(reads)}:
    con.execute(sql).fetchall()
con.close()
`;
}

/** The same reads by another program; a text says why that cannot be. */
export async function otherReader(
  which: 'python3' | 'sqlite3',
  name: string,
  one: Case,
  scratch: Scratch,
): Promise<Subject | string> {
  const reads = await readsOf(one);
  const file = join(scratch.dir, `${which}-${relative(scratch.dir, one.dir)}`);
  const { board: path } = one.places;
  const { env } = one;
  const first =
    which === 'python3' ? ['-c', 'import sys; print(sys.executable)'] : ['-batch', ':memory:', '.quit'];
  const asked = spawnSync(which, first, { encoding: 'utf8', timeout: 10_000 });
  if (asked.status !== 0) return `${which} is not installed`;
  let subject: Subject;
  if (which === 'python3') {
    writeFileSync(file, python(path, reads));
    // Itself, not a version manager's script that looks for it.
    subject = plain(name, { file: asked.stdout.trim(), args: [file], env });
  } else {
    const input = `${reads.join(';\n')};\n`;
    subject = plain(name, { file: which, args: ['-batch', path], env, input, talks: true });
  }
  const { file: program, args, input } = await subject.ready();
  const tried = spawnSync(program, args, {
    ...{ env, encoding: 'utf8', timeout: 60_000, maxBuffer: 1 << 28 },
    ...(input === undefined ? {} : { input }),
  });
  if (tried.status === 0 && tried.stderr === '') return subject;
  return `${which} cannot read the board: ${tried.stderr.trim().split('\n').at(-1) ?? tried.error?.message ?? ''}`;
}
