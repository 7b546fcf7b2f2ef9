const CONTEXT = 2;

/** What changes between two texts, in the manner of `diff -u`, as one hunk: what is alike before and after it is left
 *  out. Empty = nothing changes. null = there is no such text. */
export function diff(name: string, before: string | null, after: string | null): string[] {
  if (before === after) return [];
  const old = linesOf(before ?? '');
  const now = linesOf(after ?? '');
  let head = 0;
  while (head < Math.min(old.length, now.length) && old[head] === now[head]) head++;
  let tail = 0;
  const room = Math.min(old.length, now.length) - head;
  while (tail < room && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail++;
  const from = Math.max(0, head - CONTEXT);
  const more = Math.min(CONTEXT, tail);
  const removed = old.slice(head, old.length - tail);
  const added = now.slice(head, now.length - tail);
  const count = (changed: readonly string[]): number => head - from + changed.length + more;
  return [
    before === null ? '--- (nothing)' : `--- ${name}`,
    after === null ? '+++ (nothing)' : `+++ ${name}`,
    `@@ -${span(from, count(removed))} +${span(from, count(added))} @@`,
    ...old.slice(from, head).map((line) => ` ${line}`),
    ...removed.map((line) => `-${line}`),
    ...added.map((line) => `+${line}`),
    ...now.slice(now.length - tail, now.length - tail + more).map((line) => ` ${line}`),
  ];
}

function span(from: number, count: number): string {
  return `${count === 0 ? from : from + 1},${count}`;
}

/** The end of a text without a last newline is a line too; a carriage return is not shown. */
function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
