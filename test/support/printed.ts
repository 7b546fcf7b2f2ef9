/** Holds what the program prints with `--json` against the published schemas, twice: as a reader would, and with every field
 *  that the schema does not name as an error, so that none is printed that is not documented. */
import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import { PRINTED, type Printed } from '../../scripts/schemas/json.ts';

type Json = { readonly [key: string]: unknown };

export class PrintedCheck {
  /** Commands whose output was looked at. */
  readonly seen = new Set<string>();
  readonly #checks = new Map<
    string,
    { readonly open: ValidateFunction; readonly closed: ValidateFunction }
  >();

  /** The faults of what a command has printed; empty = none. */
  faults(command: string, out: string): string[] {
    const one = PRINTED.find(({ commands }) => commands.includes(command));
    if (one === undefined) return [`${command} has no schema: see scripts/schemas/json.ts`];
    this.seen.add(command);
    const texts = out.split('\n').filter((line) => line !== '');
    if (one.lines !== true && texts.length !== 1) return [`${command} printed ${texts.length} lines: ${out}`];
    return texts.flatMap((text) => this.#line(one, JSON.parse(text)));
  }

  #line(one: Printed, value: unknown): string[] {
    const { open, closed } = this.#check(one.name);
    return [open, closed].flatMap((fits) =>
      fits(value)
        ? []
        : (fits.errors ?? []).map(
            ({ instancePath, message, params }) =>
              `${one.name}${instancePath} ${message} ${JSON.stringify(params)} in ${JSON.stringify(value)}`,
          ),
    );
  }

  #check(name: string): { readonly open: ValidateFunction; readonly closed: ValidateFunction } {
    const known = this.#checks.get(name);
    if (known !== undefined) return known;
    const schema = JSON.parse(readFileSync(`docs/json/${name}.schema.json`, 'utf8')) as Json;
    const ajv = () => new Ajv({ strict: true, allowUnionTypes: true, allErrors: true });
    const made = { open: ajv().compile(schema), closed: ajv().compile(withoutMore(schema) as Json) };
    this.#checks.set(name, made);
    return made;
  }
}

/** The same schema, in which an object has its properties and no other. */
function withoutMore(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutMore);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, one]) => [key, withoutMore(one)]));
  const closed = inner.type === 'object' && 'properties' in inner && !('additionalProperties' in inner);
  return closed ? { ...inner, additionalProperties: false } : inner;
}
