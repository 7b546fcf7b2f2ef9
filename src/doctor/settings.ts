import { join } from 'node:path';
import type { Places } from '../machine/paths.ts';
import { many } from '../model/text.ts';
import { age } from '../model/times.ts';
import { stampOf } from '../workspace/aside.ts';
import { forgetLeft, keepConfig, type Left, lefts } from '../workspace/commons-notes.ts';
import { type Change, putBack, same, settingsIn, wordsOf } from '../workspace/settings.ts';
import { type Finding, warn } from './finding.ts';

/** What nobody has put back by then is wanted. */
const TOLD_MS = 14 * 86_400_000;

/** Settings that were changed in a repository while runs were at work, and are so still. */
export async function settingFindings(
  { commons }: Pick<Places, 'commons'>,
  now_ms: number,
): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const { left, file, still } of looks(commons, now_ms)) {
    if (still.length === 0) continue;
    const says = still.map((one) => wordsOf(one)).join('; ');
    const when = `while ${left.ticket} ran, ${age(now_ms - left.at_ms)} ago`;
    found.push(
      warn(
        'settings',
        `${file} was changed ${when}: ${says}`,
        'if nobody meant it, mc-pickup doctor --fix puts it back, and keeps a copy; if it is meant, mc-pickup doctor --meant says so once',
      ),
    );
  }
  return found;
}

/** They are meant: from now on they are as it was, and no `--fix` puts them back. A line for each. */
export async function settleSettings(
  { commons }: Pick<Places, 'commons'>,
  now_ms: number,
): Promise<string[]> {
  const lines: string[] = [];
  for await (const { left, file, still } of looks(commons, now_ms)) {
    lines.push(...still.map((one) => `${file}: ${wordsOf(one)}: it is meant, and stays`));
    forgetLeft(commons, left.common);
  }
  return lines;
}

/** Puts them back, each file kept as it is before. What was done, a line for each. */
export async function restoreSettings(
  { commons }: Pick<Places, 'commons'>,
  now_ms: number,
): Promise<string[]> {
  const lines: string[] = [];
  for await (const { file, still } of looks(commons, now_ms)) {
    if (still.length === 0) continue;
    const copy = keepConfig(commons, file, stampOf(now_ms));
    if (copy === null) {
      lines.push(
        `${file}: no copy of it can be kept, so ${many(still.length, 'setting')} stayed as they are`,
      );
      continue;
    }
    for (const one of still) {
      const why = await putBack(file, one);
      lines.push(
        `${file}: ${wordsOf(one)}${why === null ? ': put back' : `; it could not be put back: ${why}`}`,
      );
    }
    lines.push(`${file}: as it was before, it is kept as ${copy}`);
  }
  return lines;
}

/** What runs have left changed, with what of it is so still: what somebody has changed since is theirs. */
async function* looks(
  commons: string,
  now_ms: number,
): AsyncGenerator<{ readonly left: Left; readonly file: string; readonly still: readonly Change[] }> {
  for (const left of lefts(commons)) {
    const file = join(left.common, 'config');
    const now = now_ms - left.at_ms > TOLD_MS ? null : await settingsIn(file);
    const still =
      now === null ? [] : left.changes.filter(({ key, after }) => same(now.get(key) ?? [], after));
    yield { left, file, still };
  }
}
