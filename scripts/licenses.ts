/** The licences of what the bundles carry: `dist/THIRD-PARTY-LICENSES.txt`, made by every build. The packages are no dependencies
 *  of the installed program, so that their own licence files do not come with it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

/** Every package of which the bundles carry code, with its version, its licence and all that its licence asks to be handed on.
 *  Throws where a package has no licence text. */
export function thirdPartyLicenses(bundles: readonly Metafile[]): string {
  const packages = packagesIn(bundles).map(licenceOf);
  const index = packages.map(({ title }) => title);
  return [INTRODUCTION, index.join('\n'), ...packages.map(section)].join('\n\n');
}

const INTRODUCTION =
  'mc-pickup carries code of these packages in its bundles (dist/*.cjs). Each is used under its own licence, which follows.';

interface Licence {
  /** Name, version and the licence's short name. */
  readonly title: string;
  readonly texts: readonly string[];
}

/** The directories of the packages that a bundle has bytes of: what was only looked at, or shaken off, is not in it. */
function packagesIn(bundles: readonly Metafile[]): string[] {
  const files = bundles.flatMap(({ outputs }) =>
    Object.values(outputs).flatMap(({ inputs }) =>
      Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])),
    ),
  );
  const packages = files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []);
  return [...new Set(packages)].sort();
}

function licenceOf(dir: string): Licence {
  const { name, version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license?: string;
  };
  const texts = licenceFiles(dir).map((file) => readFileSync(file, 'utf8').trim());
  if (license === undefined || texts.length === 0)
    throw new Error(`${dir}: has no licence text: a bundle must not carry it`);
  return { title: `${name} ${version} (${license})`, texts };
}

/** Its own licence and notice, and those of what it carries itself (`licenses/` of echarts). */
function licenceFiles(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true })
    .filter(({ name }) => /^(licen[cs]e|notice|copying|copyright)/i.test(name))
    .flatMap((one) => {
      const path = join(dir, one.name);
      return one.isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path];
    })
    .sort();
}

function section({ title, texts }: Licence): string {
  return [`${'-'.repeat(80)}\n${title}`, ...texts].join('\n\n');
}
