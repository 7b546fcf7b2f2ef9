/*
 * A board and the write-ahead log beside it, read as one, with nothing locked and nothing written: SQLite itself makes or changes a
 * `-shm` file even for a reader. The format is that of https://www.sqlite.org/fileformat2.html#the_write_ahead_log.
 */

const HEADER = 32;
const FRAME = 24;
/** The last bit says in which order of bytes the checksums are counted. */
const MAGIC = 0x377f0682;

/** The database with every committed frame of its log put in. A log that is no log, or of another time, adds nothing. */
export function withLog(database: Buffer, log: Buffer): Buffer {
  const committed = committedPages(log);
  if (committed === null) return database;
  const { pages, size, pageSize } = committed;
  const whole = Buffer.alloc(size * pageSize);
  database.copy(whole, 0, 0, Math.min(database.length, whole.length));
  for (const [page, at] of pages) if (page <= size) log.copy(whole, (page - 1) * pageSize, at, at + pageSize);
  return whole;
}

/** Whether the second is the first and what was added to it since: no checkpoint has begun it anew in between. */
export function isSameLog(before: Buffer, after: Buffer): boolean {
  return after.length >= before.length && before.subarray(0, HEADER).equals(after.subarray(0, HEADER));
}

interface Committed {
  readonly pageSize: number;
  /** Pages of the database after the last commit. */
  readonly size: number;
  /** Where in the log the last committed content of each page is. */
  readonly pages: ReadonlyMap<number, number>;
}

/** null = nothing is committed in it. The frames end where a salt or the running checksum does not fit: what follows is of
 *  before the last checkpoint, or was not written to its end. */
function committedPages(log: Buffer): Committed | null {
  if (log.length < HEADER) return null;
  const magic = log.readUInt32BE(0);
  if ((magic & ~1) >>> 0 !== MAGIC) return null;
  const little = (magic & 1) === 0;
  const pageSize = log.readUInt32BE(8);
  let sum = checksum(log, 0, 24, little, [0, 0]);
  if (!isSum(log, 24, sum)) return null;
  const pages = new Map<number, number>();
  let pending: [number, number][] = [];
  let size = 0;
  for (let at = HEADER; at + FRAME + pageSize <= log.length; at += FRAME + pageSize) {
    if (log.compare(log, 16, 24, at + 8, at + 16) !== 0) break;
    sum = checksum(log, at, at + 8, little, sum);
    sum = checksum(log, at + FRAME, at + FRAME + pageSize, little, sum);
    if (!isSum(log, at + 16, sum)) break;
    pending.push([log.readUInt32BE(at), at + FRAME]);
    const commit = log.readUInt32BE(at + 4);
    if (commit === 0) continue;
    for (const [page, where] of pending) pages.set(page, where);
    pending = [];
    size = commit;
  }
  return size === 0 ? null : { pageSize, size, pages };
}

type Sum = readonly [number, number];

function checksum(log: Buffer, from: number, to: number, little: boolean, [one, two]: Sum): Sum {
  let [a, b] = [one, two];
  for (let at = from; at < to; at += 8) {
    a = (a + (little ? log.readUInt32LE(at) : log.readUInt32BE(at)) + b) >>> 0;
    b = (b + (little ? log.readUInt32LE(at + 4) : log.readUInt32BE(at + 4)) + a) >>> 0;
  }
  return [a, b];
}

function isSum(log: Buffer, at: number, [a, b]: Sum): boolean {
  return log.readUInt32BE(at) === a && log.readUInt32BE(at + 4) === b;
}
