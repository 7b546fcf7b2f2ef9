import { basename, dirname, join } from 'node:path';
import type { Adapter, ArgvWord } from '../../agents/adapter.ts';
import { type TextFile, textFile } from '../../agents/handing.ts';
import { sessionId } from '../../agents/session.ts';
import { failpoint } from '../../machine/failpoint.ts';
import { shellQuote } from '../../machine/files.ts';
import type { Places } from '../../machine/paths.ts';
import { octal, userUmask } from '../../machine/umask.ts';
import type { AgentProfile } from '../../model/policy.ts';
import { makeRunDirs, ownDir, runDir, writeForAgent, writeOwn } from '../../runs/dirs.ts';
import { ENV_NAME } from '../../runs/environment.ts';
import { outputLines } from '../../runs/output.ts';
import type { RunFile } from '../../runs/run-file.ts';
import { RESERVE, RESERVED_BYTES } from '../../runs/said.ts';
import { makeTmuxDir } from '../../tmux/dir.ts';
import { unnamable } from '../deliver/hand.ts';
import { scopeLines } from './scope.ts';

/** Above this a prompt goes by a pointer: one argument may hold 128 KiB on Linux. */
const MAX_ARGV_PROMPT = 100 * 1024;
/** Node starts in nine tenths of the time with it: V8 does not draw the seed of its hashes anew. Who knows the seed and chooses the keys of an object
 *  can make them collide; a registration reads nothing but our own files. */
export const QUICK_START = '--no-rehash-snapshot';
/** Variables that say where a client keeps its things. */
const PLACES_OF_CLIENTS = /^(HOME|XDG_[A-Z]+_(HOME|DIR)|[A-Z_]+_(HOME|DIR))$/;

export interface StageRun
  extends Omit<RunFile, 'agent' | 'kind' | 'client_session' | 'config' | 'start' | 'slot'> {
  readonly slot?: number;
  /** Where in the worktree the agent starts, if not at its top. */
  readonly start?: string;
  readonly places: Places;
  readonly profile: AgentProfile;
  readonly adapter: Pick<Adapter, 'launchArgv' | 'env' | 'stageFiles' | 'hands' | 'textFile'>;
  /** A UUID for clients that take one as their session id; the session itself where one is continued. */
  readonly client_session: string;
  readonly resume: string | null;
  /** Where the launcher asks the tick that has started it to register it; null = it registers by itself. */
  readonly pipe: string | null;
  /** The Node binary and our entry script, for `register`. */
  readonly node: string;
  readonly bin: string;
  readonly prompt: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface StagedRun {
  /** Of the prompt. */
  readonly sha256: string;
  readonly bytes: number;
  /** What the pane runs: several words, so that tmux uses no shell. */
  readonly command: readonly string[];
}

/** Where a launcher says that it waits to be registered, and who it is. */
export function askedFile(runDir: string): string {
  return join(ownDir(runDir), 'asked');
}

/** Writes all that a launch needs. Nothing of it reaches a command line but the launcher's own path. */
export function stageRun(stage: StageRun): StagedRun {
  const dir = runDir(stage.places.runs, stage.run);
  const launch = join(ownDir(dir), 'launch');
  const context = {
    runDir: dir,
    bin: stage.places.bin,
    session: stage.client_session,
    resume: stage.resume,
    headless: stage.headless,
    worktree: stage.start ?? stage.worktree,
  };
  if (stage.resume !== null && sessionId(stage.profile.kind, stage.resume) === null)
    throw new Error(`not a session of ${stage.profile.kind}: ${JSON.stringify(stage.resume.slice(0, 100))}`);
  const argv = stage.adapter.launchArgv(stage.profile, context);
  if (argv.length === 0) throw new Error(`agent ${stage.profile.name} has no command`);
  const env = { ...stage.env, ...stage.adapter.env(context, stage.profile) };
  const takesPrompt = argv.some((word) => typeof word !== 'string');
  const pointer = takesPrompt ? pointerTo(dir, stage) : null;
  makeRunDirs(dir);
  makeTmuxDir(dir);
  failpoint('prepare-run-dir-made');
  const { run, ticket, owner, project, claim_epoch, worktree, branch, slot, ticket_created_at_ms } = stage;
  const record: RunFile = {
    run,
    ticket,
    owner,
    agent: stage.profile.name,
    kind: stage.profile.kind,
    project,
    claim_epoch,
    worktree,
    start: stage.start ?? worktree,
    branch,
    slot: slot ?? null,
    ticket_created_at_ms,
    headless: stage.headless,
    client_session: stage.client_session,
    config: stage.places.config,
    env: Object.fromEntries(Object.entries(env).filter(([name]) => PLACES_OF_CLIENTS.test(name))),
  };
  writeForAgent(dir, 'prompt.md', stage.prompt);
  writeForAgent(dir, RESERVE, ' '.repeat(RESERVED_BYTES));
  failpoint('prepare-prompt-written');
  writeOwn(dir, 'run.json', `${JSON.stringify(record, null, 2)}\n`);
  failpoint('prepare-run-file-written');
  for (const file of stage.adapter.stageFiles(context)) {
    if (dirname(file.path) !== dir) throw new Error(`${file.path} is not in ${dir}`);
    writeForAgent(dir, basename(file.path), file.text);
  }
  if (pointer !== null && pointer.file !== 'prompt.md') writeForAgent(dir, pointer.file, stage.prompt);
  writeOwn(dir, 'launch', launchScript(stage, pointer, argv, env), 0o700);
  return {
    sha256: process.getBuiltinModule('node:crypto').createHash('sha256').update(stage.prompt).digest('hex'),
    bytes: Buffer.byteLength(stage.prompt),
    // Nothing of the server's environment, which whoever reaches the server can set, is handed on.
    command: ['/usr/bin/env', '-i', '/bin/sh', launch, 'clean'],
  };
}

function launchScript(
  stage: StageRun,
  pointer: TextFile | null,
  argv: readonly ArgvWord[],
  env: Readonly<Record<string, string>>,
): string {
  const names = Object.keys(env);
  const bad = names.find((name) => !ENV_NAME.test(name));
  if (bad !== undefined) throw new Error(`not a name for an environment variable: ${JSON.stringify(bad)}`);
  const { places } = stage;
  const register = ['--state-dir', places.state, '--config', places.config, 'register', stage.run].map(
    shellQuote,
  );
  const dir = runDir(places.runs, stage.run);
  const asked = shellQuote(askedFile(dir));
  const umask = userUmask();
  const words = argv.map((word) => {
    if (typeof word === 'string') return shellQuote(word);
    return pointer === null ? '"$mc_prompt"' : shellQuote(pointer.words);
  });
  const takesPrompt = pointer === null && argv.some((word) => typeof word !== 'string');
  return `${[
    '#!/bin/sh',
    '# Written by mc-pickup for one run: started in an empty environment ("clean"), it becomes the agent.',
    'umask 077',
    '[ "$1" = clean ] || exec /usr/bin/env -i /bin/sh "$0" clean',
    `cd ${shellQuote(stage.start ?? stage.worktree)} || exit 74`,
    'unset OLDPWD',
    ...scopeLines(stage.run),
    ...names.map((name) => `export ${name}=${shellQuote(env[name] ?? '')}`),
    `mc_register() { ${shellQuote(stage.node)} "$@" ${shellQuote(stage.bin)} ${register.join(' ')} $$; }`,
    // A Node that does not know the option says so by 9.
    'mc_by_itself() {',
    `  mc_register ${QUICK_START} || { [ $? -eq 9 ] && mc_register; }`,
    '}',
    ...(stage.pipe === null ? ['mc_by_itself || exit 75'] : asks(stage.pipe, asked, stage.run)),
    // The dot keeps the newlines at the end, which the shell would drop.
    ...(takesPrompt
      ? ['mc_prompt=$(cat "$MC_PROMPT_FILE" && printf .) || exit 74', 'mc_prompt=${mc_prompt%.}']
      : []),
    ...(stage.headless ? outputLines(dir) : []),
    // What the agent makes is the user's; all that is made before is private.
    ...(umask === null ? [] : [`umask ${octal(umask)}`]),
    // Of a headless agent the output is written down. tmux hangs a pane up once nobody holds its terminal open; a client may take its standard
    // input for its prompt, and close it, so that descriptor 9 holds the terminal. (A client that replaces its own process may close that one.)
    `exec ${words.join(' ')}${stage.headless ? ' 9<&0 >&8 2>&1 8>&-' : ''}`,
  ].join('\n')}\n`;
}

/** What a client gets in place of a prompt that it would read something into, or that is too long for an argument; null = the prompt itself. */
function pointerTo(runDir: string, { prompt, adapter }: StageRun): TextFile | null {
  const handing = adapter.hands(prompt, 'start');
  if (handing === 'as_is' && Buffer.byteLength(prompt) <= MAX_ARGV_PROMPT) return null;
  const by = textFile(adapter, { runDir, name: 'prompt', way: 'start' });
  if (by === null) throw new Error(unnamable(runDir));
  return by;
}

/** A launcher asks the tick that has started it, and where nobody answers it registers by itself. It opens the pipe both ways first: to open it for
 *  reading alone would wait for a tick that may have died. Then it keeps the reading end alone: with an end for writing of its own it would never see the
 *  pipe end. All of it runs in a shell of its own, so that whatever fails there costs no more than a Node program. */
function asks(pipe: string, asked: string, run: string): string[] {
  const path = shellQuote(pipe);
  return [
    'mc_ask() (',
    `  exec 3<>${path} 4<${path} 3>&-`,
    '  read -r mc_self <"/proc/$$/stat" || mc_self=$$',
    `  printf '%s\\n' "$mc_self" >${asked} && read -r mc_answer <&4 && [ "$mc_answer" = 'go ${run}' ]`,
    ')',
    `{ [ -p ${path} ] && mc_ask 2>/dev/null; } || mc_by_itself || exit 75`,
  ];
}
