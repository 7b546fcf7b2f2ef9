import { closeSync, openSync, readSync } from 'node:fs';

/** So many random bytes of the kernel's, in hex: nobody can guess them. Node's `crypto` gives the same, and takes 15 ms to load. */
export function randomHex(bytes: number): string {
  const fd = openSync('/dev/urandom', 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    if (readSync(fd, buffer) !== bytes) throw new Error('/dev/urandom gave too few bytes');
    return buffer.toString('hex');
  } finally {
    closeSync(fd);
  }
}
