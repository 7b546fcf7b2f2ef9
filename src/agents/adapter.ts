import type { Choice, Chosen } from '../model/choice.ts';
import type { AgentProfile } from '../model/policy.ts';
import type { Activity } from '../model/runtime.ts';
import type { Composer, Screen } from '../model/screen.ts';
import type { Refusal } from '../model/trouble.ts';
import type { Hands } from './handing.ts';

/** Stands in an argv where the prompt goes. */
export const PROMPT: { readonly prompt: true } = Object.freeze({ prompt: true });

/** One word of an agent's command line: text, or the place of the prompt. */
export type ArgvWord = string | typeof PROMPT;

/** What an adapter may know of the run that it prepares. */
export interface AdapterContext {
  /** `<state>/runs/<run>`. */
  readonly runDir: string;
  /** `<state>/bin`, where `mc-event` is. */
  readonly bin: string;
  /** A UUID that a client takes as its session id, where it can. */
  readonly session: string;
  /** The client's own session to continue, as an earlier run learnt it; null = a fresh one. */
  readonly resume: string | null;
  /** Whether to use the client's mode for machines where nobody attaches. */
  readonly headless: boolean;
  /** Where in its worktree the agent will start. */
  readonly worktree: string;
}

export interface StagedFile {
  readonly path: string;
  readonly text: string;
}

/** What one event says; a field that is missing changes nothing. */
export interface EventMeaning {
  readonly activity?: Activity;
  readonly question?: string;
  /** The question is a general sentence: it does not replace a better one. */
  readonly vague?: boolean;
  readonly turn?: boolean;
  readonly session?: string;
  /** The API of its model gave no answer: that ended the turn, or the client waits for it. */
  readonly refusal?: Refusal;
}

/** Where the signals of a living client are looked for. */
export interface AgentLook {
  readonly runDir: string;
  /** Where in it the agent was started: clients keep what is theirs by that. */
  readonly worktree: string | null;
  /** What the agent was started with: HOME, CODEX_HOME and the like. */
  readonly env: Readonly<Record<string, string>>;
  readonly pid: number;
  /** Start time of that pid in kernel ticks. */
  readonly pid_start: string;
  /** The client's own session id, as far as it is known. */
  readonly session: string | null;
  /** The title that the client gave its pane. */
  readonly title: string | null;
}

/** A state that can be read at any time and survives a lost event. */
export interface Level {
  readonly activity: Activity;
  readonly question?: string;
  readonly session?: string;
  /** What the turn ended with, or waits for. */
  readonly refusal?: Refusal;
}

/** What a client's session has used so far: totals of the whole session. */
export interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_tokens: number;
  readonly turns: number;
  /** null = the client does not tell. */
  readonly cost_usd: number | null;
}

/** A dialog that asks for a permission, and the keys that answer it. */
export interface PermissionDialog {
  /** What the pane shows while it is open: a fixed string, without any of tmux's format characters. */
  readonly shows: string;
  /** tmux key names. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/** A question of the client's own tool, as its screen shows it. */
export interface OpenChoice extends Choice {
  /** Tells it from every other one of the same call. */
  readonly name: string;
}

/** What is to be done next in such a dialog. Each is done only while the pane shows all of `shows`: parts of rows, as they were read. */
export type Move =
  | { readonly do: 'keys'; readonly keys: readonly string[]; readonly shows: readonly string[] }
  /** Paste the person's own text. */
  | { readonly do: 'paste'; readonly shows: readonly string[] }
  /** Nothing: it is answered, or another one is open. */
  | { readonly do: 'nothing' }
  /** This can't be answered from here: why not. */
  | { readonly do: 'refuse'; readonly why: string };

/** A call of the client's own tool for questions that waits for its answers. */
export interface AskedCall {
  readonly id: string;
  /** `own`: a text of one's own may be given. */
  readonly choices: readonly (Choice & { readonly own: boolean })[];
}

/** How such a call is answered by the client's own server. */
export interface Posting {
  /** The one that is open; null = none, or nothing can be told. */
  read(look: AgentLook): Promise<AskedCall | null>;
  /** Gives all of its answers, each as labels or as one text. Says why it can't have got them; null = it has, as far as is known. */
  reply(look: AgentLook, id: string, answers: readonly (readonly string[])[]): Promise<string | null>;
}

/** How a question of the client's own tool is answered by keys. */
export interface ChoiceDialog {
  /** The one that the screen shows open; null = none. `told`: the text of all questions of the call, as `choiceText` made it: a screen may show a part. */
  read(screen: string, told?: string | null): OpenChoice | null;
  /** The next move towards an answer to that question. Asked anew of the screen after each move, so that no key rests on
   *  what an earlier one was meant to do. */
  next(screen: string, open: OpenChoice, chosen: Chosen): Move;
}

/** What a client's file says of one repository. `absent`: the client was never set up, or by somebody else. */
export interface Trust {
  readonly file: string;
  readonly state: 'trusted' | 'untrusted' | 'absent' | 'unreadable';
  /** Writes the trust into that file and nothing else of it; says why it was not written, or null. */
  write(): string | null;
}

/** One kind of agent client. */
export interface Adapter extends Hands {
  readonly kind: AgentProfile['kind'];
  launchArgv(profile: AgentProfile, context: AdapterContext): readonly ArgvWord[];
  env(context: AdapterContext, profile: AgentProfile): Readonly<Record<string, string>>;
  stageFiles(context: AdapterContext): readonly StagedFile[];
  mapEvent(kind: string, payload: Readonly<Record<string, unknown>>): EventMeaning | null;
  /** The second signal; null = the client says nothing (yet). Reads only; never throws. */
  level?(look: AgentLook): Level | null | Promise<Level | null>;
  /** What its last turn was refused with, of a process that has ended; null = nothing. `printed` is the end of what a headless one has printed. */
  lastRefusal?(look: AgentLook, printed: string | null): Refusal | null;
  /** The client's own record of the session. */
  transcript?(look: AgentLook): string | null;
  usage?(look: AgentLook): Usage | null;
  /** Whether a session can be continued by `resume`: its record is there. */
  resumable?(look: Omit<AgentLook, 'pid' | 'pid_start' | 'title'>): boolean;
  /** What a screen without any sign of life means: a first-run dialog, no login. null = nothing known. */
  notReady?(screen: string): string | null;
  /** The limit that a screen tells of, where the client waits in a dialog and calls that work. null = none. */
  limitShown?(screen: string, now_ms: number): Refusal | null;
  /** Hands a text to the living client past its terminal, where there is such a way; absent = it is typed. Says why the client can't have got it;
   *  null = it has, as far as is known. */
  post?(look: AgentLook, text: string): Promise<string | null>;
  /** Whether a text stands where the client takes one, without its Enter: the next would be joined to it. null = it can't be told. */
  composer?(screen: Screen): Composer | null;
  /** Trust in a repository, where the client keeps it in the user's own file alone. `env` is the agent's. */
  trust?(repo: string, env: Readonly<Record<string, string | undefined>>): Trust;
  readonly permission?: PermissionDialog;
  readonly choice?: ChoiceDialog | Posting;
  /** The oldest version that this adapter was tried with, and what prints the version. */
  readonly minVersion?: string;
  readonly versionArgv?: readonly string[];
  /** The client takes a session id of ours at its start. */
  readonly takesSession?: boolean;
  /** Milliseconds that the client needs between a paste and Enter. */
  readonly enterDelayMs?: number;
  /** tmux key names that end the client when it is idle. */
  readonly quitKeys: readonly string[];
}
