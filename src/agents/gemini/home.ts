import { join } from 'node:path';
import { shellQuote } from '../../machine/files.ts';
import type { AdapterContext, StagedFile } from '../adapter.ts';
import { FOLDER } from './texts.ts';

/*
 * Gemini CLI takes hooks from four places: the user's settings, the repo's settings, an administrator's settings (only
 * where every folder on the path belongs to root), and extensions under its home. So a run has a home of its own
 * (GEMINI_CLI_HOME) that is nothing but links to the user's, with one extension more. Sessions, logins and settings stay
 * the user's own files, an administrator's settings stay in force, and nothing of the user's is written.
 */

/** What the staged start script is called. */
export function startScript(runDir: string): string {
  return join(runDir, 'gemini-start');
}

/** The start script, and the extension that it puts into the home of the run. */
export function homeFiles(context: Pick<AdapterContext, 'runDir' | 'bin'>): readonly StagedFile[] {
  const at = (name: string): string => join(context.runDir, name);
  const extension = { name: 'mc-pickup', version: '1.0.0', description: 'Reports to mc-pickup' };
  return [
    { path: startScript(context.runDir), text: START },
    { path: at('gemini-extension.json'), text: json(extension) },
    // Without it a user's list of allowed extensions would end the client instead of leaving this one out.
    { path: at('gemini-install.json'), text: json({ source: context.runDir, type: 'local' }) },
    { path: at('gemini-hooks.json'), text: json({ hooks: hooksOf(join(context.bin, 'mc-event')) }) },
  ];
}

/** Event, the tools that it is asked for, and whether its payload matters (AfterTool's is a tool's whole output).
 *  AfterModel is not among them: it fires for each chunk of an answer. */
const HOOKS: readonly {
  readonly kind: string;
  readonly matcher?: string;
  readonly bare?: true;
}[] = [
  { kind: 'SessionStart' },
  { kind: 'BeforeAgent' },
  // Only here is the text of a question; the notification that follows has none.
  { kind: 'BeforeTool', matcher: '^ask_user$' },
  { kind: 'Notification' },
  { kind: 'AfterTool', bare: true },
  { kind: 'AfterAgent' },
  { kind: 'SessionEnd' },
];

function hooksOf(event: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    HOOKS.map(({ kind, matcher, bare }) => {
      // A tool of the agent may be another Gemini CLI, which inherits this home but is not the agent.
      const command = `[ -n "$GEMINI_CLI" ] || ${shellQuote(event)} ${kind}${bare ? ' </dev/null' : ''}`;
      const hook = { name: `mc-pickup ${kind}`, type: 'command', command, timeout: 10_000 };
      return [kind, [{ ...(matcher === undefined ? {} : { matcher }), hooks: [hook] }]];
    }),
  );
}

const START = `#!/bin/sh
# Written by mc-pickup for one run: a home of links to the user's own, with the hooks of the run; then the client.
home=\${GEMINI_CLI_HOME:-$HOME}
made=$MC_RUN_DIR/gemini-home
link() {
  for one in "$1"/* "$1"/.[!.]*; do
    name=\${one##*/}
    [ -e "$one" ] && [ "$name" != "$3" ] && [ ! -e "$2/$name" ] || continue
    ln -s "$one" "$2/$name" || return 1
  done
}
make() {
  own=$made/.gemini/extensions/mc-pickup
  mkdir -p "$home/.gemini/tmp" "$home/.gemini/history" "$own/hooks" || return 1
  link "$home" "$made" .gemini || return 1
  link "$home/.gemini" "$made/.gemini" extensions || return 1
  link "$home/.gemini/extensions" "$made/.gemini/extensions" mc-pickup || return 1
  cp "$MC_RUN_DIR/gemini-extension.json" "$own/gemini-extension.json" || return 1
  cp "$MC_RUN_DIR/gemini-install.json" "$own/.gemini-extension-install.json" || return 1
  cp "$MC_RUN_DIR/gemini-hooks.json" "$own/hooks/hooks.json"
}
# It asks whether a folder beside the worktree may be trusted, which is ours: said for this run, before what the user has said.
trust() {
  mkdir -p "$MC_RUN_DIR/${FOLDER}" || return 1
  said=$(cat "\${GEMINI_CLI_TRUSTED_FOLDERS_PATH:-$home/.gemini/trustedFolders.json}" 2>/dev/null)
  [ -n "$said" ] || said='{}'
  said=\${said#*{}
  [ "$(printf %s "$said" | tr -d ' \\t\\r\\n')" = '}' ] || said=", $said"
  printf '{"%s": "TRUST_FOLDER"%s\\n' "$MC_RUN_DIR/${FOLDER}" "$said" >"$MC_RUN_DIR/gemini-trusted.json"
}
if trust; then
  GEMINI_CLI_TRUSTED_FOLDERS_PATH=$MC_RUN_DIR/gemini-trusted.json
  export GEMINI_CLI_TRUSTED_FOLDERS_PATH
fi
# Without a home of the run the client still works, and its title tells what it does.
if make 2>/dev/null; then
  GEMINI_CLI_HOME=$made
  export GEMINI_CLI_HOME
fi
exec "$@"
`;

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
