import { decode, encode, type SourceMapSegment } from '@jridgewell/sourcemap-codec';

interface SourceMap {
  readonly sources: readonly (string | null)[];
  readonly mappings: string;
}

/** A bundle's source map without what others wrote: that would be half of what is installed, to name lines of files that are
 *  not installed. (esbuild has no option for it, and reads no source map of a package.) And by lines alone, without columns and names: a stack
 *  is told by lines, and the rest would be two thirds of the map. */
export function oursAlone(text: string): string {
  const map = JSON.parse(text) as SourceMap;
  const foreign = (source: number | undefined) => map.sources[source ?? -1]?.includes('node_modules') ?? true;
  const lines = decode(map.mappings).map((segments) =>
    segments
      .map((one): SourceMapSegment => (foreign(one[1]) ? [one[0]] : one)) // ends what was mapped before it
      .map((one): SourceMapSegment => (one.length === 1 ? one : [one[0], one[1], one[2], 0]))
      .filter((one, index, all) => index === 0 || !isSameLine(one, all[index - 1]))
      .filter((one, index) => one.length > 1 || index > 0),
  );
  return JSON.stringify({
    ...map,
    names: [],
    sources: map.sources.map((source, index) => (foreign(index) ? null : source)),
    mappings: encode(lines),
  });
}

function isSameLine(one: SourceMapSegment, before: SourceMapSegment | undefined): boolean {
  return one[1] === before?.[1] && one[2] === before?.[2];
}
