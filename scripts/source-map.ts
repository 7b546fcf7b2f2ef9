import { decode, encode, type SourceMapSegment } from '@jridgewell/sourcemap-codec';

interface SourceMap {
  readonly sources: readonly (string | null)[];
  readonly mappings: string;
}

/** A bundle's source map without what others wrote: that would be half of what is installed, to name lines of files that are
 *  not installed. (esbuild has no option for it, and reads no source map of a package.) */
export function oursAlone(text: string): string {
  const map = JSON.parse(text) as SourceMap;
  const foreign = (source: number | undefined) => map.sources[source ?? -1]?.includes('node_modules') ?? true;
  const lines = decode(map.mappings).map((segments) =>
    segments
      .map((one): SourceMapSegment => (foreign(one[1]) ? [one[0]] : one)) // ends what was mapped before it
      .filter((one, index, all) => one.length > 1 || (index > 0 && all[index - 1]?.length !== 1)),
  );
  return JSON.stringify({
    ...map,
    sources: map.sources.map((source, index) => (foreign(index) ? null : source)),
    mappings: encode(lines),
  });
}
