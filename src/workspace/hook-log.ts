import { writeSync } from 'node:fs';
import type { OpenFile } from '../machine/foreign.ts';

const MAX_BYTES = 1024 * 1024;
/** Of what does not fit the end is kept: it says why a hook failed. */
const END_BYTES = 64 * 1024;
/** A log that is written to again and again (of the pool, of trials) begins anew above this, so that there is room for the newest. */
export const FRESH_ABOVE_BYTES = MAX_BYTES / 2;

/** A log that takes so much and no more: the beginning at once, the end when it is closed. */
export class HookLog {
  #room: number;
  #end: Buffer[] = [];
  #held = 0;
  #gone = 0;
  readonly #fd: number;

  constructor({ fd, size }: OpenFile) {
    this.#fd = fd;
    this.#room = MAX_BYTES - END_BYTES - size;
  }

  add(part: Buffer): void {
    const now = part.subarray(0, Math.max(0, this.#room));
    this.#room -= now.length;
    this.#write(now);
    const later = part.subarray(now.length);
    if (later.length === 0) return;
    this.#end.push(later);
    this.#held += later.length;
    // Only whole parts go, so that what is held is copied once, at the end.
    for (
      let [first] = this.#end;
      first !== undefined && this.#held - first.length >= END_BYTES;
      [first] = this.#end
    ) {
      this.#end.shift();
      this.#held -= first.length;
      this.#gone += first.length;
    }
  }

  close(): void {
    const end = Buffer.concat(this.#end);
    const all = this.#gone === 0 && end.length <= END_BYTES;
    const kept = all ? end : end.subarray(end.length - END_BYTES + leftOut(0).length);
    if (!all) this.#write(leftOut(this.#gone + end.length - kept.length));
    this.#write(kept);
    [this.#end, this.#held] = [[], 0];
  }

  #write(bytes: Buffer): void {
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes.subarray(at));
    } catch {
      // A disk that is full is no fault of the hook, which may yet come through.
    }
  }
}

/** Of one length, whatever the number. */
function leftOut(bytes: number): Buffer {
  return Buffer.from(`\n[${`${bytes}`.padStart(15)} bytes are left out here]\n`);
}
