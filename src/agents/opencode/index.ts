import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { numberOf, readObject, textOf } from '../../machine/files.ts';
import { bytesOf, lookAtName } from '../../machine/foreign.ts';
import type { Composer, Screen } from '../../model/screen.ts';
import { type Adapter, type AgentLook, PROMPT, type Usage } from '../adapter.ts';
import { composerAt, plain } from '../composer.ts';
import { sessionId } from '../session.ts';
import { asked } from './asked.ts';
import { levelOf } from './level.ts';
import { meaningOf, refusalPrinted } from './meaning.ts';
import { PLUGIN } from './plugin.ts';
import { post } from './post.ts';
import { PASSWORD_FILE, passwordOf, USAGE_FILE } from './server.ts';

const BROKEN = /Config file at .+ is not valid JSON|Configuration is invalid/s;
const FROM_PROMPT_FILE = ['/bin/sh', '-c', 'exec "$@" <"$MC_PROMPT_FILE"', 'sh'];
const MAX_SCAN_BYTES = 64 * 1024 * 1024;

/** OpenCode. A plugin of the run tells the events; the HTTP server that the TUI opens on loopback, behind a
 *  password of the run, is the level. OPENCODE_CONFIG_CONTENT is merged over the user's own configuration, and
 *  its plugins are added to theirs. OPENCODE_CONFIG_DIR would npm-install into the run's folder at start. */
export const opencode: Adapter = {
  kind: 'opencode',
  launchArgv(profile, context) {
    const base = profile.argv.length > 0 ? profile.argv : ['opencode'];
    const resumed = context.resume === null ? [] : [`--session=${context.resume}`];
    const words = [...resumed, ...modeOf(profile.permission_mode)];
    // `run` puts a prompt of several words in quotes; from its stdin it takes every byte.
    if (context.headless) return [...FROM_PROMPT_FILE, ...base, 'run', '--format', 'json', ...words];
    // 0 = a free port, and only a port that is named opens the server at all.
    const server = ['--hostname', '127.0.0.1', '--port', '0'];
    // Together with a session the prompt of the command line is lost: the plugin hands it over.
    return [...base, ...server, ...words, ...(context.resume === null ? ['--prompt', PROMPT] : [])];
  },
  env: (context, { permission_mode }) => ({
    OPENCODE_CONFIG_CONTENT: JSON.stringify({
      $schema: 'https://opencode.ai/config.json',
      plugin: [pathToFileURL(pluginPath(context.runDir)).href],
    }),
    OPENCODE_SERVER_PASSWORD: passwordOf(context.session),
    OPENCODE_SERVER_USERNAME: 'opencode',
    // An update that replaces the program under a running agent.
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    ...(context.resume === null || context.headless
      ? {}
      : { MC_OPENCODE_RESUME: context.resume, MC_OPENCODE_AGENT: agentOf(permission_mode) ?? '' }),
  }),
  stageFiles: (context) => [
    { path: pluginPath(context.runDir), text: PLUGIN },
    { path: join(context.runDir, PASSWORD_FILE), text: `${passwordOf(context.session)}\n` },
  ],
  // Neither way reads anything into it.
  hands: () => 'as_is',
  mapEvent: meaningOf,
  level: levelOf,
  lastRefusal: (_look, printed) => (printed === null ? null : refusalPrinted(printed)),
  transcript(look) {
    const path = databaseOf(look.env);
    return path !== null && existsSync(path) ? path : null;
  },
  usage: (look) => usageOf(readObject(join(look.runDir, USAGE_FILE))),
  // With a session that it does not know the client exits after some seconds: a lost attempt.
  resumable(look) {
    const path = databaseOf(look.env);
    if (path === null || sessionId('opencode', look.session) === null || look.session === null) return false;
    return holds(path, look.session) || holds(`${path}-wal`, look.session);
  },
  // No dialog stands before the first prompt. Without any provider it takes its vendor's own free model.
  notReady: (screen) =>
    BROKEN.test(screen)
      ? 'The configuration of OpenCode is broken: run "opencode debug config" as this user'
      : null,
  post,
  composer,
  permission: { shows: 'Permission required', allow: ['Enter'], deny: ['Escape'] },
  choice: asked,
  minVersion: '1.18.33',
  versionArgv: ['--version'],
  enterDelayMs: 100,
  // It takes some seconds to end. A second one meanwhile kills it (signal 2); with text in the box the first only
  // clears that.
  quitKeys: ['C-c'],
};

/** Its box has an edge on each row, and one blank row above the first of a text. What it shows in an empty one has a colour alone. */
function composer(screen: Screen): Composer | null {
  const begun = /^ {2}\u2503/.test(plain(screen.rows[screen.y - 2] ?? ''));
  if (begun) return 'filled';
  const seen = composerAt(/^ {2}\u2503 {2}/, screen);
  return seen === 'filled' && screen.x === 5 ? null : seen;
}

/** Whether the bytes of a database show an id. Too large a file is believed. */
function holds(path: string, id: string): boolean {
  if ((lookAtName(path)?.size ?? 0) > MAX_SCAN_BYTES) return true;
  return bytesOf(path, MAX_SCAN_BYTES)?.includes(id) === true;
}

/** OpenCode asks by what its configuration says; only the two ends of the scale have words of the command line. */
function modeOf(mode: string): readonly string[] {
  const agent = agentOf(mode);
  if (agent !== null) return ['--agent', agent];
  return mode === 'auto' || mode === 'bypassPermissions' ? ['--auto'] : [];
}

/** The agent of OpenCode that a mode names; null = its own choice. */
function agentOf(mode: string): string | null {
  return mode === 'plan' ? 'plan' : null;
}

function usageOf(record: Record<string, unknown> | null): Usage | null {
  if (record === null || textOf(record, 'session') === null) return null;
  const count = (key: string): number => Math.max(0, numberOf(record, key) ?? 0);
  const cost = record.cost;
  return {
    input_tokens: count('input'),
    output_tokens: count('output') + count('reasoning'),
    cache_read_tokens: count('read'),
    cache_write_tokens: count('write'),
    turns: count('turns'),
    // A model without a known price costs 0 there.
    cost_usd: typeof cost === 'number' && cost > 0 ? cost : null,
  };
}

/** All sessions of the user are in one SQLite file. */
function databaseOf(env: AgentLook['env']): string | null {
  const home = env.HOME;
  const data = env.XDG_DATA_HOME || (home === undefined ? null : join(home, '.local/share'));
  const named = env.OPENCODE_DB || 'opencode.db';
  if (isAbsolute(named)) return named;
  return data === null ? null : join(data, 'opencode', named);
}

function pluginPath(runDir: string): string {
  return join(runDir, 'opencode-plugin.js');
}
