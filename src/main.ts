import { callerOf } from './machine/caller.ts';
import { halted, readSwitches, recordHalt, unreadable } from './machine/killswitch.ts';
import { type Places, placesOf } from './machine/paths.ts';
import { stateFault } from './machine/state.ts';
import { EXIT } from './model/errors.ts';
import { oneLine } from './model/text.ts';
import { lostOutput, writeNow } from './report/now.ts';
import { isTerminal } from './report/terminal.ts';

/** How much of a tick a run has been through: none, a tick, a tick with agents. The launcher keeps the compiled code of
 *  the deepest. */
export type Depth = 0 | 1 | 2;

/** The whole program. Sets `process.exitCode`; never throws. A tick is stopped at the gate before the board, tmux,
 *  or even the command-line parser is loaded. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<Depth> {
  process.umask(0o077);
  const tick = parsePlainTick(argv);
  const places = tick === null ? null : placesOf(tick, env);
  // Of an agent the command line says what it may do instead.
  // A scheduler has none of these, and pays for no look at the processes above it.
  const above = env.MC_RUN_DIR !== undefined || env.MC_TICKET_ID !== undefined;
  if (tick !== null && places !== null && callerOf(places, env, above).kind === 'person') {
    if (gate(places, env, tick.json)) return 0;
    // Certainly right as it stands: the command-line parser would cost as much as the tick.
    const { code, depth } = await (await import('./tick/plain.ts')).plainTick(tick, env);
    process.exitCode = code;
    return depth;
  }
  const { cli } = await import('./cli/index.ts');
  process.exitCode = await cli(argv, env);
  return 0;
}

/** True = halted: one small file tells of it, and a person at a terminal is told. Where that file can't tell, or the
 *  switch can't be read, a scheduler would be quiet for ever: that is said, with an exit code of its own. */
function gate(places: Places, env: NodeJS.ProcessEnv, json: boolean): boolean {
  const now_ms = Date.now();
  const stop = halted(readSwitches(places, env, now_ms));
  if (stop === null) return false;
  recordHalt(places.gate, stop, now_ms);
  const fault = stateFault(places.state) ?? unreadable(places, env);
  if (fault !== null) writeNow(2, `mc-pickup: ${fault}\n`);
  if (json) {
    const report = {
      schema: 'mc-pickup.tick/1',
      tick_id: null,
      host_id: null,
      dry_run: false,
      outcome: 'halted',
      gate: { open: false, reason: stop.reason, level: stop.level },
      reconcile: [],
      dispatch: [],
      skipped: [],
      counts: {},
      duration_ms: 0,
    };
    const lost = writeNow(1, `${JSON.stringify(report)}\n`);
    if (lost !== null) writeNow(2, lostOutput(lost));
  } else if (fault === null && isTerminal(1)) {
    writeNow(1, `mc-pickup: halted by the killswitch: ${oneLine(stop.reason, 300)}\n`);
  }
  process.exitCode = fault === null ? EXIT.ok : EXIT.config;
  return true;
}

/** A tick as its command line asks for it. */
export interface PlainTick {
  stateDir?: string;
  config?: string;
  json: boolean;
  quiet: boolean;
  color: boolean;
  max?: number;
  project?: string;
  dispatch: boolean;
}

/** Recognises `dispatch` and `reconcile` with options that are certainly right; null = let the real parser
 *  look at it. A dry run is left to the real parser too: it reports a halt without recording one. */
export function parsePlainTick(argv: readonly string[]): PlainTick | null {
  const found: PlainTick = { json: false, quiet: false, color: true, dispatch: true };
  let command: string | null = null;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    const [name = '', inline] = word.startsWith('--') && word.includes('=') ? splitOnce(word) : [word];
    if (name === '--json') found.json = true;
    else if (name === '--quiet') found.quiet = true;
    else if (name === '--no-color') found.color = false;
    else if (name === '--state-dir' || name === '--config' || name === '--max' || name === '--project') {
      const value = inline ?? argv[++i];
      if (!value || value.startsWith('-')) return null;
      if (name === '--state-dir') found.stateDir = value;
      if (name === '--config') found.config = value;
      if (name === '--max') {
        if (!/^\d{1,9}$/.test(value)) return null;
        found.max = Number(value);
      }
      if (name === '--project') found.project = value;
    } else if (command === null && (name === 'dispatch' || name === 'reconcile')) command = name;
    else return null;
  }
  if (command === null) return null;
  found.dispatch = command === 'dispatch';
  // `reconcile` has neither of these: the real parser says so.
  return !found.dispatch && (found.max !== undefined || found.project !== undefined) ? null : found;
}

function splitOnce(word: string): [string, string] {
  const at = word.indexOf('=');
  return [word.slice(0, at), word.slice(at + 1)];
}
