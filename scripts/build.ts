/** Bundles the source into the few files that `bin/mc-pickup.js` loads. CommonJS, because only there do
 *  the lazily imported parts keep their `require` calls lazy: an ES module bundle hoists every import. */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, relative, resolve } from 'node:path';
import { type BuildOptions, build, type ImportKind, type Plugin } from 'esbuild';
import pkg from '../package.json' with { type: 'json' };
import { thirdPartyLicenses } from './licenses.ts';
import { manualPage } from './man.ts';
import { oursAlone } from './source-map.ts';

const require = createRequire(import.meta.url);

/** Modules of Node that take milliseconds to load and that most ticks never call: each is loaded when one of its
 *  exports is first used, so that the source may import them like any other. */
const LATE =
  /^node:(child_process|crypto|os|timers\/promises|zlib|stream|stream\/promises|readline|readline\/promises|http|util)$/;

/** What the source imports from a module: all its exports would be hundreds, each defined in every tick. */
function namesFrom(module: string): string[] {
  const imports = new RegExp(`import (?:type )?(?:\\{([^}]+)\\}|[^{;]+) from '${module}'`, 'g');
  const names = globSync('src/**/*.ts').flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(imports)].flatMap(([whole, list]) => {
      if (list === undefined) throw new Error(`${file}: import what is needed of ${module} by name`);
      return whole.startsWith('import type')
        ? []
        : list.split(',').map((one) => one.trim().replace(/ as .*/s, ''));
    }),
  );
  return [...new Set(names)].filter((name) => name !== '' && !name.startsWith('type ')).sort();
}

/** A module that is loaded, by `load`, when one of its exports is first used. */
function late(module: string, load: string): string {
  return `for (const name of ${JSON.stringify(namesFrom(module))})
  Object.defineProperty(exports, name, { enumerable: true, get: () => ${load}[name] });`;
}

const lateBuiltins: Plugin = {
  name: 'late-builtins',
  setup({ onResolve, onLoad }) {
    const ours = (importer: string) => !importer.includes('node_modules');
    onResolve({ filter: LATE }, ({ path, importer }) =>
      ours(importer) ? { path, namespace: 'late' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'late' }, ({ path }) => ({
      contents: late(path, `process.getBuiltinModule(${JSON.stringify(path)})`),
    }));
  },
};

/** The JavaScript of better-sqlite3 comes into the bundle (16 small files less to find and read); its native module
 *  stays where npm put it. */
const sqliteBinding: Plugin = {
  name: 'sqlite-binding',
  setup({ onLoad }) {
    onLoad({ filter: /better-sqlite3[/\\]lib[/\\]binding\.js$/ }, ({ path }) => {
      const lib = `require('path').join(require.resolve('better-sqlite3/package.json'), '../lib')`;
      return { contents: readFileSync(path, 'utf8').replaceAll('__dirname', `(${lib})`) };
    });
  },
};

/** What valibot makes for every schema and this program never asks for: a second face of each (by "Standard Schema"), and a pattern of all
 *  emoji. Each tick would make them anew. */
const leanValibot: Plugin = {
  name: 'lean-valibot',
  setup({ onLoad }) {
    onLoad({ filter: /valibot[/\\]dist[/\\]index\.mjs$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8')
        .replace(/(function _standardSchema\(schema\) \{)\s*schema\["~standard"\] = \{.*?\n\t\};/s, '$1')
        .replace(/^const EMOJI_REGEX = .*$/m, 'const EMOJI_REGEX = null;'),
    }));
  },
};

const COMMON = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node22.14',
  minify: true,
  legalComments: 'none', // the licences are in a file of their own
  metafile: true,
  logLevel: 'warning',
  write: false,
} satisfies BuildOptions;

/** Imported like any other, and loaded when it is first used. */
const LATE_PACKAGE = 'toml-eslint-parser';

/** Bundles of their own beside the main one, which is the killswitch gate and no more. */
const BESIDE: Readonly<Record<string, string>> = {
  // What a tick always needs. What it imports late is a bundle of its own too, and here only where others import it as well: a module
  // that is imported late inside of a bundle is a function there, and so is all that it imports, called one by one.
  tick: 'src/tick/plain.ts',
  // What a launch needs, and what makes its worktree.
  launch: 'src/act/launch/index.ts',
  workspace: 'src/workspace/index.ts',
  // The whole command line; of that a scheduler's tick needs nothing.
  cli: 'src/cli/index.ts',
  // What a launcher calls before it becomes the agent.
  registration: 'src/registration.ts',
  // What runs hooks.
  execa: require.resolve('execa'),
  // What finds the line of a key in a configuration that somebody complains of.
  [LATE_PACKAGE]: require.resolve('toml-eslint-parser'),
  // The board on a server, and what says that it is there.
  http: 'src/board/http/index.ts',
  'board-server': 'src/config/board.ts',
  // The page and its charts.
  page: 'src/page/index.ts',
  // What reads and writes other tools' tickets: parsers, and the client of a forge.
  import: 'src/import/index.ts',
  // What asks by a proxy, or by certificates of the machine.
  proxied: 'src/machine/proxied.ts',
  // What Prometheus reads.
  metrics: 'src/metrics/index.ts',
  // What takes old things away, every ten minutes.
  retention: 'src/clean/retention.ts',
  // What goes out to a forge, and the client of GitHub.
  publish: 'src/publish/index.ts',
  github: 'src/publish/forge/github.ts',
};

/** Those that the launcher's `loadBeside` gives a code cache too. The others are not plain ASCII, or do what takes far longer than to
 *  compile them. Without that (debugging) its place is told by `__dirname`. */
const CACHED = /^(main|registration|cli|tick|launch|workspace|tick-following)$/;

/** In these each late import is the edge of a bundle. */
const UNWRAPPED = /\/(main|tick)\.cjs$/;

/** By the path of its entry, the name of each of that table. */
const NAMES = new Map(Object.entries(BESIDE).map(([name, entry]) => [resolve(entry), name]));

/** Bundles that are still to be made: those, and what is found to be imported late. */
const asked = new Map(Object.entries({ main: 'src/main.ts', ...BESIDE }));

const besides: Plugin = {
  name: 'besides',
  setup({ onResolve, onLoad, initialOptions }) {
    const beside = (path: string | undefined, kind: ImportKind) =>
      path === undefined || kind === 'entry-point' ? undefined : { path, namespace: 'besides' };
    onResolve({ filter: /^\.\.?\/.*\.ts$/ }, ({ path, resolveDir, kind }) => {
      const file = resolve(resolveDir, path);
      const named = NAMES.get(file);
      const edge = kind === 'dynamic-import' && UNWRAPPED.test(initialOptions.outfile ?? '');
      if (named !== undefined || !edge) return beside(named, kind);
      const name = relative('src', file).replace(/\.ts$/, '').replaceAll('/', '-');
      asked.set(name, file);
      return beside(name, kind);
    });
    onResolve({ filter: /^(execa|toml-eslint-parser)$/ }, ({ path, kind }) => beside(path, kind));
    onLoad({ filter: /./, namespace: 'besides' }, ({ path }) => {
      const plain = `require(__dirname + '/${path}.cjs')`;
      if (path === LATE_PACKAGE) return { contents: late(path, plain) };
      return {
        contents: `module.exports = ${!CACHED.test(path) ? plain : `typeof loadBeside === 'function' ? loadBeside('${path}.cjs') : ${plain}`};`,
      };
    });
  },
};

/** `--failpoints`: the same program with its failpoints, for `npm run test:crash` alone. */
const FAILPOINTS = process.argv.includes('--failpoints');
const DIST = FAILPOINTS ? '.cache/failpoints/dist' : 'dist';

const DEFINE = {
  'import.meta.dirname': '__dirname',
  MC_PICKUP_VERSION: JSON.stringify(pkg.version),
  MC_PICKUP_FAILPOINTS: String(FAILPOINTS),
};

const bundle = (name: string, entry: string) =>
  build({
    ...COMMON,
    entryPoints: [entry],
    outfile: `dist/${name}.cjs`,
    sourcemap: 'linked',
    sourcesContent: false, // a stack needs the lines' numbers alone
    external: ['better-sqlite3/package.json', '*.node'],
    define: DEFINE,
    plugins: [lateBuiltins, sqliteBinding, leanValibot, besides],
  });

const bundles: Awaited<ReturnType<typeof bundle>>[] = [];
while (asked.size > 0) {
  const some = [...asked];
  asked.clear();
  bundles.push(...(await Promise.all(some.map(([name, entry]) => bundle(name, entry)))));
}

// Made beside the old one: a scheduler may start the program meanwhile.
const [made, old] = [`${DIST}.new`, `${DIST}.old`];
for (const dir of [made, old]) rmSync(dir, { recursive: true, force: true });
mkdirSync(made, { recursive: true });
if (FAILPOINTS) cpSync('bin', `${DIST}/../bin`, { recursive: true });
for (const { path, text } of bundles.flatMap(({ outputFiles }) => outputFiles)) {
  const name = basename(path);
  const isBundle = name.endsWith('.cjs');
  // The launcher reads a bundle as Latin-1, and knows it by the hash in its last line.
  if (CACHED.test(name.replace(/\.cjs$/, '')) && /[^\n -~\t]/.test(text))
    throw new Error(`${name} is not plain ASCII`);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  writeFileSync(`${made}/${name}`, isBundle ? `${text}//${hash}\n` : oursAlone(text));
}
if (!FAILPOINTS) {
  writeFileSync(`${made}/mc-pickup.1`, manualPage());
  const licences = thirdPartyLicenses(bundles.map(({ metafile }) => metafile));
  writeFileSync(`${made}/THIRD-PARTY-LICENSES.txt`, licences);
}
if (existsSync(DIST)) renameSync(DIST, old);
renameSync(made, DIST);
rmSync(old, { recursive: true, force: true });
