/*
 * Trust in a repository, for clients that keep it nowhere but in the user's own file. It is written only when a person
 * says so; trusting the main checkout covers its worktrees.
 */
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'smol-toml';
import { asObject } from '../machine/files.ts';
import { bytesOf, lookAtName, MOST_BYTES } from '../machine/foreign.ts';
import { messageOf } from '../model/errors.ts';
import { uniqueName } from '../model/hash.ts';
import type { Trust } from './adapter.ts';
import { claudeHome } from './claude/transcript.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Claude Code: `projects["<repo>"].hasTrustDialogAccepted` in `.claude.json`. */
export function claudeTrust(repo: string, env: Env): Trust {
  const home = claudeHome({
    ...(env.HOME ? { HOME: env.HOME } : {}),
    CLAUDE_CONFIG_DIR: env.CLAUDE_CONFIG_DIR ?? '',
  });
  const file = env.CLAUDE_CONFIG_DIR ? join(home, '.claude.json') : join(dirname(home), '.claude.json');
  return trustIn(file, {
    trusted: (text) =>
      asObject(asObject(asObject(JSON.parse(text))?.projects)?.[repo])?.hasTrustDialogAccepted === true,
    add(text) {
      const all = asObject(JSON.parse(text)) ?? {};
      const projects = asObject(all.projects) ?? {};
      const one = { ...asObject(projects[repo]), hasTrustDialogAccepted: true };
      return `${JSON.stringify({ ...all, projects: { ...projects, [repo]: one } }, null, 2)}\n`;
    },
  });
}

/** Codex: `[projects."<repo>"] trust_level = "trusted"` in its `config.toml`. */
export function codexTrust(repo: string, env: Env): Trust {
  const file = join(env.CODEX_HOME || join(env.HOME ?? '', '.codex'), 'config.toml');
  const level = (text: string): unknown => asObject(asObject(parse(text).projects)?.[repo])?.trust_level;
  return trustIn(file, {
    trusted: (text) => level(text) === 'trusted',
    add(text) {
      const more = `${text === '' || text.endsWith('\n') ? text : `${text}\n`}\n[projects.${JSON.stringify(repo)}]\ntrust_level = "trusted"\n`;
      // A table that is there already, or one in braces, cannot be added to from outside.
      return level(text) === undefined && level(more) === 'trusted' ? more : null;
    },
  });
}

interface Format {
  /** Throws where the text cannot be understood. */
  trusted(text: string): boolean;
  /** The text with the trust in it; null = it has to be done by hand. */
  add(text: string): string | null;
}

function trustIn(file: string, { trusted, add }: Format): Trust {
  const read = (): { readonly text: string; readonly stamp: string } | null => {
    const text = bytesOf(file, MOST_BYTES, 'links')?.toString('utf8');
    if (text !== undefined) return { text, stamp: stampOf(file) };
    if (lookAtName(file) === null) return null;
    throw new Error('it is no plain file of this user');
  };
  const stateOf = (): Trust['state'] => {
    try {
      const known = read();
      if (known === null) return 'absent';
      return trusted(known.text) ? 'trusted' : 'untrusted';
    } catch {
      return 'unreadable';
    }
  };
  return {
    file,
    state: stateOf(),
    write() {
      try {
        const known = read();
        if (known === null) return `${file} is not there: start the client once as this user`;
        const text = add(known.text);
        if (text === null) return `${file} says something else of this repository: change it by hand`;
        if (!trusted(text)) return `${file} cannot be understood: change it by hand`;
        return replace(file, text, known.stamp);
      } catch (error) {
        return `${file} cannot be changed (${messageOf(error)})`;
      }
    },
  };
}

/** Puts the new text in the place of the old one, unless somebody has written meanwhile. */
function replace(file: string, text: string, stamp: string): string | null {
  const real = realpathSync(file); // the user may keep it elsewhere, behind a link
  const temp = `${real}.tmp${uniqueName()}`;
  try {
    writeFileSync(temp, text, { mode: statSync(real).mode & 0o777, flag: 'wx' });
    if (stampOf(file) !== stamp)
      return `${file} was changed by another program at the same moment: try again`;
    renameSync(temp, real);
    return null;
  } finally {
    rmSync(temp, { force: true });
  }
}

function stampOf(file: string): string {
  const { size, mtimeNs, ino } = statSync(file, { bigint: true });
  return [size, mtimeNs, ino].join(':');
}
