import { basename, dirname, join } from 'node:path';
import type { Adapter, ArgvWord } from '../agents/adapter.ts';
import { sessionId } from '../agents/session.ts';
import { failpoint } from '../machine/failpoint.ts';
import { asObject, numberOf, shellQuote, textOf, textOfFile } from '../machine/files.ts';
import { inMadeDir, writeIn } from '../machine/foreign.ts';
import type { Places } from '../machine/paths.ts';
import { HANDED_ON } from '../model/environment.ts';
import { AGENT_KINDS, type AgentKind, type AgentProfile } from '../model/policy.ts';
import { makeTmuxDir, tmuxDir } from '../tmux/dir.ts';
import { makeRunDirs, objectOfRun, ownDir, RUN_ID, runDir, writeForAgent, writeOwn } from './dirs.ts';

/** Stands in an argv where the prompt goes. */
export const PROMPT: { readonly prompt: true } = Object.freeze({ prompt: true });

/** Above this a prompt goes by a pointer: one argument may hold 128 KiB on Linux. */
const MAX_ARGV_PROMPT = 100 * 1024;
/** Saves a tenth of what Node takes to start: V8 keeps the hashes of its snapshot, which whoever chooses the keys of an object
 *  could make collide. A registration reads nothing but our own files. */
export const QUICK_START = '--no-rehash-snapshot';
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** What `run.json` tells of a run: enough to find it again when the board is lost. */
export interface RunFile {
  readonly run: string;
  readonly ticket: string;
  readonly owner: string | null;
  readonly agent: string;
  /** The kind of the profile at the launch: its events are read by this adapter, whatever the configuration says later. */
  readonly kind: AgentKind;
  readonly project: string;
  readonly claim_epoch: number;
  readonly worktree: string;
  readonly branch: string | null;
  /** With the number it tells the ticket from another one of that number; null in files of before. */
  readonly ticket_created_at_ms: number | null;
  /** Nobody can attach to it: its end is the end of its turn. */
  readonly headless: boolean;
  /** The client's session id, where we chose it or know it from the run that this one continues. */
  readonly client_session: string | null;
  /** The configuration that it was launched by; null in files of before. */
  readonly config: string | null;
  /** Where the client keeps its things: HOME and the like, no secrets. */
  readonly env: Readonly<Record<string, string>>;
}

/** Variables that say where a client keeps its things. */
const PLACES_OF_CLIENTS = /^(HOME|XDG_[A-Z]+_(HOME|DIR)|[A-Z_]+_(HOME|DIR))$/;

export interface StageRun extends Omit<RunFile, 'agent' | 'kind' | 'client_session' | 'config'> {
  readonly places: Places;
  readonly profile: AgentProfile;
  readonly adapter: Pick<Adapter, 'launchArgv' | 'env' | 'stageFiles'>;
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
  readonly dir: string;
  readonly events: string;
  readonly promptFile: string;
  readonly launcher: string;
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
  const events = join(dir, 'events');
  const promptFile = join(dir, 'prompt.md');
  const launch = join(ownDir(dir), 'launch');
  const context = {
    runDir: dir,
    bin: stage.places.bin,
    session: stage.client_session,
    resume: stage.resume,
    headless: stage.headless,
    worktree: stage.worktree,
  };
  if (stage.resume !== null && sessionId(stage.profile.kind, stage.resume) === null)
    throw new Error(`not a session of ${stage.profile.kind}: ${JSON.stringify(stage.resume.slice(0, 100))}`);
  const argv = stage.adapter.launchArgv(stage.profile, context);
  if (argv.length === 0) throw new Error(`agent ${stage.profile.name} has no command`);
  const env = { ...stage.env, ...stage.adapter.env(context) };
  makeRunDirs(dir);
  makeTmuxDir(dir);
  failpoint('prepare-run-dir-made');
  const { run, ticket, owner, project, claim_epoch, worktree, branch, ticket_created_at_ms } = stage;
  const record: RunFile = {
    run,
    ticket,
    owner,
    agent: stage.profile.name,
    kind: stage.profile.kind,
    project,
    claim_epoch,
    worktree,
    branch,
    ticket_created_at_ms,
    headless: stage.headless,
    client_session: stage.client_session,
    config: stage.places.config,
    env: Object.fromEntries(Object.entries(env).filter(([name]) => PLACES_OF_CLIENTS.test(name))),
  };
  writeForAgent(dir, 'prompt.md', stage.prompt);
  failpoint('prepare-prompt-written');
  writeOwn(dir, 'run.json', `${JSON.stringify(record, null, 2)}\n`);
  failpoint('prepare-run-file-written');
  for (const file of stage.adapter.stageFiles(context)) {
    if (dirname(file.path) !== dir) throw new Error(`${file.path} is not in ${dir}`);
    writeForAgent(dir, basename(file.path), file.text);
  }
  writeOwn(dir, 'launch', launchScript(stage, promptFile, argv, env), 0o700);
  return {
    dir,
    events,
    promptFile,
    launcher: launch,
    sha256: process.getBuiltinModule('node:crypto').createHash('sha256').update(stage.prompt).digest('hex'),
    bytes: Buffer.byteLength(stage.prompt),
    command: ['/bin/sh', launch],
  };
}

function launchScript(
  stage: StageRun,
  promptFile: string,
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
  const pointed = Buffer.byteLength(stage.prompt) > MAX_ARGV_PROMPT;
  const pointer = `Read the file ${promptFile} and do the ticket in it.`;
  const words = argv.map((word) => {
    if (typeof word === 'string') return shellQuote(word);
    return pointed ? shellQuote(pointer) : '"$mc_prompt"';
  });
  const takesPrompt = !pointed && argv.some((word) => typeof word !== 'string');
  return `${[
    '#!/bin/sh',
    '# Written by mc-pickup for one run. The first pass empties the environment, the second becomes the agent.',
    'umask 077',
    'if [ "$1" != clean ]; then',
    '  exec /usr/bin/env -i TMUX="$TMUX" TMUX_PANE="$TMUX_PANE" /bin/sh "$0" clean',
    'fi',
    `cd ${shellQuote(stage.worktree)} || exit 74`,
    'unset OLDPWD',
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
    // tmux hangs up a pane once nobody holds its terminal open. Standard input does; where a client takes that for its
    // prompt, descriptor 9 does (but a client that replaces its own process may close that one).
    // They lead to the server of all agents, where a plain `tmux kill-server` would end every one.
    'unset TMUX TMUX_PANE',
    `exec ${words.join(' ')}${stage.headless ? ` 9<&0 >>${shellQuote(join(ownDir(dir), 'output.log'))} 2>&1` : ''}`,
  ].join('\n')}\n`;
}

/** A launcher asks the tick that has started it, and else goes on by itself. It opens the pipe both ways first, or it would wait for
 *  a tick that has died, then to read alone, or it would not see one die; in a shell of its own, so that whatever fails there
 *  costs no more than a Node program. */
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

/** The whole environment of an agent: an allow-list, the profile's own names, and what tells it its run. */
export function agentEnvironment(
  profile: Pick<AgentProfile, 'env' | 'pass_env'>,
  places: Places,
  ids: { readonly run: string; readonly ticket: string },
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  const made: Record<string, string> = {};
  const take = (name: string): void => {
    const value = env[name];
    if (value !== undefined && ENV_NAME.test(name)) made[name] = value;
  };
  for (const name of HANDED_ON) take(name);
  for (const name of profile.pass_env) take(name);
  made.TERM = 'screen-256color';
  for (const [name, value] of Object.entries(profile.env)) if (ENV_NAME.test(name)) made[name] = value;
  made.PATH = [places.bin, made.PATH ?? env.PATH ?? '/usr/local/bin:/usr/bin:/bin'].join(':');
  const dir = runDir(places.runs, ids.run);
  return {
    ...made,
    MC_RUN_ID: ids.run,
    MC_TICKET_ID: ids.ticket,
    MC_PROMPT_FILE: join(dir, 'prompt.md'),
    MC_RUN_DIR: dir,
    TMUX_TMPDIR: tmuxDir(dir),
    MC_PICKUP_STATE_DIR: places.state,
    MC_PICKUP_CONFIG: places.config,
  };
}

const EVENT_SCRIPT = `#!/bin/sh
# mc-event KIND: hands one event (JSON on stdin) to mc-pickup. It never fails and never prints.
case "$1" in '' | [!A-Za-z]* | *[!A-Za-z0-9_-]*) exit 0 ;; esac
[ -n "$MC_RUN_DIR" ] && [ -d "$MC_RUN_DIR/events" ] || exit 0
umask 077
# A name that no event had before, without a program where the system gives one.
{ read -r id </proc/sys/kernel/random/uuid; } 2>/dev/null || id=$(mktemp -u XXXXXXXXXXXXXXXX 2>/dev/null) || exit 0
temp=$MC_RUN_DIR/events/.tmp.$id
if [ -t 0 ]; then printf '{}'; else cat; fi 2>/dev/null >"$temp"
mv -f "$temp" "$MC_RUN_DIR/events/$1.$id" 2>/dev/null
exit 0
`;

/** `mc-pickup` as an agent's shell takes it, by its full path. */
export function programWord({ bin }: Places): string {
  const path = join(bin, 'mc-pickup');
  return /^[\w./-]+$/.test(path) ? path : shellQuote(path);
}

/** Puts `mc-pickup` and `mc-event` where every agent finds them; touches nothing that is already right. */
export function ensureTools(places: Places, node: string, bin: string): void {
  const wrapper = `#!/bin/sh\nexec ${shellQuote(node)} ${shellQuote(bin)} "$@"\n`;
  for (const [name, text] of [
    ['mc-pickup', wrapper],
    ['mc-event', EVENT_SCRIPT],
  ] as const) {
    const path = join(places.bin, name);
    if (textOfFile(path) !== text)
      inMadeDir(places.state, basename(places.bin), (dir) => writeIn(dir, name, text, 0o700));
  }
}

/** What is known of a run, or null where its file is missing or broken. */
export function readRunFile(runs: string, run: string): RunFile | null {
  if (!RUN_ID.test(run)) return null;
  const file = objectOfRun(join(runs, run), 'run.json');
  const ticket = textOf(file, 'ticket');
  const agent = textOf(file, 'agent');
  const project = textOf(file, 'project');
  const worktree = textOf(file, 'worktree');
  if (textOf(file, 'run') !== run || ticket === null || agent === null || project === null) return null;
  if (worktree === null) return null;
  const kind = AGENT_KINDS.find((one) => one === textOf(file, 'kind')) ?? 'command';
  const owner = textOf(file, 'owner');
  const branch = textOf(file, 'branch');
  return {
    run,
    ticket,
    owner,
    agent,
    kind,
    project,
    claim_epoch: numberOf(file, 'claim_epoch') ?? 0,
    worktree,
    branch,
    ticket_created_at_ms: numberOf(file, 'ticket_created_at_ms'),
    headless: file?.headless === true,
    client_session: sessionId(kind, textOf(file, 'client_session')),
    config: textOf(file, 'config'),
    env: textsOf(file?.env),
  };
}

function textsOf(value: unknown): Record<string, string> {
  const entries = Object.entries(asObject(value) ?? {});
  return Object.fromEntries(entries.filter((one): one is [string, string] => typeof one[1] === 'string'));
}

export { textOfFile } from '../machine/files.ts';
export { ownDir, placeOfRun, runDir, textOfRun } from './dirs.ts';
export {
  fillWitnesses,
  type Mark,
  readMarks,
  readRegistered,
  registeredFile,
  removeMark,
  writeMark,
  writeRegistered,
} from './marks.ts';
