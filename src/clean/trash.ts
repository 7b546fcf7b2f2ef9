import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { lookAtTree } from '../workspace/tree.ts';
import type { Here } from './here.ts';
import { type Found, NOTHING, type Proposal, word } from './item.ts';

const DAY_MS = 86_400_000;
/** For so long what was put into the trash can be taken out again. */
export const KEPT_DAYS = 7;

export function trashOf({ places }: Pick<Here, 'places'>): string {
  return join(places.state, 'trash');
}

/** Moves a file or directory of the state dir into today's trash. What brings it back. */
export function intoTrash(path: string, here: Here): string {
  const parent = basename(dirname(path));
  const day = join(trashOf(here), new Date(here.now_ms).toISOString().slice(0, 10), parent);
  mkdirSync(day, { recursive: true, mode: 0o700 });
  let to = join(day, basename(path));
  for (let n = 1; lstatSync(to, { throwIfNoEntry: false }) !== undefined; n++)
    to = join(day, `${basename(path)}.${n}`);
  renameSync(path, to);
  return `mv ${word(to)} ${word(path)}`;
}

/** What has been in the trash for long enough. */
export function oldTrash(here: Here): Found {
  const proposals = oldDays(here).map(
    (path): Proposal => ({
      item: {
        ...({
          group: 'runs',
          kind: 'trash',
          name: path,
          ticket: null,
          because: 'kept_long_enough',
        } as const),
        ...{
          says: `in the trash for more than ${KEPT_DAYS} days`,
          bytes: lookAtTree(path).bytes,
          rows: null,
        },
      },
      restorable: 'nothing: it was kept, and that time is over',
      act: async () => ({
        ...({ result: 'done', restore: null } as const),
        later: () => rmSync(path, { recursive: true, force: true }),
      }),
    }),
  );
  return { ...NOTHING, proposals };
}

/** Retention: empties what has been in the trash for long enough, `most` things of it at a time; what can't go is told in
 *  `faults`, and keeps nothing else from going. */
export function emptyTrash(here: Pick<Here, 'places' | 'now_ms'>, most: number, faults: unknown[]): void {
  let left = most;
  const remove = (path: string): void => {
    left -= 1;
    try {
      rmSync(path, { recursive: true, force: true });
    } catch (error) {
      faults.push(error);
    }
  };
  for (const day of oldDays(here)) {
    for (const parent of readdirSync(day)) {
      const dir = join(day, parent);
      for (const name of lstatSync(dir).isDirectory() ? readdirSync(dir) : []) {
        if (left <= 0) return;
        remove(join(dir, name));
      }
      remove(dir);
    }
    remove(day);
  }
}

/** The days of the trash whose time is over. What else lies there is a person's. */
function oldDays(here: Pick<Here, 'places' | 'now_ms'>): string[] {
  const trash = trashOf(here);
  if (lstatSync(trash, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(trash)
    .filter((name) => {
      const day_ms = /^\d{4}-\d\d-\d\d$/.test(name) ? Date.parse(`${name}T00:00:00Z`) : Number.NaN;
      return here.now_ms - day_ms >= (KEPT_DAYS + 1) * DAY_MS;
    })
    .map((name) => join(trash, name))
    .filter((path) => lstatSync(path).isDirectory());
}
