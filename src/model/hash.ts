/** FNV-1a, 64 bit (Fowler, Noll, Vo), as 16 hex digits: to tell things apart, not to keep secrets. Its own few
 *  lines because loading Node's crypto costs an idle tick more than all its queries. */
export function fnv1a(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text, 'utf8')) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}

/** A name that no other process or call of this machine makes: time, pid and the monotonic clock. */
export function uniqueName(): string {
  const parts = [Date.now(), process.pid, process.hrtime.bigint()];
  return parts.map((part) => part.toString(36)).join('-');
}
