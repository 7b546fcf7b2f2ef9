import type { Acted, Found, Group, Item } from '../model/clean.ts';
import { many, size } from '../model/text.ts';
import type { Out } from './out.ts';
import { type Cell, columnsOf, flow, paint } from './table.ts';

interface Shape {
  readonly columns: number;
  readonly color: boolean;
}

const HEADS: Readonly<Record<Group, string>> = {
  worktrees: 'worktrees',
  runs: 'directories of old runs',
  activity: 'old rows of the board',
  runtimes: 'what is left of runtimes',
  branches: 'branches',
};
/** So many things that stay are told one by one. */
const MOST = 20;

interface Where {
  readonly env: NodeJS.ProcessEnv;
  readonly json: boolean;
  readonly out: Out;
}

export interface Outcome {
  readonly item: Item;
  readonly acted: Acted;
}

/** What may go. `again`: the command that makes it go. */
export function printProposed({ out, json, env }: Where, found: Found, again: string): void {
  const { proposals, left, advice } = found;
  if (json) {
    const items = proposals.map(({ item, restorable }) => ({
      ...item,
      result: 'planned',
      restore: restorable,
    }));
    out.json({ dry_run: true, items, left, advice });
  } else {
    const shape = { columns: columnsOf(env), color: out.color };
    for (const line of cleanLines(found, again, shape)) out.painted(line);
  }
}

/** What went, what stayed, and what failed. */
export function printDone({ out, json, env }: Where, found: Found, outcomes: readonly Outcome[]): void {
  if (json) {
    const items = outcomes.map(({ item, acted }) => ({
      ...item,
      result: acted.result,
      restore: acted.result === 'done' ? acted.restore : null,
      ...(acted.result === 'failed' ? { error: acted.error } : {}),
      ...(acted.result === 'left' ? { error: acted.says } : {}),
    }));
    out.json({ dry_run: false, items, left: found.left, advice: found.advice });
  } else
    for (const line of doneLines(found, outcomes, { columns: columnsOf(env), color: out.color }))
      out.painted(line);
}

/** What may go, what stays and why, and what a person may end. */
function cleanLines(found: Found, again: string, shape: Shape): string[] {
  const { proposals } = found;
  const lines: string[] = [];
  for (const group of Object.keys(HEADS) as Group[]) {
    const own = proposals.filter(({ item }) => item.group === group);
    if (own.length === 0) continue;
    lines.push(paint(`${HEADS[group]} that may go`, 'head', shape.color));
    for (const { item, restorable } of own) lines.push(...entry(item, `back by: ${restorable}`, shape));
  }
  lines.push(...rest(found, shape));
  if (proposals.length === 0) return [...lines, 'nothing may go'];
  const bytes = proposals.reduce((sum, { item }) => sum + (item.bytes ?? 0), 0);
  return [...lines, `${many(proposals.length, 'thing')}, ${size(bytes)}; nothing was done yet: ${again}`];
}

/** What went and how it comes back, what did not, and what failed. */
function doneLines(found: Found, outcomes: readonly Outcome[], shape: Shape): string[] {
  const lines: string[] = [];
  for (const { item, acted } of outcomes) {
    if (acted.result === 'done') {
      const back = acted.restore === null ? 'done' : `back by: ${acted.restore}`;
      lines.push(...entry(item, back, shape));
    } else {
      const words = acted.result === 'left' ? `left: ${acted.says}` : `failed: ${acted.error}`;
      lines.push(...entry(item, words, shape, acted.result === 'failed' ? 'bad' : 'ask'));
    }
  }
  lines.push(...rest(found, shape));
  const gone = outcomes.filter(({ acted }) => acted.result === 'done');
  if (outcomes.length === 0) return [...lines, 'nothing may go'];
  const bytes = gone.reduce((sum, { item }) => sum + (item.bytes ?? 0), 0);
  return [...lines, `${gone.length} of ${many(outcomes.length, 'thing')} gone, ${size(bytes)}`];
}

function entry(item: Item, more: string, shape: Shape, tone?: Cell['tone']): string[] {
  const much = item.rows === null ? (item.bytes === null ? '' : size(item.bytes)) : many(item.rows, 'row');
  const head = [{ text: item.name }, ...(much === '' ? [] : [{ text: much }]), { text: item.says }];
  // A command is for copying: it is never broken or cut.
  const lines = flow(head, shape.columns - 4, '', shape.color).map(
    (line, n) => `${n === 0 ? '  ' : '    '}${line}`,
  );
  return [...lines, `    ${paint(more, tone ?? 'dim', shape.color)}`];
}

function rest({ left, advice }: Found, { color }: Shape): string[] {
  const lines: string[] = [];
  if (left.length > 0) {
    lines.push(paint('left as it is', 'head', color));
    for (const { name, says } of left.slice(0, MOST)) lines.push(`  ${name}`, `    ${says}`);
    if (left.length > MOST) lines.push(`  and ${left.length - MOST} more (--json names all)`);
  }
  if (advice.length > 0) {
    lines.push(paint('runs without a reason to; no agent is ended here', 'head', color));
    for (const { command, says } of advice) lines.push(`  ${command}`, `    ${says}`);
  }
  return lines;
}
