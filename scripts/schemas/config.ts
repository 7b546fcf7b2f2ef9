/** The JSON Schema of the configuration, for editors, and the tables of its documentation: both from src/config/. */
import { type JsonSchema, toJsonSchema } from '@valibot/to-json-schema';
import { type KeyText, TABLES, type TableText, tableText } from '../../src/config/describe.ts';
import { HOOKS, NAME } from '../../src/config/schema.ts';
import { tomlValue } from '../../src/config/toml.ts';

/** Draft 7: what taplo, and so "Even Better TOML", reads. What only the program can know is left to it: whether a profile that is
 *  named is there, a file exists, a template names known variables. */
export function configSchema(): object {
  const { properties: top, ...root } = objectOf(tableText('top'));
  const { agent, project, route } = { agent: agentSchema(), project: projectSchema(), route: one('route') };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'mc-pickup: config.toml',
    ...root,
    properties: {
      ...top,
      limits: one('limits'),
      board: boardSchema(),
      project: named('project', project),
      agent: named('agent', agent),
      route: { type: 'array', description: tableText('route').says, items: route },
      notify: { type: 'array', description: tableText('notify').says, items: notifySchema() },
      metrics: { ...one('metrics'), oneOf: [{ required: ['file'] }, { required: ['textfile_dir'] }] },
      ...Object.fromEntries(plainTables().map((name) => [name, one(name)])),
    },
    definitions: { hook: hookSchema() },
  };
}

/** Tables that need no more than what their own schema says. */
function plainTables(): string[] {
  const special = ['top', 'limits', 'board', 'project', 'agent', 'route', 'review', 'notify', 'metrics'];
  const whole = TABLES.filter(({ sample }) => sample !== null).map(({ name }) => name);
  return whole.filter((name) => !special.includes(name));
}

interface ObjectSchema {
  readonly type: 'object';
  readonly description: string;
  readonly properties: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties: false;
}

const one = (name: string): ObjectSchema => objectOf(tableText(name));

function objectOf({ schema, keys, says }: TableText): ObjectSchema {
  const known = Object.keys(keys);
  const made = toJsonSchema(schema, {
    target: 'draft-07',
    typeMode: 'input',
    ignoreActions: ['check'],
    errorMode: 'ignore',
  });
  const properties = Object.entries(made.properties ?? {}).filter(([key]) => known.includes(key));
  const described = properties.map(([key, value]) => [key, { ...(value as object), ...wordsOf(keys[key]) }]);
  return {
    type: 'object',
    description: says,
    properties: Object.fromEntries(described),
    ...((made.required?.length ?? 0) > 0 ? { required: made.required ?? [] } : {}),
    additionalProperties: false,
  };
}

function wordsOf(text: KeyText | undefined): object {
  if (text === undefined) return {};
  const none = text.otherwise === undefined ? '' : ` (default: ${text.otherwise})`;
  return {
    description: `${text.says}${text.otherwise === 'required' ? '' : none}`,
    ...(text.example === undefined ? {} : { examples: [text.example] }),
  };
}

function named(name: string, items: object): object {
  return {
    type: 'object',
    description: tableText(name).says,
    patternProperties: { [NAME.source]: items },
    additionalProperties: false,
  };
}

/** A hook may be its argv alone. */
function hookSchema(): object {
  const table = one('hook');
  return { description: table.description, anyOf: [table, table.properties.argv] };
}

function notifySchema(): object {
  const made = one('notify');
  const inside = {
    command: { ...one('notify.command'), ...wordsOf(tableText('notify').keys.command) },
    webhook: {
      ...one('notify.webhook'),
      ...wordsOf(tableText('notify').keys.webhook),
      not: { required: ['secret_env', 'secret_file'] },
    },
  };
  return {
    ...made,
    properties: { ...made.properties, ...inside },
    oneOf: [
      { required: ['command'] },
      { required: ['webhook'] },
      { properties: { desktop: { const: true } }, required: ['desktop'] },
    ],
  };
}

function projectSchema(): object {
  const made = one('project');
  const hooks = HOOKS.map((key) => [
    key,
    { ...wordsOf(tableText('project').keys[key]), allOf: [{ $ref: '#/definitions/hook' }] },
  ]);
  return {
    ...made,
    properties: { ...made.properties, ...Object.fromEntries(hooks), review: reviewSchema() },
  };
}

function reviewSchema(): object {
  const made = one('review');
  const command = { ...wordsOf(tableText('review').keys.command), allOf: [{ $ref: '#/definitions/hook' }] };
  const demands = (pull_request: string, ...required: string[]): object => ({
    if: { properties: { pull_request: { const: pull_request } }, required: ['pull_request'] },
    // biome-ignore lint/suspicious/noThenProperty: a word of JSON Schema
    then: { properties: { push: { const: true } }, required: ['push', ...required] },
  });
  return {
    ...made,
    properties: { ...made.properties, command },
    not: { required: ['token_env', 'token_file'] },
    allOf: [demands('github', 'repo'), demands('command', 'command')],
  };
}

function agentSchema(): object {
  const made = one('agent');
  // Names of variables are checked by the record's key, which the converter passes on as `propertyNames`.
  return {
    ...made,
    not: { required: ['prompt', 'prompt_file'] },
    if: { properties: { kind: { const: 'command' } }, required: ['kind'] },
    // biome-ignore lint/suspicious/noThenProperty: a word of JSON Schema
    then: { required: ['argv'] },
  };
}

function boardSchema(): object {
  return {
    ...one('board'),
    if: { properties: { kind: { const: 'mission-control' } }, required: ['kind'] },
    // biome-ignore lint/suspicious/noThenProperty: a word of JSON Schema
    then: { required: ['url'], not: { required: ['token_file', 'token_env'] } },
  };
}

/** The rows of a table of keys, as Markdown. */
export function keyTable(name: string): string {
  const rows = Object.entries(tableText(name).keys).map(([key, { says, value, otherwise }]) => [
    `\`${key}\``,
    value === undefined ? (otherwise ?? '') : `\`${tomlValue(value)}\``,
    says,
  ]);
  return markdownTable(['key', 'default', 'meaning'], rows);
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(cells[0] ?? []), rule, ...cells.slice(1).map(line)].join('\n');
}
