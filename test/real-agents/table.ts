/* The table of scenarios and clients: what a run has found, what docs/agents.md says, and what has changed between the two. */
import type { RealKind } from '../support/clients/rig.ts';

export interface Result {
  readonly kind: RealKind;
  /** Of the client. */
  readonly version: string;
  /** Of the scenario. */
  readonly name: string;
  /** `pass`, `FAIL`, or `limit: ` with the reason. */
  readonly result: string;
}

export const LIMIT = 'limit: ';

/** One row a scenario, one column a client; the limits of clients are said below. */
export function tableOf(kinds: readonly RealKind[], results: readonly Result[]): string {
  const columns = kinds.filter((kind) => results.some((one) => one.kind === kind));
  const names = [...new Set(results.map(({ name }) => name))];
  const cell = (kind: RealKind, name: string): string => {
    const result = results.find((one) => one.kind === kind && one.name === name)?.result ?? 'not run';
    return result.startsWith(LIMIT) ? 'limit' : result;
  };
  const head = (kind: RealKind) => `${kind} ${results.find((one) => one.kind === kind)?.version}`;
  const limits = results.filter(({ result }) => result.startsWith(LIMIT));
  return [
    `| scenario | ${columns.map(head).join(' | ')} |`,
    `| --- |${' --- |'.repeat(columns.length)}`,
    ...names.map((name) => `| ${name} | ${columns.map((kind) => cell(kind, name)).join(' | ')} |`),
    '',
    ...limits.map(({ kind, name, result }) => `- ${kind}, ${name}: ${result.slice(LIMIT.length)}`),
  ].join('\n');
}

/** What a table says that was written earlier. */
export function resultsIn(text: string, kinds: readonly RealKind[]): Result[] {
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((word) => word.trim()),
    );
  const [heads = []] = rows;
  return kinds.flatMap((kind) => {
    const column = heads.findIndex((head) => head.startsWith(`${kind} `));
    if (column < 0) return [];
    const version = heads[column]?.slice(kind.length + 1) ?? '';
    return rows.slice(2).flatMap((row): Result[] => {
      const [name = ''] = row;
      const said = row[column] ?? 'not run';
      const why = text.split('\n').find((line) => line.startsWith(`- ${kind}, ${name}: `));
      if (said === 'not run') return [];
      const result = said === 'limit' ? `${LIMIT}${why?.slice(`- ${kind}, ${name}: `.length)}` : said;
      return [{ kind, version, name, result }];
    });
  });
}

/** What is otherwise than in the table that was written earlier, in lines. */
export function changesIn(before: readonly Result[], now: readonly Result[]): string[] {
  return [...new Set(now.map(({ kind }) => kind))].flatMap((kind) => {
    const was = new Map(before.filter((one) => one.kind === kind).map((one) => [one.name, one]));
    const is = now.filter((one) => one.kind === kind);
    const [earlier] = was.values();
    const same = (a: string, b: string) => (a.startsWith(LIMIT) ? b.startsWith(LIMIT) : a === b);
    const changed = is.flatMap(({ name, result }) => {
      const then = was.get(name)?.result;
      return then === undefined || same(then, result) ? [] : [`  ${name}: ${then} -> ${result}`];
    });
    const added = is
      .filter(({ name }) => !was.has(name))
      .map(({ name, result }) => `  new: ${name}: ${result}`);
    const known = is.length - changed.length - added.length;
    return [
      `${kind} ${is[0]?.version}, since ${earlier === undefined ? 'no run in the table' : earlier.version}: ${known} scenarios as before, ${changed.length} changed, ${added.length} new`,
      ...changed,
      ...added,
    ];
  });
}
