import kleur from 'kleur';
import { clean } from '../text.ts';

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

declare const painted: unique symbol;

/** A line whose parts were cleaned before colour was put around them. Only `painter` makes one. */
export type Painted = string & { readonly [painted]: true };

/** Puts a line together: words as they are, or with a style. Without colour only the words are left. */
export function painter(
  color: boolean,
): (...parts: readonly (string | readonly [Style, string])[]) => Painted {
  kleur.enabled = color;
  return (...parts) =>
    parts
      .map((part) => (typeof part === 'string' ? clean(part) : kleur[part[0]](clean(part[1]))))
      .join('') as Painted;
}
