import { configError } from '../model/errors.ts';
import type { Wish } from './wish.ts';
import { bytesOf, cronWord } from './words.ts';

/* The crontab is the user's. Of it only the lines between our two marks are ever read for meaning or changed; the rest is
 * carried over byte for byte. The block goes to the top: a crontab's variables (SHELL, PATH) hold for the lines below
 * them, so none of the user's reaches ours there, and ours has none, which would reach theirs. */

/** What cron itself accepts as one command; a longer one is refused, or cut. */
const MAX_COMMAND = 990;

/** The block as it would be written, its last line ended. Exit 78 where cron could not read it. */
export function cronBlock(wish: Wish): string {
  const variables = [
    `HOME=${wish.home}`,
    `PATH=${wish.path}`,
    `MC_PICKUP_STATE_DIR=${wish.state}`,
    `MC_PICKUP_CONFIG=${wish.config}`,
  ];
  // By name, so that no path with a "=" is one more variable to env(1).
  const words = ['/usr/bin/env', ...variables, '/bin/sh', wish.launcher];
  const log = cronWord(wish.log);
  const command = (verb: string): string => `${[...words, verb].map(cronWord).join(' ')} >> ${log} 2>&1`;
  const backslash = [...words, wish.log].find((word) => word.includes('\\'));
  if (backslash !== undefined)
    throw configError(`cron can't be given ${backslash}: kinds of cron differ on a backslash`);
  const lines = [
    `${beginMark(wish.id)}: ${wish.state} (by "mc-pickup schedule install"; "schedule remove" takes it out)`,
    `${cronTimes(wish.interval_seconds).fields} ${command('dispatch')}`,
    `@reboot ${command('reconcile')}`,
    `0 4 * * 0 /bin/mv -f ${log} ${cronWord(`${wish.log}.1`)}`,
    endMark(wish.id),
  ].map(bytesOf);
  const longest = Math.max(...lines.map((line) => line.length));
  if (longest > MAX_COMMAND)
    throw configError(
      `cron reads no line of ${longest} bytes (${MAX_COMMAND} at most): use --with systemd, or shorter paths (the PATH is ${wish.path})`,
    );
  return `${lines.join('\n')}\n`;
}

/** How often cron can start a tick that should come every so many seconds: in whole minutes, never rarer than asked where
 *  that can be had; `note` says where it can't. */
export function cronTimes(seconds: number): { readonly fields: string; readonly note: string | null } {
  const minutes = Math.max(1, Math.floor(seconds / 60));
  const told = `interval_seconds is ${seconds}`;
  if (seconds < 60)
    return {
      fields: '* * * * *',
      note: `${told}, but cron's shortest is a minute: use --with systemd or set 60`,
    };
  if (minutes < 60) {
    const fields = minutes === 1 ? '* * * * *' : `*/${minutes} * * * *`;
    const even = minutes * 60 === seconds && 60 % minutes === 0;
    return {
      fields,
      note: even ? null : `${told}; cron starts a tick at every minute that ${minutes} divides`,
    };
  }
  const hours = Math.min(24, Math.floor(minutes / 60));
  const fields = hours === 1 ? '0 * * * *' : hours === 24 ? '0 0 * * *' : `0 */${hours} * * *`;
  const even = hours * 3600 === seconds && 24 % hours === 0;
  return { fields, note: even ? null : `${told}; cron starts a tick at every hour that ${hours} divides` };
}

/** The block of this id as it stands, or null. A damaged one is refused: what is ours of it can only be guessed. */
export function blockOf(crontab: string, id: string): string | null {
  const found = find(crontab, id);
  return found === null ? null : crontab.slice(found.from, found.to);
}

/** The crontab with this block in place of the one it had, else on top; null takes the block out. */
export function withBlock(crontab: string, id: string, block: string | null): string {
  const { from, to } = find(crontab, id) ?? { from: 0, to: 0 };
  return crontab.slice(0, from) + (block ?? '') + crontab.slice(to);
}

function find(crontab: string, id: string): { readonly from: number; readonly to: number } | null {
  const begins: number[] = [];
  const ends: number[] = [];
  let at = 0;
  while (at < crontab.length) {
    const newline = crontab.indexOf('\n', at);
    const next = newline < 0 ? crontab.length : newline + 1;
    const line = crontab.slice(at, next);
    if (marks(line, beginMark(id))) begins.push(at);
    if (marks(line, endMark(id))) ends.push(next);
    at = next;
  }
  if (begins.length === 0 && ends.length === 0) return null;
  const [from = 0, to = 0] = [begins[0], ends[0]];
  if (begins.length === 1 && ends.length === 1 && from < to) return { from, to };
  throw configError(
    `the crontab has ${times(begins, beginMark(id))} and ${times(ends, endMark(id))}, so which lines are mc-pickup's can't be told; nothing was changed: take what is left of that block out (crontab -e), then try again`,
  );
}

/** Whatever follows the mark on its line is for people. */
function marks(line: string, mark: string): boolean {
  return line.startsWith(mark) && /^([^0-9a-zA-Z]|$)/.test(line.slice(mark.length));
}

function times(found: readonly number[], mark: string): string {
  return `${found.length === 0 ? 'no' : found.length} "${mark}"`;
}

function beginMark(id: string): string {
  return `# >>> mc-pickup ${id}`;
}

function endMark(id: string): string {
  return `# <<< mc-pickup ${id}`;
}
