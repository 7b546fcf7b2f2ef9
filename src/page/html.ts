import { clean } from '../model/text.ts';

/** Markup that is right as it stands. Made by the `html` tag, and by `svgOf` from a chart; nothing else may make one. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | null | false | readonly Part[];

/** A template in which every value is escaped but markup: what somebody else wrote can't become any by being forgotten. */
export function html(fixed: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(fixed.reduce((text, piece, n) => text + markup(parts[n - 1] ?? null) + piece));
}

/** The one way of text into the page: without control and bidi characters, and inert in markup and in quoted attributes. */
export function escapeText(text: string): string {
  return clean(text).replace(/[&<>"'`]/g, (char) => `&#${char.charCodeAt(0)};`);
}

function markup(part: Part): string {
  if (part instanceof Html) return part.text;
  if (typeof part === 'string') return escapeText(part);
  if (typeof part === 'number') return String(part);
  if (part === null || part === false) return '';
  return part.map(markup).join('');
}
