/*
 * Names of refs that may concern the branches of a ticket, by git's files alone: a launch whose branch nothing is near to needs no
 * process to know it.
 */
import { join } from 'node:path';
import { isPlainDir, lookAtName, namesAt, textAt } from '../machine/foreign.ts';
import { asSeen, formsOf } from '../model/name.ts';
import { hasPlainRefs, MOST_REFS } from './own.ts';

export interface Near {
  /** The ticket may have a branch already, or another branch may have taken the name of a new one. */
  readonly branch: boolean;
  /** Something may stand where the directory of new branches has to be. */
  readonly prefix: boolean;
}

/** True wherever the files can't tell. `prefixes`: of new branches first, then others that branches may have. `spaces`: where the
 *  directory of new branches is needed, such as `refs/heads`. The loose refs come first: git packs a ref before it takes the loose one
 *  away. Neither case nor the form of a letter tells anything
 *  apart: not every file system does. */
export function near(
  common: string,
  o: { readonly id: string; readonly prefixes: readonly string[]; readonly spaces: readonly string[] },
): Near {
  const { id, prefixes, spaces } = o;
  if (!hasPlainRefs(common)) return { branch: true, prefix: true };
  const packed = packedRefs(common);
  const [first = ''] = prefixes;
  const ours = prefixes.map((prefix) => `refs/heads/${prefix}`);
  return {
    branch:
      isNoted(common, id) ||
      ours.some((dir) => looseBranch(join(common, dir), id)) ||
      packed(`(?:${ours.map(escaped).join('|')})/${escaped(id)}(?:[-/].*)?$`),
    prefix: spaces.some((space) => looseOdd(common, space, first) || packedOdd(packed, space, first)),
  };
}

/** Every directory that leads to a branch of this prefix: `ann` and `ann/mc`. */
export function ancestors(prefix: string): string[] {
  const parts = prefix.split('/');
  return parts.map((_, n) => parts.slice(0, n + 1).join('/'));
}

/** Whether any branch was noted as this ticket's; its name may be any. */
function isNoted(common: string, id: string): boolean {
  const file = join(common, 'config');
  return textAt(file)?.includes(`${id}@`) ?? lookAtName(file) !== null;
}

function looseBranch(dir: string, id: string): boolean {
  const mine = id.toLowerCase();
  const names = namesAt(dir).map((name) => name.toLowerCase());
  return names.some((name) => name === mine || name.startsWith(`${mine}-`)) || isOdd(dir, isPlainDir(dir));
}

/** Whether something else than a directory of that very name stands on the way. */
function looseOdd(common: string, space: string, prefix: string): boolean {
  let dir = join(common, space);
  for (const part of prefix.split('/')) {
    const alike = namesAt(dir).filter((name) => asSeen(name).toLowerCase() === asSeen(part).toLowerCase());
    if (alike.some((name) => name !== part)) return true;
    dir = join(dir, part);
    if (alike.length === 0 || !isPlainDir(dir)) return alike.length > 0;
  }
  return false;
}

type Packed = (pattern: string, unless?: string) => boolean;

function packedOdd(packed: Packed, space: string, prefix: string): boolean {
  const all = ancestors(prefix).flatMap((one) => formsOf(`${space}/${one}`));
  const below = all.map((one) => `${escaped(one)}/`).join('|');
  return packed(`(?:${all.map(escaped).join('|')})$`) || packed(below, `${space}/${prefix}/`);
}

/** Whether a packed ref fits a pattern in any case, and does not begin with `unless`. */
function packedRefs(common: string): Packed {
  const file = join(common, 'packed-refs');
  const text = textAt(file, { most: MOST_REFS, encoding: 'latin1' });
  if (text === null) return () => isOdd(file, false);
  return (pattern, unless) => {
    for (const { index } of text.matchAll(new RegExp(` (?:${latin(pattern)})`, 'gim')))
      if (unless === undefined || !text.startsWith(latin(unless), index + 1)) return true;
    return false;
  };
}

/** As a name stands in a text that is read byte by byte. */
function latin(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Something stands there, and not what belongs there. */
function isOdd(path: string, fits: boolean): boolean {
  return !fits && lookAtName(path) !== null;
}
