import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

/**
 * Opens a database with the prebuilt module of the checkout, found where npm puts it. better-sqlite3's own search
 * (package resolution, the C library's name in /proc/self/maps) costs an idle tick more than all its queries; it is
 * the fallback wherever this does not fit: another place in the tree, another C library, a module built on purpose.
 */
export function openDatabase(file: string | Buffer, options: Database.Options): Database.Database {
  addon ??= prebuilt();
  return new Database(
    file,
    addon === null ? options : ({ ...options, nativeBinding: addon } as unknown as Database.Options),
  );
}

let addon: object | null | undefined;

function prebuilt(): object | null {
  const root = join(import.meta.dirname, '..', 'node_modules', 'better-sqlite3');
  const own = join(root, 'build', 'Release', 'better_sqlite3.node');
  const file = existsSync(own) ? own : join(root, 'prebuilds', `${process.platform}-${process.arch}.node`);
  if (!existsSync(file)) return null;
  try {
    const module: { exports: object } = { exports: {} };
    process.dlopen(module, file);
    return module.exports;
  } catch {
    return null;
  }
}
