/** Whole milliseconds of the monotonic clock, which stands still in suspend. Not `performance.now()`: touching
 *  `performance` loads a dozen of Node's modules, which an idle tick would pay for. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
