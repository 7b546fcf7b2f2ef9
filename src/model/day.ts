/** The UTC day of a moment, such as `2026-11-24`: use is counted by it. */
export function dayOf(at_ms: number): string {
  return new Date(at_ms).toISOString().slice(0, 10);
}
