/** Makes a switch exhaustive: a new kind does not compile until every switch knows it. */
export function unreachable(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
