/*
 * The page: one HTML file that needs nothing else, not even a script. Bundled by itself (dist/page.cjs) and loaded by what
 * writes a page alone, since the charts weigh more than all the rest of the program.
 */
import { createHash } from 'node:crypto';
import type { PageData } from './data.ts';
import { failuresFigure, healsFigure, throughputFigure, ticksFigure, usageFigure } from './figures.ts';
import { Html, html } from './html.ts';
import { STYLE } from './style.ts';
import { tickets } from './tickets.ts';
import { clockOf } from './time.ts';
import { timeline } from './timeline.ts';
import { top } from './top.ts';

export { type Facts, gather, type PageData } from './data.ts';

/** The page of this data, as one text. Pure: the same data gives the same page. */
export function pageOf(data: PageData): string {
  const clock = clockOf(data.now_ms, data.zone);
  const hash = createHash('sha256').update(STYLE).digest('base64');
  const csp = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Html(csp)}">
<meta name="generator" content="mc-pickup page">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>mc-pickup on ${data.host.name}, ${clock.long(data.now_ms)}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the board</a>
<div class="page">
${top(data, clock)}
<nav aria-label="On this page"><ul>${LINKS.map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
<main id="main" tabindex="-1">
${tickets(data, clock)}
<div class="cards">
${timeline(data, clock)}${throughputFigure(data, clock)}${usageFigure(data, 'tokens')}${usageFigure(data, 'usd')}${failuresFigure(data, clock)}${healsFigure(data, clock)}${ticksFigure(data, clock)}
</div>
</main>
<footer><p>Read from the board at one moment; <code>mc-pickup explain TICKET</code> tells all that happened to a ticket.
Times are of ${data.zone}; days of use are UTC.</p></footer>
</div>
</body>
</html>
`.text;
}

const LINKS = [
  ['board', 'Board'],
  ['timeline', 'Runs'],
  ['throughput', 'Throughput'],
  ['tokens', 'Tokens'],
  ['usd', 'Money'],
  ['failures', 'Given back'],
  ['heals', 'Heals'],
  ['ticks', 'Ticks'],
] as const;
