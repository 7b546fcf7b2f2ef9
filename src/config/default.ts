import { type KeyText, TABLES, type TableText } from './describe.ts';
import { tomlValue } from './toml.ts';

const WIDTH = 110;

/** A second profile, for what `fallback` and `[[route]]` show. */
const SECOND = '#[agent.codex]\n#kind = "codex"\n';

/** The configuration that `init` writes: every key with its default and what it means, commented out but for one profile.
 *  `schema`: the address of the schema for editors. */
export function defaultConfiguration(schema: string): string {
  const head = [
    `#:schema ${schema}`,
    ...remark('mc-pickup: what is dispatched where, and to whom.'),
    '#',
    ...remark(
      'A line that begins with "#" and no space is a key with its default, or with an example where it has none. Take the "#" away and change it. mc-pickup config check says what is wrong, with line and column; mc-pickup config show what is in force.',
    ),
  ];
  const tables = TABLES.filter(({ sample }) => sample !== null).map(table);
  return `${head.join('\n')}\n\n${tables.join('\n')}`;
}

function table({ name, sample, there = false, says, keys }: TableText): string {
  const lines = Object.entries(keys).flatMap(([key, text]) => entry(key, text, there));
  const header = sample === '' ? [] : [there ? sample : `#${sample}`];
  const second = name === 'agent' ? `\n${SECOND}` : '';
  return `${[...remark(`${says}.`), ...header, ...lines].join('\n')}\n${second}`;
}

/** What a table that is there needs is no comment. */
function entry(key: string, text: KeyText, there: boolean): string[] {
  const { says, value, otherwise, example, remark: aside } = text;
  const line = `${key} = ${tomlValue(value ?? example ?? '')}`;
  const needed = otherwise === 'required';
  const words = `${says.replace(/^[a-z]/, (first) => first.toUpperCase())}.`;
  const none = otherwise === undefined || needed ? '' : ` Default: ${otherwise}.`;
  if (aside) return [...remark(`${words}${none}`), `#   ${line}`];
  return [...remark(`${words}${none}`), needed && there ? line : `#${line}`];
}

function remark(text: string): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + word.length >= WIDTH) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
