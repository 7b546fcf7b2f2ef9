/* The OpenAPI document, enforced: which operation a request is, and whether it and its answer are as the document says. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required: boolean;
  readonly schema: { readonly type: string };
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: unknown;
  readonly responses: Readonly<Record<string, unknown>>;
}

interface PathItem {
  readonly parameters?: readonly Parameter[];
  readonly get?: Operation;
  readonly post?: Operation;
  readonly put?: Operation;
  readonly patch?: Operation;
}

const METHODS = ['get', 'post', 'put', 'patch'] as const;

export interface Asked {
  readonly operation: string;
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | number | boolean | string[]>>;
}

const FILE = join(import.meta.dirname, '../../../docs/mission-control.openapi.yaml');
const CACHE = join(import.meta.dirname, '../../../.cache/compiled');

interface Document {
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, PathItem>>;
  readonly components: { readonly parameters: Readonly<Record<string, Parameter>> };
}

/** The document, which is kept as JSON beside the compiled code: to read it as YAML takes half of the start of a server. */
function documentOf(text: string): Document {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const kept = join(CACHE, `contract-${hash}.json`);
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8')) as Document;
  const document = parse(text) as Document;
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(`${kept}.${process.pid}`, JSON.stringify(document));
  renameSync(`${kept}.${process.pid}`, kept);
  return document;
}

let known: Contract | undefined;

/** One in a process: it keeps nothing but what it has compiled of the document. */
export function theContract(): Contract {
  known ??= new Contract();
  return known;
}

class Contract {
  readonly #document = documentOf(readFileSync(FILE, 'utf8'));
  readonly #ajv = new Ajv2020({ strict: false, coerceTypes: false, allErrors: false });
  readonly #validators = new Map<string, ValidateFunction>();
  readonly #routes: {
    method: string;
    pattern: RegExp;
    names: string[];
    operation: Operation;
    parameters: Parameter[];
  }[] = [];

  constructor() {
    this.#ajv.addSchema(this.#document, 'contract');
    for (const [path, item] of Object.entries(this.#document.paths)) {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
      const pattern = new RegExp(`^${path.replace(/\{\w+\}/g, '([^/]+)')}$`);
      for (const method of METHODS) {
        const operation = item[method];
        if (operation === undefined) continue;
        const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((one) =>
          this.#parameter(one),
        );
        this.#routes.push({ method: method.toUpperCase(), pattern, names, operation, parameters });
      }
    }
    // A fixed path stands above one with a part to fill in.
    this.#routes.sort((a, b) => a.names.length - b.names.length);
  }

  get version(): string {
    return this.#document.info.version;
  }

  get operations(): string[] {
    return this.#routes.map(({ operation }) => operation.operationId);
  }

  /** What a request asks for; a text = why it is not what the document says. */
  read(
    method: string,
    path: string,
    search: URLSearchParams,
    headers: NodeJS.Dict<string | string[]>,
    body: unknown,
  ): Asked | string {
    for (const route of this.#routes) {
      const match = route.method === method ? route.pattern.exec(path) : null;
      if (match === null) continue;
      const { operation, parameters, names } = route;
      const query: Record<string, string | number | boolean | string[]> = {};
      for (const parameter of parameters) {
        const { name, in: where, required, schema } = parameter;
        if (where === 'header' && required && headers[name.toLowerCase()] === undefined)
          return `${name} is missing`;
        if (where !== 'query') continue;
        const values = search.getAll(name);
        if (values.length === 0) continue;
        const value = typed(schema.type, values);
        if (!this.#ajv.validate(resolved(schema), value)) return `${name}: ${this.#ajv.errorsText()}`;
        query[name] = value;
      }
      const known = parameters.map(({ name }) => name);
      const unknown = [...search.keys()].find((name) => !known.includes(name));
      if (unknown !== undefined) return `${unknown} is no parameter of ${operation.operationId}`;
      const pointer = ['paths', route_(this.#document.paths, operation), method.toLowerCase(), 'requestBody'];
      if (operation.requestBody !== undefined) {
        const wrong = this.#check([...pointer, 'content', 'application/json', 'schema'], body);
        if (wrong !== null) return wrong;
      }
      const parts = names.map((name, n) => [name, decodeURIComponent(match[n + 1] ?? '')] as const);
      return { operation: operation.operationId, path: Object.fromEntries(parts), query };
    }
    return 'no such operation';
  }

  /** Why an answer is not what the document says; null = it is. */
  answer(operationId: string, status: number, body: unknown): string | null {
    const route = this.#routes.find(({ operation }) => operation.operationId === operationId);
    if (route === undefined) return `no operation ${operationId}`;
    const response = route.operation.responses[String(status)] as
      | { $ref?: string; content?: Record<string, unknown> }
      | undefined;
    if (response === undefined) return `${operationId} never answers ${status}`;
    const base = [
      'paths',
      route_(this.#document.paths, route.operation),
      route.method.toLowerCase(),
      'responses',
      String(status),
    ];
    if (response.$ref !== undefined)
      return this.#check(
        [...response.$ref.slice(2).split('/'), 'content', 'application/problem+json', 'schema'],
        body,
      );
    if (response.content === undefined) return body === null ? null : `${operationId} ${status} has no body`;
    return this.#check([...base, 'content', 'application/json', 'schema'], body);
  }

  #check(pointer: readonly string[], value: unknown): string | null {
    const ref = `contract#/${pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;
    let validate = this.#validators.get(ref);
    if (validate === undefined) {
      validate = this.#ajv.compile({ $ref: ref });
      this.#validators.set(ref, validate);
    }
    return validate(value) ? null : this.#ajv.errorsText(validate.errors);
  }

  #parameter(one: Parameter): Parameter {
    if (one.$ref === undefined) return one;
    const found = this.#document.components.parameters[one.$ref.split('/').at(-1) ?? ''];
    if (found === undefined) throw new Error(`no parameter ${one.$ref}`);
    return found;
  }
}

function route_(paths: Readonly<Record<string, PathItem>>, operation: Operation): string {
  return (
    Object.entries(paths).find(([, item]) => METHODS.some((method) => item[method] === operation))?.[0] ?? ''
  );
}

function typed(type: string, values: string[]): string | number | boolean | string[] {
  const [first = ''] = values;
  if (type === 'array') return values;
  if (type === 'integer') return Number(first);
  if (type === 'boolean') return first === 'true';
  return first;
}

/** References are resolved within the document. */
function resolved(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"contract#/')) as object;
}
