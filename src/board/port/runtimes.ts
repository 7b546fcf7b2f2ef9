import type { Runtime } from '../../model/runtime.ts';

/** Rows of runtimes, to be read. */
export interface Runtimes {
  runtime(run: string): Promise<Runtime | null>;
  /** By the run id in an agent's environment: the row that lives, else the latest. */
  runtimeByMark(mark: string): Promise<Runtime | null>;
  liveRuntime(ticket: string): Promise<Runtime | null>;
  liveRuntimes(): Promise<Runtime[]>;
  /** The newest first. */
  runtimesOf(request: { readonly ticket: string; readonly limit: number }): Promise<Runtime[]>;
}
