import type { AgentKind } from '../../../src/model/policy.ts';

/** What a test has to know of a real client. */
export interface TestClient {
  readonly kind: AgentKind;
  /** The npm package, and its pinned version: the one that the table in docs/agents.md was last judged with. */
  readonly pkg: string;
  readonly version: string;
  /** Prepares an isolated HOME: onboarding done, the main checkout trusted, the model API at `api` (such as
   *  `http://127.0.0.1:4711`), telemetry and updates off by the documented settings. What it gives is the profile
   *  of a configuration: the argv and the environment that the agent is started with. */
  prepare(setup: ClientSetup): {
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  };
  /** Takes away from a prepared HOME what the client cannot work without; a part of what is then said to a person. */
  unready(setup: ClientSetup): string;
  /** Files in the HOME that must not change by a run (the user's settings): relative paths. */
  readonly untouched: readonly string[];
}

export interface ClientSetup {
  readonly home: string;
  /** The main checkout, which the user has trusted. */
  readonly repo: string;
  /** The folder that the worktrees are made in. */
  readonly worktrees: string;
  /** The folder of the installed package: `<cache>/node_modules/.bin` holds its program. */
  readonly cache: string;
  readonly api: string;
}

/** Whatever a client wants from anywhere but this machine fails at once, instead of leaving it. */
export const LOOPBACK_ONLY: Readonly<Record<string, string>> = Object.fromEntries([
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'].map((name) => [name, 'http://127.0.0.1:9']),
  ...['NO_PROXY', 'no_proxy'].map((name) => [name, '127.0.0.1,localhost']),
]);
