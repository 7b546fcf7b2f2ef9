/**
 * Writes `src/board/http/contract.ts` from `docs/mission-control.openapi.yaml`: a valibot schema for each that an answer may have (what
 * is asked is the server's to check). `--check` writes nothing and fails if the file is not what would be written.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { parse } from 'yaml';

const SOURCE = 'docs/mission-control.openapi.yaml';
const TARGET = 'src/board/http/contract.ts';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly (string | number | null)[];
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly description?: string;
  /** What a server of an earlier contract means by leaving it out. */
  readonly default?: null;
}

const document = parse(readFileSync(SOURCE, 'utf8')) as {
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses?: object }>>>>;
  readonly components: { readonly responses: object; readonly schemas: Readonly<Record<string, Schema>> };
};
const { schemas } = document.components;

const nameOf = (ref: string): string => ref.replace('#/components/schemas/', '');
const nullable = (code: string, yes: boolean): string => (yes ? `v.nullable(${code})` : code);

function code(schema: Schema): string {
  if (schema.$ref !== undefined) return nameOf(schema.$ref);
  if (schema.oneOf !== undefined) {
    const [first] = schema.oneOf.filter(({ type }) => type !== 'null');
    return nullable(
      code(first ?? {}),
      schema.oneOf.some(({ type }) => type === 'null'),
    );
  }
  const types = [schema.type ?? 'object'].flat();
  const open = types.includes('null');
  if (schema.enum !== undefined)
    return nullable(`v.picklist(${JSON.stringify(schema.enum.filter((one) => one !== null))})`, open);
  switch (types.find((one) => one !== 'null')) {
    case 'string':
      return nullable('v.string()', open);
    case 'integer':
      return nullable('Integer', open);
    case 'number':
      return nullable('Finite', open);
    case 'boolean':
      return nullable('v.boolean()', open);
    case 'array':
      return nullable(`v.array(${code(schema.items ?? {})})`, open);
    default:
      return nullable(objectCode(schema), open);
  }
}

function objectCode({ properties, required = [], additionalProperties }: Schema): string {
  if (properties === undefined)
    return `v.record(v.string(), ${code(typeof additionalProperties === 'object' ? additionalProperties : {})})`;
  const lines = Object.entries(properties).map(([name, one]) =>
    required.includes(name)
      ? `${name}: ${code(one)},`
      : `${name}: v.optional(${code(one)}${one.default === null ? ', null' : ''}),`,
  );
  return `v.object({ ${lines.join(' ')} })`;
}

/** Those of answers, each after what it refers to. */
function inOrder(): string[] {
  const done = new Set(['Problem']); // of whatever is in its way: `api.ts` insists on no field of it
  const visit = (from: unknown): void => {
    for (const [, name = ''] of JSON.stringify(from).matchAll(/#\/components\/schemas\/(\w+)/g)) {
      if (done.has(name)) continue;
      visit(schemas[name]);
      done.add(name);
    }
  };
  for (const path of Object.values(document.paths))
    for (const { responses } of Object.values(path)) visit(responses ?? {});
  visit(document.components.responses);
  return [...done].slice(1);
}

const text = [
  `/* Made by scripts/contract.ts from ${SOURCE}: change that, then run npm run contract. */`,
  `import * as v from 'valibot';`,
  '',
  `export const CONTRACT = ${JSON.stringify(document.info.version)};`,
  '',
  'const Integer = v.pipe(v.number(), v.safeInteger());',
  'const Finite = v.pipe(v.number(), v.finite());',
  ...inOrder().map((name) => {
    const { description } = schemas[name] ?? {};
    const doc = description === undefined ? '' : `/** ${description} */\n`;
    return `\n${doc}export const ${name} = ${code(schemas[name] ?? {})};`;
  }),
  '',
].join('\n');
const formatted = execFileSync('biome', ['format', `--stdin-file-path=${TARGET}`], {
  input: text,
  encoding: 'utf8',
});

if (!process.argv.includes('--check')) writeFileSync(TARGET, formatted);
else if (readFileSync(TARGET, 'utf8') !== formatted) {
  process.stderr.write(`${TARGET} is not made from ${SOURCE} as it is: run npm run contract\n`);
  process.exitCode = 1;
}
