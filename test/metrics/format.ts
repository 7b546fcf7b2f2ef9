/** A strict reader of the Prometheus text format: every line must be one that the format knows, in the order it asks for. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const HELP = new RegExp(`^# HELP (${NAME}) (\\S.*)$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;

export function samplesOf(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const found: Sample[] = [];
  const seen = new Set<string>();
  const typed = new Set<string>();
  let helped: string | null = null;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    const [, help] = HELP.exec(line) ?? [];
    if (help !== undefined) {
      helped = help;
      continue;
    }
    const [, type] = TYPE.exec(line) ?? [];
    if (type !== undefined) {
      if (type !== helped || typed.has(type)) throw new Error(`no HELP, or twice: ${line}`);
      typed.add(type);
      continue;
    }
    const [, name = '', inside = '', number = ''] = SAMPLE.exec(line) ?? [];
    if (name === '' || name !== helped || !typed.has(name)) throw new Error(`out of place: ${line}`);
    const value = Number(number);
    if (Number.isNaN(value)) throw new Error(`no number: ${line}`);
    const labels = labelsOf(inside, line);
    const key = `${name}${JSON.stringify(Object.entries(labels).sort())}`;
    if (seen.has(key)) throw new Error(`twice: ${line}`);
    seen.add(key);
    found.push({ name, labels, value });
  }
  return found;
}

function labelsOf(inside: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let rest = inside; rest !== ''; ) {
    const [whole = '', name = '', value = ''] = LABEL.exec(rest) ?? [];
    if (whole === '') throw new Error(`labels: ${line}`);
    labels[name] = value.replace(/\\(["\\n])/g, (_, one: string) => (one === 'n' ? '\n' : one));
    rest = rest.slice(whole.length);
  }
  return labels;
}
