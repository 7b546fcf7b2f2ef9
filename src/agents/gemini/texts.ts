import { basename, join } from 'node:path';
import type { TextFile, TextPlace } from '../handing.ts';

/** Where the texts of a run lie: it is a part of the client's workspace, so that it asks nobody whether it may read there. */
export const FOLDER = 'gemini-texts';
/** What the client takes for one folder, and finds again: it splits at commas, and looks for files by patterns. */
const NAMABLE = /^[^,*?[\]{}()!\\"\p{Cc}]+$/u;

/** Its words for that folder, where it can be told of it. */
export function textsFlag(runDir: string): readonly string[] {
  return NAMABLE.test(runDir) ? ['--include-directories', join(runDir, FOLDER)] : [];
}

/**
 * The file for a text in which an @ stands: the client reads files, agents and resources into each one, and has no way to quote it that the model's
 * side would not show. Into what a file holds that is named so it reads nothing: it sends that along as it is. By its ending it is one that the
 * client does not cut: of others it takes 2,000 lines, and 2,000 characters of each.
 */
export function geminiTextFile({ runDir, name, way }: TextPlace): TextFile | null {
  if (!NAMABLE.test(runDir)) return null;
  // It is looked for in the worktree first, where nothing is called after this run.
  const file = `${basename(runDir)}-${name}.svg`;
  const words =
    way === 'start'
      ? `Your ticket is in @${file} : read all of it, and do it.`
      : `A message for you from whoever watches over your ticket is in @${file} : do what it says.`;
  return { file: `${FOLDER}/${file}`, words };
}
