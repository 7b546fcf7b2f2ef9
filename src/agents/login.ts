/*
 * Whether a client has a login on record, told by names and places alone: no secret is ever read out or kept. A record
 * may be out of date, and there are ways that leave none here (another provider, a system's keyring): "none" is a hint.
 */
import { existsSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { parse } from 'smol-toml';
import { asObject, textOf } from '../machine/files.ts';
import { bytesOf } from '../machine/foreign.ts';
import type { AgentKind } from '../model/policy.ts';
import { claudeHome } from './claude/transcript.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** `where`: the variable or the file that holds it. `open`: a file that other users may read. */
export type Login =
  | { readonly found: true; readonly where: string; readonly open: boolean }
  | { readonly found: false; readonly looked: readonly string[]; readonly fix: string };

interface Ways {
  /** Variables that are a login by themselves. */
  readonly names: readonly string[];
  /** Where the client keeps one, and whether the file there holds it. */
  readonly files: readonly (readonly [file: string, holds: (text: string) => boolean])[];
  readonly fix: string;
}

/** Looks for the login of a client in the environment that it would be started with; null = a kind that has none. */
export function loginOf(kind: AgentKind, env: Env): Login | null {
  const ways = waysOf(kind, env);
  if (ways === null) return null;
  const name = ways.names.find((one) => Boolean(env[one]));
  if (name !== undefined) return { found: true, where: name, open: false };
  for (const [file, holds] of ways.files) {
    if (!isAbsolute(file)) continue; // no HOME: nothing of the present directory is meant
    try {
      // Some keep it behind a pipe that answers whoever asks: nobody is asked.
      const text = ownFile(file);
      if (text !== null && holds(text))
        return { found: true, where: file, open: (statSync(file).mode & 0o077) !== 0 };
    } catch {
      // Not there, or nothing that is understood.
    }
  }
  const looked = [...ways.names.slice(0, 2), ...ways.files.slice(0, 1).map(([file]) => file)];
  return { found: false, looked, fix: ways.fix };
}

/** The variables that a client takes as its login. */
export function loginNames(kind: AgentKind): readonly string[] {
  return waysOf(kind, {})?.names ?? [];
}

function waysOf(kind: AgentKind, env: Env): Ways | null {
  const home = env.HOME ?? '';
  switch (kind) {
    case 'claude': {
      const folder = claudeHome({ HOME: home, CLAUDE_CONFIG_DIR: env.CLAUDE_CONFIG_DIR ?? '' });
      const names = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN'];
      const clouds = ['CLAUDE_CODE_USE_BEDROCK', 'CLAUDE_CODE_USE_VERTEX', 'CLAUDE_CODE_USE_FOUNDRY'];
      return {
        names: [...names, ...clouds],
        files: [
          [join(folder, '.credentials.json'), (text) => filled(JSON.parse(text))],
          [
            join(folder, 'settings.json'),
            (text) => textOf(asObject(JSON.parse(text)), 'apiKeyHelper') !== null,
          ],
        ],
        fix: 'run claude and /login as this user, or hand on ANTHROPIC_API_KEY (pass_env)',
      };
    }
    case 'codex': {
      const folder = env.CODEX_HOME || join(home, '.codex');
      return {
        names: ['OPENAI_API_KEY', 'CODEX_API_KEY', ...codexNames(join(folder, 'config.toml'))],
        files: [[join(folder, 'auth.json'), (text) => filled(JSON.parse(text))]],
        fix: 'run codex login as this user, or hand on the key of its provider (pass_env)',
      };
    }
    case 'gemini': {
      const folder = join(env.GEMINI_CLI_HOME || home, '.gemini');
      return {
        names: ['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_APPLICATION_CREDENTIALS'],
        files: [
          [join(folder, 'oauth_creds.json'), (text) => filled(JSON.parse(text))],
          [join(folder, '.env'), (text) => /^\s*(export\s+)?(GEMINI|GOOGLE)_API_KEY\s*=\s*\S/m.test(text)],
        ],
        fix: 'run gemini once and log in as this user, or hand on GEMINI_API_KEY (pass_env)',
      };
    }
    case 'opencode': {
      const data = env.XDG_DATA_HOME || join(home, '.local', 'share');
      return {
        names: [
          'ANTHROPIC_API_KEY',
          'OPENAI_API_KEY',
          'GEMINI_API_KEY',
          'OPENROUTER_API_KEY',
          'OPENCODE_API_KEY',
        ],
        files: [
          [join(data, 'opencode', 'auth.json'), (text) => filled(JSON.parse(text))],
          // A provider of one's own brings its key along.
          ...['opencode.json', 'opencode.jsonc'].map(
            (name) =>
              [
                join(env.XDG_CONFIG_HOME || join(home, '.config'), 'opencode', name),
                (text: string) => /"provider"\s*:/.test(text),
              ] as const,
          ),
        ],
        fix: "run opencode auth login as this user; without one it takes its vendor's free model",
      };
    }
    default:
      return null;
  }
}

/** The variable that a provider of the user's own names for its key. */
function codexNames(file: string): string[] {
  try {
    if (!existsSync(file)) return [];
    const config = parse(ownFile(file) ?? '');
    const provider = asObject(asObject(config.model_providers)?.[textOf(config, 'model_provider') ?? '']);
    const name = textOf(provider, 'env_key');
    return name === null ? [] : [name];
  } catch {
    return [];
  }
}

/** A file of the user's, who may keep it elsewhere, behind a link. */
function ownFile(file: string): string | null {
  return bytesOf(file, undefined, 'links')?.toString('utf8') ?? null;
}

function filled(value: unknown): boolean {
  return Object.values(asObject(value) ?? {}).some((one) => one !== null && one !== '');
}
