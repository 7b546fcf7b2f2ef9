/** What a look gives that may fail, and whose failure says nothing more than that; null = it has failed. */
export function attempt<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}

/** What a text says as JSON; null = it is none. */
export function jsonIn(text: string): unknown {
  return attempt(() => JSON.parse(text));
}

/** The JSON object that a text is; null = there is no text, or it is anything else. */
export function objectIn(text: string | null): Record<string, unknown> | null {
  return text === null ? null : asObject(jsonIn(text));
}

/** The value if it is a plain JSON object. */
export function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
