/*
 * Which program a process is. A process keeps its pid and start time when it executes another program, so that an agent
 * whose place a shell has taken is still the process that registered; and a client that goes on in another process of its
 * run is still the client. Both are told by the program: the executable and, for an interpreter, the script.
 */
import { basename, isAbsolute, join } from 'node:path';
import { asObject, realOf, textOf } from '../machine/files.ts';
import { argvOf, fileId, lacksProc, PROC, type Proc, procId, procLink, shownAt } from '../machine/proc.ts';
import { findProgram } from '../machine/programs.ts';
import { fnv1a } from '../model/hash.ts';
import type { AgentKind, AgentProfile } from '../model/policy.ts';
import type { Runtime } from '../model/runtime.ts';
import { INTERPRETER, SHELL, startedBy } from './wrapper.ts';

export interface Program {
  readonly exe: string;
  /** dev:inode. */
  readonly exe_id: string;
  /** What an interpreter runs: a path, `-m MODULE`, `code:HASH`, or `title:TEXT` where the process has overwritten its own
   *  arguments. null = no interpreter, or one that reads its commands from its terminal. */
  readonly script: string | null;
  /** dev:inode; null = it is no file that is found. */
  readonly script_id: string | null;
}

/** What is known of the client of a run. */
export interface Client {
  /** What the first look a minute after its registration has found; null = there was none. */
  readonly recorded: Program | null;
  readonly kind: AgentKind | '';
  /** Of its profile. */
  readonly argv: readonly string[];
  readonly path: string | undefined;
}

/** Options that take the next word; of the others a value is a word of its own only where it would be taken for the script. */
const TAKES_A_WORD =
  /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--env-file|-W|-X|-I|[-+]o|[-+]O|--rcfile|--init-file)$/;
const SUBCOMMAND = /^(run|x|exec|task|serve|test)$/;

/** Which program this process is now; null = it can't be told (another system, another user's process, none). Also while the
 *  launcher of a run has not become the agent yet. */
export function lookAtProgram(pid: number, proc: Proc = PROC): Program | null {
  if (lacksProc(proc)) return null;
  const at = shownAt(pid, proc);
  const exe = procLink(`${at}/exe`, proc)?.replace(/ \(deleted\)$/, '');
  const exe_id = procId(`${at}/exe`, proc);
  if (exe === undefined || exe_id === null || basename(exe) === 'env') return null;
  if (!INTERPRETER.test(basename(exe))) return { exe, exe_id, script: null, script_id: null };
  const argv = argvOf(pid, proc);
  if (argv === null) return null;
  const word = scriptOf(argv.slice(0, -1), basename(exe));
  if (word === null || !word.file) return { exe, exe_id, script: word?.text ?? null, script_id: null };
  const cwd = isAbsolute(word.text) ? '' : procLink(`${at}/cwd`, proc);
  if (cwd === null) return null;
  const script = cwd === '' ? word.text : join(cwd, word.text);
  if (/\/(own|runs)\/[\w-]+\/launch$/.test(script)) return null;
  return { exe, exe_id, script, script_id: fileId(script) };
}

/** As the board keeps it. */
export function programText(program: Program): string {
  return JSON.stringify(program);
}

/** What the board has kept; null = nothing that can be read. */
export function parseProgram(text: string | null | undefined): Program | null {
  if (text == null) return null;
  let value: Readonly<Record<string, unknown>> | null;
  try {
    value = asObject(JSON.parse(text));
  } catch {
    return null;
  }
  const [exe, exe_id] = [textOf(value, 'exe'), textOf(value, 'exe_id')];
  if (exe === null || exe_id === null) return null;
  return { exe, exe_id, script: textOf(value, 'script'), script_id: textOf(value, 'script_id') };
}

/** What is known of the client of this run. */
export function clientOf(
  row: Pick<Runtime, 'program' | 'kind'>,
  profile: Pick<AgentProfile, 'kind' | 'argv' | 'env'> | undefined,
  env: NodeJS.ProcessEnv,
): Client {
  return {
    recorded: parseProgram(row.program),
    kind: row.kind === '' ? (profile?.kind ?? '') : row.kind,
    argv: profile?.argv ?? [],
    path: profile?.env.PATH ?? env.PATH,
  };
}

/** The same executable and, for interpreters, the same script. By its path as well: a file that was replaced since is the
 *  next version of it, and so is one in the place of another version. */
export function sameProgram(a: Program, b: Program): boolean {
  if (!sameExe(a, b)) return false;
  return sameFile(a.script, b.script) || (a.script_id !== null && a.script_id === b.script_id);
}

function sameExe(a: Program, b: Program): boolean {
  return a.exe_id === b.exe_id || sameFile(a.exe, b.exe);
}

/** Many a client puts each version of itself beside the others (`versions/2.1.331`, `tool-1.4.0/bin/tool`), and goes on in the new one. */
function sameFile(a: string | null, b: string | null): boolean {
  if (a === null || b === null || a === b) return a === b;
  return isAbsolute(a) && withoutVersion(a) === withoutVersion(b);
}

function withoutVersion(path: string): string {
  return path.replace(/(^|[/@_-])v?\d+(\.\d+)+([-+.][0-9A-Za-z.+-]*)?(?=\/|$)/g, '$1*');
}

/** Of one and the same process: it is still that program. It may have gone to another directory, and have overwritten its
 *  arguments by a title. */
export function stillProgram(recorded: Program, now: Program): boolean {
  if (sameProgram(recorded, now)) return true;
  if (!sameExe(recorded, now)) return false;
  if (recorded.script === null || now.script === null) return false;
  if (now.script.startsWith('title:')) return true;
  return now.script_id === null && basename(now.script) === basename(recorded.script);
}

/** A shell, or another interpreter, that takes what is typed as commands. */
export function readsCommands({ exe, script }: Program): boolean {
  return INTERPRETER.test(basename(exe)) && script === null;
}

/**
 * Whether this program is the client's own. `wrapped`: nothing names it but the text of the wrapper script that the profile
 * starts, which may name tools as well.
 */
export function whoseProgram(program: Program, client: Client): 'own' | 'wrapped' | 'other' {
  if (client.recorded !== null && sameProgram(client.recorded, program)) return 'own';
  if (readsCommands(program)) return 'other';
  if (client.kind !== '' && client.kind !== 'command' && isOfKind(program, client.kind, client.path))
    return 'own';
  const { argv, path } = client;
  if (argv.some((word) => program.script === inlineCode(word))) return 'own';
  const { own, named } = startedBy(argv, path);
  if (own.some((word) => names(word, program, path))) return 'own';
  return named.some((word) => names(word, program, undefined)) ? 'wrapped' : 'other';
}

/** For people. */
export function programName({ exe, script }: Program): string {
  if (script === null) return basename(exe);
  if (script.startsWith('title:')) return script.slice('title:'.length);
  if (script.startsWith('code:')) return `${basename(exe)} -c`;
  return `${basename(exe)} ${script.startsWith('-m ') ? script : basename(script)}`;
}

/** The names of the directories that packages and installers put the clients into: the files in them may be called anything. */
const PACKAGES: Readonly<Record<Exclude<AgentKind, 'command'>, string>> = {
  ...{
    claude: 'claude(-code)?',
    codex: 'codex',
    gemini: 'gemini(-cli)?',
    opencode: 'opencode(-ai|-[\\w-]+)?',
  },
};

function isOfKind(program: Program, kind: Exclude<AgentKind, 'command'>, path: string | undefined): boolean {
  if (names(kind, program, path)) return true;
  const place = new RegExp(`/(node_modules/(@[^/]+/)?${PACKAGES[kind]}|${PACKAGES[kind]}/versions)/`);
  const file = program.script === null ? program.exe : realOf(program.script);
  return place.test(file);
}

/** Whether a word of a command line or of a script means this program. */
function names(word: string, program: Program, path: string | undefined): boolean {
  const { exe, exe_id, script, script_id } = program;
  const [file, id] = script === null ? [exe, exe_id] : [script, script_id];
  const plain = /^(title:|-m )/.exec(file)?.[0];
  const own =
    plain === undefined ? withoutEnd(basename(file)) : (file.slice(plain.length).split(' ')[0] ?? '');
  if (isAbsolute(word)) {
    const there = fileId(word);
    if (there !== null) return there === id;
  } else if (path !== undefined && !word.includes('/') && word !== '') {
    const found = findProgram(word, path);
    if (found !== null && fileId(found) === id) return true;
  }
  return own !== '' && withoutEnd(basename(word)) === own;
}

/** Without its extension: clients are called with and without one. */
function withoutEnd(name: string): string {
  return name.replace(/\.(exe|[cm]?[jt]s|py|sh|rb|pl)$/, '');
}

function inlineCode(code: string): string {
  return `code:${fnv1a(code)}`;
}

/** The word of a command line that says what an interpreter runs. */
function scriptOf(
  argv: readonly string[],
  exe: string,
): { readonly text: string; readonly file: boolean } | null {
  const [called = ''] = argv;
  const name = basename(called).replace(/^-/, '');
  // A title is shorter than the arguments that it has overwritten; another name alone is no title, and shells give themselves none.
  const titled = argv.length > 1 && argv.at(-1) === '' && !SHELL.test(exe);
  if (titled && !INTERPRETER.test(name) && name !== exe)
    return { text: `title:${called.slice(0, 200)}`, file: false };
  const code = SHELL.test(exe) ? /^-[a-zA-Z]*c[a-zA-Z]*$/ : /^(-[a-zA-Z]*[ecpE]|--eval|--print)$/;
  for (let n = 1; n < argv.length; n++) {
    const word = argv[n] ?? '';
    if (code.test(word)) return { text: inlineCode(argv[n + 1] ?? ''), file: false };
    if (/^-[a-zA-Z]*m$/.test(word) && /^(python|pypy)/.test(exe))
      return { text: `-m ${argv[n + 1] ?? ''}`, file: false };
    if (TAKES_A_WORD.test(word)) n += 1;
    else if (/^(-|-s|\/dev\/(stdin|tty|fd\/0|pts\/\d+)|\/proc\/self\/fd\/0)$/.test(word)) return null;
    else if (/^(bun|deno)$/.test(exe) && SUBCOMMAND.test(word)) continue;
    else if (exe === 'busybox' && n === 1 && SHELL.test(word)) continue;
    else if (word !== '' && !/^[-+]/.test(word)) return { text: word, file: true };
  }
  return null;
}
