import { type Bad, FIELDS, type Fields, type Found, type Raw, SCHEMA } from './row.ts';

type Json = Readonly<Record<string, unknown>>;

/** Objects, one a line: an export of ours, or what another tool writes (`title`, `body` or `description`, `id`, ...). */
export function readJsonl(text: string, file: string): Found {
  const raws = objects(text, file).map(({ where, value }) => {
    if ('why' in value) return { where, why: value.why };
    return rawOf(where, value.object);
  });
  return { raws, warnings: [] };
}

interface Line {
  readonly where: string;
  readonly value: { readonly object: Json } | { readonly why: string };
}

/** The object of each line that is not empty, or why it is none. */
export function objects(text: string, file: string): Line[] {
  return text.split('\n').flatMap((line, n): Line[] => {
    if (line.trim() === '') return [];
    const where = `${file}:${n + 1}`;
    try {
      const object: unknown = JSON.parse(line);
      if (typeof object === 'object' && object !== null && !Array.isArray(object))
        return [{ where, value: { object: object as Json } }];
    } catch {
      // said below
    }
    return [{ where, value: { why: 'is no JSON object on one line' } }];
  });
}

function rawOf(where: string, value: Json): Raw | Bad {
  const { schema } = value;
  const own = schema === SCHEMA;
  if (!own && typeof schema === 'string' && schema.startsWith('mc-pickup.ticket-export/'))
    return { where, why: `is of ${schema}, and this mc-pickup knows ${SCHEMA}: update mc-pickup` };
  const fields: Fields = Object.fromEntries(FIELDS.map((name) => [name, value[name]]));
  return {
    // The source of a place is what an export of ours or the place itself says, and no other file.
    ...{ where, own, id: word(value.id) ?? (own ? null : word(value.source)) },
    source: own ? word(value.source) : null,
    fields: own ? fields : { ...fields, body: value.body ?? value.description },
  };
}

/** A text or a number, as a text. */
export function word(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : null;
}
