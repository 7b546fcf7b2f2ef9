import type { ReviewRow } from '../board/port/index.ts';
import { ago } from '../model/times.ts';

/** How far the work of a claim has come on its way out, in one line. */
export function reviewWords(row: ReviewRow, now_ms: number): string {
  const { url, branch, head, reader, error, next_at_ms } = row;
  const at = head === null ? branch : `${branch} (${head.slice(0, 12)})`;
  const how = {
    read: 'nothing has gone out',
    pushing: `being pushed: ${at}`,
    pushed: `pushed: ${at}`,
    opening: `a pull request is being opened for ${at}`,
    open: `open: ${url}`,
    merged: `merged: ${url}`,
    closed: `closed: ${url}`,
    refused: url === null ? 'not published' : `open: ${url}`,
  }[row.stage];
  const again = next_at_ms === null ? 'left for a person' : `again ${ago(next_at_ms, now_ms)}`;
  const trouble = error === null ? [] : [`${error} (${ago(row.updated_at_ms, now_ms)}, ${again})`];
  return [how, ...(reader === null ? [] : [`read by ${reader}`]), ...trouble].join('; ');
}
