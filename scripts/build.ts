/** Bundles `src/main.ts` into the one file that `bin/mc-pickup.js` loads. CommonJS, because only there do
 *  the lazily imported parts keep their `require` calls lazy: an ES module bundle hoists every import. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { build, type Plugin } from 'esbuild';
import pkg from '../package.json' with { type: 'json' };

const require = createRequire(import.meta.url);

/** Modules of Node that take milliseconds to load and that most ticks never call: each is loaded when one of its
 *  exports is first used, so that the source may import them like any other. */
const LATE = /^node:(child_process|crypto|timers\/promises)$/;

const lateBuiltins: Plugin = {
  name: 'late-builtins',
  setup({ onResolve, onLoad }) {
    const ours = (importer: string) => !importer.includes('node_modules');
    onResolve({ filter: LATE }, ({ path, importer }) =>
      ours(importer) ? { path, namespace: 'late' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'late' }, ({ path }) => ({
      contents: `const load = () => process.getBuiltinModule(${JSON.stringify(path)});
for (const name of ${JSON.stringify(Object.keys(require(path)))})
  Object.defineProperty(exports, name, { enumerable: true, get: () => load()[name] });`,
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

await build({
  entryPoints: ['src/main.ts'],
  outfile: 'dist/main.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node22.13',
  external: ['better-sqlite3/package.json', '*.node'],
  define: { 'import.meta.dirname': '__dirname', MC_PICKUP_VERSION: JSON.stringify(pkg.version) },
  plugins: [lateBuiltins, sqliteBinding],
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  logLevel: 'warning',
});
