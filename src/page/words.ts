import { reasonWords } from '../model/sentences.ts';
import { oneLine } from '../model/text.ts';
import { type Html, html } from './html.ts';

/** A literal reason as it stands in the log. */
export function literal(because: string | null): string {
  return oneLine(because ?? 'unknown', 60);
}

/** The same for the eye: `agent dead`. */
export function plain(because: string | null): string {
  return literal(because).replaceAll('_', ' ');
}

export function meaning(because: string | null): string {
  return reasonWords(literal(because)) ?? 'a reason of another program';
}

/** `1 run`, `3 runs`. */
export function many(n: number, one: string, more = `${one}s`): string {
  return `${n} ${n === 1 ? one : more}`;
}

/** `1.2M`, `34k`. */
export function short(n: number): string {
  for (const [unit, sign] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const)
    if (n >= unit)
      return `${n / unit >= 10 ? Math.round(n / unit) : Math.round((n / unit) * 10) / 10}${sign}`;
  return String(Math.round(n));
}

export function dollars(n: number): string {
  return `$${n >= 100 ? Math.round(n) : n.toFixed(2)}`;
}

/** Somebody else's words on one line, set apart so that right-to-left text moves nothing beside it. */
export function said(text: string, max = 200): Html {
  return html`<bdi>${oneLine(text, max)}</bdi>`;
}

export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => Html | string | number;
  readonly number?: boolean;
}

/** A table whose first column names its rows. It scrolls by itself, by keyboard too. */
export function table<T>(
  caption: string,
  columns: readonly Column<T>[],
  rows: readonly T[],
  most = 200,
): Html {
  const left = rows.length - most;
  const kind = (column: Column<T>) => (column.number === true ? html` class="n"` : null);
  return html`<details><summary>Table: ${caption}</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Table: ${caption}"><table><caption class="sr">${caption}</caption>
<thead><tr>${columns.map((one) => html`<th scope="col"${kind(one)}>${one.head}</th>`)}</tr></thead>
<tbody>${rows.slice(0, most).map(
    (row) => html`<tr>${columns.map((one, n) =>
      n === 0 ? html`<th scope="row">${one.cell(row)}</th>` : html`<td${kind(one)}>${one.cell(row)}</td>`,
    )}</tr>
`,
  )}</tbody></table></div>${left > 0 && html`<p class="more">and ${left} more</p>`}</details>`;
}

/** A chart with what it says in words, its legend, and the same as a table. */
export function figure(o: {
  readonly id: string;
  readonly title: string;
  readonly says: Html | string;
  readonly chart: Html | null;
  readonly legend?: Html;
  readonly table?: Html;
  readonly wide?: boolean;
}): Html {
  return html`<section class="card${o.wide === true ? ' full' : ''}" id="${o.id}" aria-labelledby="${o.id}-h">
<h2 id="${o.id}-h">${o.title}</h2>
${
  o.chart === null
    ? html`<p class="empty">${o.says}</p>`
    : html`<figure>
<figcaption>${o.says}${o.legend ?? null}</figcaption>
${o.chart}
</figure>`
}
${o.table ?? null}
</section>
`;
}

/** A legend entry: a sample drawn as in the chart, and its word. */
export function key(sample: Html, word: string | Html): Html {
  return html`<li>${sample} ${word}</li>`;
}
