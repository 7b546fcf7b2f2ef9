import type { AgentProfile } from '../../model/policy.ts';
import type { Activity } from '../../model/runtime.ts';
import type { PROMPT } from '../launcher.ts';

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
}

/** One kind of agent client. */
export interface Adapter {
  readonly kind: AgentProfile['kind'];
  launchArgv(profile: AgentProfile, context: AdapterContext): readonly ArgvWord[];
  env(context: AdapterContext): Readonly<Record<string, string>>;
  stageFiles(context: AdapterContext): readonly StagedFile[];
  mapEvent(kind: string, payload: Readonly<Record<string, unknown>>): EventMeaning | null;
  /** tmux key names that end the client when it is idle. */
  readonly quitKeys: readonly string[];
}
