/*
 * The facts that go with a reason: what a step or a skip was decided by, for people, for `explain`, and in the JSON of a tick. The
 * program itself never reads them.
 */
import type { IdentityReason } from './identity.ts';
import type { Activity } from './runtime.ts';

/** A reason and its facts. */
export interface Why<B extends string, E = NoFacts> {
  readonly because: B;
  readonly evidence: E;
}

export type NoFacts = Readonly<Record<string, never>>;

/** Facts as any reader has them: out of a report of any version. */
export type Evidence = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** A living agent, and what its events say. */
export type Living = {
  readonly pid: number | null;
  readonly run: string;
  readonly pane: string | null;
  readonly activity: Activity;
};

/** A living agent at work. */
export type AtWork = {
  readonly activity: Activity;
  readonly pid: number | null;
  /** Observed time without any event or output. */
  readonly silent_ms: number;
};

/** A headless run whose process has ended well. */
export type Through = {
  readonly pid: number | null;
  readonly exit_code: number | null;
  readonly has_commits: boolean | null;
};

/** Which run told of an account. */
export type OfAccount = { readonly run: string; readonly agent: string };

/** How a process ended, as far as it was seen. */
export type Exit = { readonly exit_code: number | null; readonly exit_signal: number | null };

export type RowEnd = Exit & { readonly run: string; readonly pid: number | null };

export type GivenBack = RowEnd & {
  /** What the kernel said of the process. */
  readonly verdict: IdentityReason | null;
  /** Of the ticket, from now on. */
  readonly attempts: number;
};

/** A process that carries a ticket's mark. */
export type Sighted = {
  readonly run: string;
  readonly pid: number;
  readonly pane: string | null;
  readonly verdict: IdentityReason;
};
