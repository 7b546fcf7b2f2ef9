/** Bundles `src/main.ts` into the one file that `bin/mc-pickup.js` loads. CommonJS, because only there do
 *  the lazily imported parts keep their `require` calls lazy: an ES module bundle hoists every import. */
import { build } from 'esbuild';

await build({
  entryPoints: ['src/main.ts'],
  outfile: 'dist/main.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node22.13',
  external: ['better-sqlite3'],
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  logLevel: 'warning',
});
