/*
 * What the command line of a profile starts. It may be a client itself, a line of shell, or a wrapper script; then the text tells which program
 * is the client. In a text of shell that is what the shell runs in front of itself, what is given the prompt, or what it waits for in the
 * background; a server that it leaves in the background is a tool. Of other languages only names are known.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { basename, isAbsolute } from 'node:path';
import { findProgram } from '../machine/programs.ts';
import { type Command, commandsIn, isPlain } from './shell-text.ts';

export const INTERPRETER =
  /^(node|nodejs|bun|deno|tsx|python[\d.]*|pypy[\d.]*|perl[\d.]*|ruby[\d.]*|php[\d.]*|lua[\d.]*|tclsh[\d.]*|sh|r?bash|dash|ash|zsh[\d.-]*|[mp]?d?ksh[\d]*|fish|busybox)$/;
export const SHELL = /^(sh|r?bash|dash|ash|zsh[\d.-]*|[mp]?d?ksh[\d]*|fish|busybox)$/;
/** They start what stands behind their options. */
const STARTER =
  /^(env|nohup|setsid|nice|ionice|chrt|taskset|timeout|stdbuf|unbuffer|script|flock|exec|command|builtin|eval|time|coproc|xargs|parallel|npx|npm|pnpm|pnpx|yarn|bunx|uv|uvx|pipx|poetry|mise|direnv|systemd-run|systemd-inhibit|caffeinate|dbus-run-session|xvfb-run|setpriv|unshare|firejail|bwrap|prlimit|choom|strace|setarch|tini|dumb-init|catatonit)$/;
const NO_PROGRAM = /^(run|x|exec|dlx|tool|shell|--|\d[\d.]*[smhd]?|[A-Za-z_]\w*=.*)$/;

const HOLDS = /^(sleep|read|tail|watch|wait|cat)$/;

/** Words, each of which may name the client. */
export interface Started {
  /** The client itself. */
  readonly own: readonly string[];
  /** What a text names in any place: the client, or a tool. */
  readonly named: readonly string[];
}

/** What this command line starts, and the scripts that it leads to. */
export function startedBy(argv: readonly string[], path: string | undefined): Started {
  const [own, named]: [string[], string[]] = [[], []];
  let isShell = false;
  for (const [at, word] of argv.entries()) {
    if (/\s/.test(word)) {
      if (isShell) takeShell(word, 0);
      else own.push(...shellWords(word));
      continue;
    }
    own.push(word);
    takeFile(word, argv.slice(0, at), 0);
    isShell ||= SHELL.test(basename(word));
  }
  return { own, named };

  function takeShell(text: string, depth: number): void {
    named.push(...shellWords(text));
    const commands = commandsIn(text);
    for (const one of commands)
      if (isClient(one, commands)) {
        const words = programsOf(one.words, path, (code) => takeShell(code, depth + 1));
        own.push(...words);
        for (const [at, word] of words.entries()) takeFile(word, words.slice(0, at), depth + 1);
      }
  }

  function takeFile(word: string, before: readonly string[], depth: number): void {
    const text = depth < 3 ? textOfScript(word, path) : '';
    if (text === '') return;
    const [, by = '', first = ''] = /^#![ \t]*(\S+)(?:[ \t]+(?:-S[ \t]+)?(\S+))?/.exec(text) ?? [];
    const name = basename(basename(by) === 'env' ? first : by);
    const interpreters = before.map((one) => basename(one)).filter((one) => INTERPRETER.test(one));
    if (SHELL.test(name !== '' ? name : (interpreters.at(-1) ?? 'sh'))) takeShell(text, depth);
    else named.push(...shellWords(text));
  }
}

function isClient(one: Command, all: readonly Command[]): boolean {
  if (isPlain(one.words)) return false;
  if (one.told || one.place === 'front' || one.awaited === 'alone') return true;
  if (all.some(({ told }) => told)) return false;
  if (one.awaited === 'all') return true;
  // Nothing else that the script runs could be it, and the script itself does not go on.
  const rest = all.filter(({ place }) => place === 'front');
  const goesOn = rest.at(-1)?.takesOver !== true && rest.some(holds);
  return !goesOn && rest.every(({ words }) => isPlain(words));
}

/** A script that only waits for a moment (`client & sleep 1; exit`) is soon through, and what it has started is left. */
function holds({ words: [first = '', time = ''], loops }: Command): boolean {
  return HOLDS.test(first) && (loops || first !== 'sleep' || !/^(\d?\d(\.\d*)?|\.\d+)s?$/.test(time));
}

/** The words of a command that say which program it starts. */
function programsOf(
  words: readonly string[],
  path: string | undefined,
  code: (text: string) => void,
): string[] {
  const found: string[] = [];
  let starter = false;
  for (const word of words.flatMap((one, at) => (at === 0 ? one.trim().split(/\s+/) : [one]))) {
    if (/\s/.test(word)) {
      if (starter) code(word);
    } else if (/^[-+]/.test(word)) {
      if (found.length > 0) break;
    } else if (STARTER.test(basename(word)) || INTERPRETER.test(basename(word))) starter = true;
    else if (!starter || !NO_PROGRAM.test(word)) {
      found.push(word);
      if (!starter || findProgram(word, path) !== null) break;
    }
  }
  return found;
}

function shellWords(code: string): string[] {
  return code.split(/[\s;&|()<>"'`$={}]+/).filter(Boolean);
}

const MOST_TEXT = 64 * 1024;

/** The text of a script; '' = it is none. */
function textOfScript(word: string, path: string | undefined): string {
  const file = word.includes('/') ? word : findProgram(word, path);
  if (file === null || !isAbsolute(file)) return '';
  let fd: number | null = null;
  try {
    if (!statSync(file).isFile()) return '';
    fd = openSync(file, 'r');
    const text = Buffer.alloc(MOST_TEXT);
    const read = text.subarray(0, readSync(fd, text, 0, MOST_TEXT, 0));
    return read.includes(0) ? '' : read.toString('utf8');
  } catch {
    return '';
  } finally {
    if (fd !== null) closeSync(fd);
  }
}
