/** The body of an answer; null = it has more than `most` bytes, of which no more was read. */
export async function bodyWithin(answer: Response, most: number): Promise<Buffer | null> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.byteLength;
    if (bytes > most) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** What went wrong with a fetch: it hides that in the cause of its error. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return error.message || ((error as NodeJS.ErrnoException).code ?? 'no reason was told');
}

/** What errors of that kind are known by. */
export const NO_WAY = 'NoWay';

/** The way to the other machine is at fault. Its words hold neither the address that was asked nor what the proxy was told. */
export class NoWay extends Error {
  override readonly name = NO_WAY;
}

/** Whether nobody who is trusted has signed the certificate. */
export function isMistrust(error: unknown): boolean {
  const code = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
  return /^(UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?)|(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT))$/.test(
    code ?? '',
  );
}
