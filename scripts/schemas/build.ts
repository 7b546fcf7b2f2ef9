/** Small words to write a JSON Schema with: every value is described, every property is required unless it says `maybe`. */

export interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly (string | number | boolean | null)[];
  readonly const?: string | number | boolean;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema;
  readonly anyOf?: readonly Schema[];
}

const MAYBE = Symbol('maybe');
type Property = Schema & { readonly [MAYBE]?: true };

export const text = (description: string): Schema => ({ type: 'string', description });
export const whole = (description: string): Schema => ({ type: 'integer', description });
export const number = (description: string): Schema => ({ type: 'number', description });
export const yes = (description: string): Schema => ({ type: 'boolean', description });
export const always = (value: string | boolean, description: string): Schema => ({
  const: value,
  type: typeof value,
  description,
});
export const oneOf = (values: readonly string[], description: string): Schema => ({
  type: 'string',
  enum: values,
  description,
});
export const list = (items: Schema, description: string): Schema => ({ type: 'array', items, description });
export const record = (of: Schema, description: string): Schema => ({
  type: 'object',
  additionalProperties: of,
  description,
});
export const anything = (description: string): Schema => ({ description });

/** The value, or null. */
export function orNull(schema: Schema): Schema {
  const { description, ...rest } = schema;
  const words = description === undefined ? {} : { description };
  if (typeof rest.type !== 'string' || rest.type === 'object' || rest.type === 'array')
    return { ...words, anyOf: [rest, { type: 'null' }] };
  const values = rest.enum === undefined ? {} : { enum: [...rest.enum, null] };
  return { ...rest, ...values, type: [rest.type, 'null'], ...words };
}

/** A property that may be missing. */
export const maybe = (schema: Schema): Property => ({ ...schema, [MAYBE]: true });

export function object(description: string, properties: Readonly<Record<string, Property>>): Schema {
  const required = Object.entries(properties).flatMap(([key, one]) => (one[MAYBE] ? [] : [key]));
  return { type: 'object', description, properties, ...(required.length === 0 ? {} : { required }) };
}
