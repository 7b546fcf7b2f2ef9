/*
 * Charts as SVG, drawn by ECharts without a browser. Colours are variables of the page's style, so that one drawing serves
 * dark and light, screen and print. What ECharts adds for its own script in a browser is taken out again: the page has none.
 */
import { BarChart, CustomChart, LineChart } from 'echarts/charts';
import { GridComponent, MarkAreaComponent } from 'echarts/components';
import { type ECharts, type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { oneLine } from '../model/text.ts';
import { Html, html } from './html.ts';

use([BarChart, CustomChart, LineChart, GridComponent, MarkAreaComponent, SVGRenderer]);

export type Option = EChartsCoreOption;

/** Two drawings of one chart, for wide and for narrow screens: a drawing that is shrunk can't be read. */
export interface Drawing {
  /** Unique in the page. */
  readonly id: string;
  readonly option: (width: number) => Option;
  readonly height: (width: number) => number;
  readonly wide: number;
}

const NARROW = 318;

export function drawn({ id, option, height, wide }: Drawing, alt: string): Html {
  const one = (width: number) => svgOf(`${id}-${width}`, option(width), { width, height: height(width) });
  return html`<div class="chart wide" role="img" aria-label="${alt}">${one(wide)}</div>
<div class="chart narrow" role="img" aria-label="${alt}">${one(NARROW)}</div>`;
}

/** Whether a drawing of this width is the narrow one. */
export function isNarrow(width: number): boolean {
  return width <= NARROW;
}

/** Text for a chart: on one line, short, and without what the engine would take for its own signs. */
export function label(text: string, max = 28): string {
  return oneLine(text, max).replace(/[{}|]/g, ' ');
}

export function svgOf(
  id: string,
  option: Option,
  { width, height }: { readonly width: number; readonly height: number },
): Html {
  const chart: ECharts = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: 'sans-serif', fontSize: 12 }, ...option });
    return new Html(bare(chart.renderToSVGString({ useViewBox: true }), id));
  } finally {
    chart.dispose(); // its timers would keep the process alive
  }
}

/** Inside text ECharts escapes quotes and angle brackets: what looks like an attribute here is one. */
function bare(svg: string, id: string): string {
  return svg
    .replace(/<style[^>]*>.*?<\/style>/gs, '')
    .replace(
      / (?:style|class|ecmeta_\w+|pointer-events|xmlns(?::xlink)?|version|baseProfile|xml:space)="[^"]*"/g,
      '',
    )
    .replace(/<rect [^>]*fill="none"[^>]*><\/rect>\n?/, '')
    .replace(/ (?:d|transform|points)="[^"]*"/g, (where) => where.replace(/(\.\d)\d+/g, '$1'))
    .replace(/ (?:id|clip-path)="[^"]*"/g, (where) => where.replace(/zr\d+/, id)) // its count of charts
    .replace('<svg ', '<svg aria-hidden="true" focusable="false" ');
}

const INK = 'var(--ink)';
const MUTED = 'var(--muted)';
const LINE = 'var(--line)';

/** Axes that all charts share. */
export const axis = {
  label: (more: object = {}) => ({ axisLabel: { color: MUTED, fontSize: 12, ...more } }),
  line: { axisLine: { lineStyle: { color: LINE } }, axisTick: { show: false } },
  split: { splitLine: { lineStyle: { color: LINE } } },
  noSplit: { splitLine: { show: false } },
};

export const ink = { color: INK, textBorderWidth: 0, fontSize: 12 };
