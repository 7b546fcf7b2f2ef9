import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The JSON Schema of the configuration in the installed package, absolute; null = the package came without its docs. */
export function schemaFile(): string | null {
  // Beside `dist/` in a package, two directories up from here in the source.
  for (let dir = import.meta.dirname, up = 0; up < 4; dir = dirname(dir), up++) {
    const file = join(dir, 'docs', 'config.schema.json');
    if (existsSync(file)) return file;
  }
  return null;
}

/** How a configuration names that schema in its first line: an address, or a path from the file itself. */
export function schemaAddress(): string {
  const file = schemaFile();
  return file === null ? './config.schema.json' : pathToFileURL(file).href;
}
