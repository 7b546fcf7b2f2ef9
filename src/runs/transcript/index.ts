import { join } from 'node:path';
import type { AgentLook } from '../../agents/adapter.ts';
import { claudeHome } from '../../agents/claude/transcript.ts';
import { adapterOf } from '../../agents/index.ts';
import { serverOf } from '../../agents/opencode/server.ts';
import type { AgentKind } from '../../model/policy.ts';
import type { Runtime } from '../../model/runtime.ts';
import { clean } from '../../model/text.ts';
import { capturePane } from '../../tmux/pane.ts';
import type { Tmux } from '../../tmux/tmux.ts';
import { agentLook } from '../activity.ts';
import { placeOfRun } from '../dirs.ts';
import { foldEvents } from '../events.ts';
import { outputText } from '../output.ts';
import { readRunFile } from '../run-file.ts';
import { claudeTurns, codexTurns, geminiTurns, opencodeLines, opencodeTurns } from './clients.ts';
import { MAX_BYTES, type Turn, textIn } from './turn.ts';

export type { Turn } from './turn.ts';

export type Transcript =
  | {
      readonly found: true;
      /** A file, or words for what else it is. */
      readonly from: string;
      readonly turns: readonly Turn[];
    }
  | { readonly found: false; readonly looked: readonly string[] };

const MOST_LINES = 20_000;

/** The conversation of a run: as its client has recorded it, else what its terminal shows or last showed. Reads only. */
export async function readTranscript(
  row: Runtime,
  kind: AgentKind,
  { runs, tmux }: { readonly runs: string; readonly tmux: Tmux },
): Promise<Transcript> {
  const file = readRunFile(runs, row.mark);
  const adapter = adapterOf(kind);
  // No tick may have looked since the client told its session.
  const told = row.ended_at_ms === null ? foldEvents(join(runs, row.mark, 'events'), row, adapter) : row;
  const chosen = adapter.takesSession === true ? (file?.client_session ?? null) : null;
  const look = agentLook(runs, row, file, null, told.client_session ?? row.client_session ?? chosen);
  const looked: string[] = [];
  const recorded = await ofClient(kind, look, looked);
  if (recorded !== null && recorded.turns.length > 0) return { found: true, ...recorded };
  const shown = await ofTerminal(row, look.runDir, tmux, looked);
  return shown === null ? { found: false, looked } : { found: true, ...shown };
}

type Found = { readonly from: string; readonly turns: readonly Turn[] };

async function ofClient(kind: AgentKind, look: AgentLook, looked: string[]): Promise<Found | null> {
  if (kind === 'command') return null;
  if (kind === 'opencode') return ofOpencode(look, looked);
  looked.push(placeOf(kind, look));
  const path = adapterOf(kind).transcript?.(look) ?? null;
  const text = path === null ? null : textIn(path);
  if (path === null || text === null) return null;
  const turns = { claude: claudeTurns, codex: codexTurns, gemini: geminiTurns }[kind](text);
  return { from: path, turns };
}

/** Its database is its own; while it lives its server tells, and without a terminal its output does. */
async function ofOpencode(look: AgentLook, looked: string[]): Promise<Found | null> {
  const log = logOf(look.runDir);
  const text = outputText(look.runDir, MAX_BYTES);
  const lines = text === null ? [] : opencodeLines(text);
  if (lines.length > 0) return { from: log, turns: lines };
  const exported = look.session === null ? '' : `: opencode export ${look.session} prints it`;
  looked.push(`OpenCode's server, which lives as long as its agent (its database is its own${exported})`);
  const ask = serverOf(look);
  if (ask === null || look.session === null) return null;
  try {
    const messages = await ask(`/session/${look.session}/message`);
    return { from: `OpenCode's server, session ${look.session}`, turns: opencodeTurns(messages) };
  } catch {
    return null;
  }
}

async function ofTerminal(row: Runtime, dir: string, tmux: Tmux, looked: string[]): Promise<Found | null> {
  const log = logOf(dir);
  const screen = placeOfRun(dir, 'screen.txt');
  looked.push(log);
  const logged = outputText(dir, MAX_BYTES);
  if (logged !== null && logged.trim() !== '') return { from: log, turns: lines(logged) };
  if (row.ended_at_ms === null && row.tmux_pane !== null) {
    looked.push(`its pane ${row.tmux_pane}`);
    const shown = await capturePane(tmux, row.tmux_pane, MOST_LINES);
    if (shown !== null && shown.trim() !== '')
      return { from: 'its terminal, as it is now', turns: lines(shown) };
  }
  looked.push(screen);
  const last = textIn(screen);
  return last === null || last.trim() === '' ? null : { from: screen, turns: lines(last) };
}

function logOf(dir: string): string {
  return placeOfRun(dir, 'output.log');
}

function lines(text: string): Turn[] {
  // tmux's own words at the bottom of a pane whose program has ended.
  const all = clean(text)
    .replace(/\n*Pane is dead \([^\n]*\)\s*$/, '')
    .split('\n');
  while (all.at(-1)?.trim() === '') all.pop();
  return all.map((line) => ({ at_ms: null, who: 'output', text: line.trimEnd() }));
}

/** Where the record of a client would be. */
function placeOf(kind: 'claude' | 'codex' | 'gemini', { env, session }: AgentLook): string {
  const home = env.HOME ?? '~';
  const of = session ?? '(a session that is not known yet)';
  switch (kind) {
    case 'claude':
      return join(claudeHome(env), 'projects', '*', `${of}.jsonl`);
    case 'codex':
      return join(env.CODEX_HOME ?? join(home, '.codex'), 'sessions', '*', '*', '*', `rollout-*-${of}.jsonl`);
    case 'gemini':
      return join(
        env.GEMINI_CLI_HOME ?? home,
        '.gemini',
        'tmp',
        '*',
        'chats',
        `session-*-${of.slice(0, 8)}.jsonl`,
      );
  }
}
