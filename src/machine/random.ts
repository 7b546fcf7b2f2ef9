import { closeSync, openSync, readSync } from 'node:fs';

/** What one look takes in: a launch needs some twenty bytes, in three calls. */
const AT_ONCE = 512;

let left = Buffer.alloc(0);

/** So many random bytes of the kernel's, in hex: nobody can guess them, and none is given out twice. Node's `crypto` gives the same, and takes
 *  15 ms to load. */
export function randomHex(bytes: number): string {
  if (left.length < bytes) left = fromKernel(Math.max(bytes, AT_ONCE));
  const taken = left.subarray(0, bytes);
  left = left.subarray(bytes);
  return taken.toString('hex');
}

function fromKernel(bytes: number): Buffer<ArrayBuffer> {
  const fd = openSync('/dev/urandom', 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    if (readSync(fd, buffer) !== bytes) throw new Error('/dev/urandom gave too few bytes');
    return buffer;
  } finally {
    closeSync(fd);
  }
}
