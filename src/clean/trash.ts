import { basename, dirname, join } from 'node:path';
import { at, inDir, inMadeDir, isPlainDir, lookAtName, moveIn, namesIn } from '../machine/foreign.ts';
import { type Budget, removeTreeIn } from '../machine/remove-tree.ts';
import { type Found, together } from '../model/clean.ts';
import { lookAtTree } from '../workspace/tree.ts';
import type { Here } from './here.ts';
import { proposed, word } from './item.ts';

const DAY_MS = 86_400_000;
/** For so long what was put into the trash can be taken out again. */
const KEPT_DAYS = 7;

function trashOf({ places }: Pick<Here, 'places'>): string {
  return join(places.state, 'trash');
}

/** Moves a file or directory that is right below a directory of the state dir into today's trash. What brings it back. A link is
 *  moved as what it is, and nothing is moved through one. */
export function intoTrash(path: string, here: Here): string {
  const { state } = here.places;
  const [parent, name] = [basename(dirname(path)), basename(path)];
  const day = join('trash', new Date(here.now_ms).toISOString().slice(0, 10), parent);
  const moved = inDir(state, parent, (from) =>
    inMadeDir(state, day, (to) => {
      let as = name;
      for (let n = 1; lookAtName(at(to, as)) !== null; n++) as = `${name}.${n}`;
      moveIn(from, name, to, as);
      return as;
    }),
  );
  if (moved === null) throw new Error(`${dirname(path)} is no directory of its own: a link is not followed`);
  return `mv ${word(join(state, day, moved))} ${word(path)}`;
}

/** What has been in the trash for long enough. */
export function oldTrash(here: Here): Found {
  const says = `in the trash for more than ${KEPT_DAYS} days`;
  return together(
    oldDays(here).map((path) =>
      proposed(
        {
          ...{ group: 'runs', kind: 'trash', name: path, ticket: null, because: 'kept_long_enough' },
          ...{ says, bytes: lookAtTree(path).bytes },
        },
        'nothing: it was kept, and that time is over',
        async () => ({
          ...{ result: 'done', restore: null },
          later: () => void inDir(here.places.state, 'trash', (trash) => removeTreeIn(trash, basename(path))),
        }),
      ),
    ),
  );
}

/** So many names one step removes, however much lies in a thing of the trash: what is left is for the next step. */
const MOST_NAMES = 50_000;

/** Retention: empties what has been in the trash for long enough, `most` things of it at a time; what can't go is told in
 *  `faults`, and keeps nothing else from going. */
export function emptyTrash(here: Pick<Here, 'places' | 'now_ms'>, most: number, faults: unknown[]): void {
  const budget: Budget = { left: MOST_NAMES };
  let left = most;
  const remove = (below: string, name: string): void => {
    left -= 1;
    try {
      inDir(here.places.state, join('trash', below), (dir) => removeTreeIn(dir, name, budget));
    } catch (error) {
      faults.push(error);
    }
  };
  for (const day of oldDays(here).map((path) => basename(path))) {
    for (const parent of namesBelow(here, day)) {
      for (const name of namesBelow(here, join(day, parent))) {
        if (left <= 0 || budget.left <= 0) return;
        remove(join(day, parent), name);
      }
      remove(day, parent);
    }
    remove('', day);
  }
}

/** The days of the trash whose time is over. What else lies there is a person's. */
function oldDays(here: Pick<Here, 'places' | 'now_ms'>): string[] {
  const trash = trashOf(here);
  return namesBelow(here, '')
    .filter((name) => {
      const day_ms = /^\d{4}-\d\d-\d\d$/.test(name) ? Date.parse(`${name}T00:00:00Z`) : Number.NaN;
      return here.now_ms - day_ms >= (KEPT_DAYS + 1) * DAY_MS;
    })
    .map((name) => join(trash, name))
    .filter(isPlainDir);
}

/** None where there is no directory, or a link to one. */
function namesBelow({ places }: Pick<Here, 'places'>, below: string): readonly string[] {
  return inDir(places.state, join('trash', below), (dir) => namesIn(dir).names) ?? [];
}
