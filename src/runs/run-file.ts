import { join } from 'node:path';
import { sessionId } from '../agents/session.ts';
import { numberOf, textOf } from '../machine/files.ts';
import type { Places } from '../machine/paths.ts';
import { asObject } from '../model/json.ts';
import { AGENT_KINDS, type AgentKind, type Policy } from '../model/policy.ts';
import type { Runtime } from '../model/runtime.ts';
import { objectOfRun, RUN_ID } from './dirs.ts';

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
  /** Where in it the agent was started. */
  readonly start: string;
  readonly branch: string | null;
  /** The number that it has among the living agents of its host; null in files that tell of none. */
  readonly slot: number | null;
  /** Tells the ticket from another one of the same number, on another board or on one that was restored; null in files of 0.1. */
  readonly ticket_created_at_ms: number | null;
  /** Nobody can attach to it: its end is the end of its turn. */
  readonly headless: boolean;
  /** The client's session id, where we chose it or know it from the run that this one continues. */
  readonly client_session: string | null;
  /** The configuration that it was launched by; null in files of 0.1. */
  readonly config: string | null;
  /** Where the client keeps its things: HOME and the like, no secrets. */
  readonly env: Readonly<Record<string, string>>;
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
    start: textOf(file, 'start') ?? worktree,
    branch,
    slot: numberOf(file, 'slot'),
    ticket_created_at_ms: numberOf(file, 'ticket_created_at_ms'),
    headless: file?.headless === true,
    client_session: sessionId(kind, textOf(file, 'client_session')),
    config: textOf(file, 'config'),
    env: textsOf(file?.env),
  };
}

/** The kind that the run was launched with: the profile may have become another since. */
export function kindOf(row: Runtime, { runs }: Pick<Places, 'runs'>, { agents }: Policy): AgentKind {
  if (row.kind !== '') return row.kind;
  return readRunFile(runs, row.mark)?.kind ?? agents.get(row.agent)?.kind ?? 'command';
}

function textsOf(value: unknown): Record<string, string> {
  const entries = Object.entries(asObject(value) ?? {});
  return Object.fromEntries(entries.filter((one): one is [string, string] => typeof one[1] === 'string'));
}
