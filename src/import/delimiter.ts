const DELIMITERS = [',', ';', '\t'];

/** What parts the cells of a table: the one that parts its header into most of them. */
export function delimiterOf(text: string): string {
  const header = /^\ufeff?\s*([^\r\n]*)/.exec(text)?.[1] ?? '';
  const count = (delimiter: string): number => header.split(delimiter).length;
  return DELIMITERS.reduce((best, one) => (count(one) > count(best) ? one : best), ',');
}
