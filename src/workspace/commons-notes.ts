/* What is noted of the things in common, in a directory of ours: how they were when a run began, and which settings runs have left changed. */

import { basename, dirname, join } from 'node:path';
import { numberOf, readObject, textOf } from '../machine/files.ts';
import { bytesOf, inMadeDir, namesAt, removeFileAt, writeIn } from '../machine/foreign.ts';
import { fnv1a } from '../model/hash.ts';
import { asObject } from '../model/json.ts';
import { type Commons, lookAtCommons } from './commons.ts';
import { COMPARED, notedRuns, noteOf } from './noted.ts';
import { commonDir } from './own.ts';
import { type Change, same } from './settings.ts';

/** Settings that were changed while a run was at work. */
export interface Left {
  readonly common: string;
  readonly at_ms: number;
  readonly ticket: string;
  readonly changes: readonly Change[];
}

const SETTINGS = /^settings-[0-9a-f]+\.json$/;

/** Notes how it is before an agent begins. It is no reason to launch none. */
export async function noteCommons(notes: string, run: string, worktree: string): Promise<void> {
  try {
    const common = commonDir(worktree);
    if (common === null) return;
    // What begins now has nothing to be compared with yet.
    if (notedRuns(notes).length === 0) noteCompared(notes);
    writeCommons(notes, run, await lookAtCommons(common, Date.now()));
  } catch {
    // A disk that is full is told by what comes next.
  }
}

export function readCommons(notes: string, run: string): Commons | null {
  const read = readObject(join(notes, noteOf(run)));
  const [at_ms, common] = [numberOf(read, 'at_ms'), textOf(read, 'common')];
  if (at_ms === null || common === null) return null;
  const hooks = Object.entries(asObject(read?.hooks) ?? {}).filter(
    (one): one is [string, string] => typeof one[1] === 'string',
  );
  return {
    ...{ at_ms, common, config: textOf(read, 'config'), head: textOf(read, 'head') },
    hooks: Object.fromEntries(hooks),
  };
}

export function writeCommons(notes: string, run: string, seen: Commons): void {
  write(notes, noteOf(run), seen);
}

export function forgetCommons(notes: string, run: string): void {
  removeFileAt(join(notes, noteOf(run)));
}

export function noteCompared(notes: string): void {
  inMadeDir(dirname(notes), basename(notes), (dir) => writeIn(dir, COMPARED, ''));
}

/** Adds what a run has left changed. Of a setting that an earlier one had changed, what it was before that stays. */
export function noteLeft(notes: string, left: Left): void {
  const known = lefts(notes).find(({ common }) => common === left.common)?.changes ?? [];
  const changes = left.changes.map((one) => ({
    ...one,
    before: known.find(({ key }) => key === one.key)?.before ?? one.before,
  }));
  const others = known.filter(({ key }) => !changes.some((one) => one.key === key));
  const all = [...others, ...changes].filter(({ before, after }) => !same(before, after));
  write(notes, leftOf(left.common), { ...left, changes: all });
}

/** What was changed there is meant: nothing is to be said of it any more. */
export function forgetLeft(notes: string, common: string): void {
  removeFileAt(join(notes, leftOf(common)));
}

function leftOf(common: string): string {
  return `settings-${fnv1a(common)}.json`;
}

/** What runs have left changed, a repository each. */
export function lefts(notes: string): Left[] {
  return namesAt(notes)
    .filter((name) => SETTINGS.test(name))
    .flatMap((name) => {
      const read = readObject(join(notes, name));
      const [common, ticket, at_ms] = [
        textOf(read, 'common'),
        textOf(read, 'ticket'),
        numberOf(read, 'at_ms'),
      ];
      if (common === null || ticket === null || at_ms === null || !Array.isArray(read?.changes)) return [];
      return [{ common, ticket, at_ms, changes: read.changes.flatMap(changeIn) }];
    });
}

/** Keeps a copy of a configuration as it is. Where; null = it could not be. */
export function keepConfig(notes: string, file: string, stamp: string): string | null {
  const text = bytesOf(file);
  if (text === null) return null;
  const name = `config-${fnv1a(file)}-${stamp}`;
  inMadeDir(dirname(notes), basename(notes), (dir) => writeIn(dir, name, text));
  return join(notes, name);
}

function changeIn(value: unknown): Change[] {
  const read = asObject(value);
  const key = textOf(read, 'key');
  const [before, after] = [textsIn(read?.before), textsIn(read?.after)];
  return key === null || before === null || after === null ? [] : [{ key, before, after }];
}

function textsIn(value: unknown): string[] | null {
  return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : null;
}

function write(notes: string, name: string, value: unknown): void {
  inMadeDir(dirname(notes), basename(notes), (dir) => writeIn(dir, name, `${JSON.stringify(value)}\n`));
}
