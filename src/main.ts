import { halted, readSwitches, recordHalt } from './killswitch.ts';
import { EXIT } from './model/errors.ts';
import { type Places, placesOf } from './paths.ts';

/** The whole program. Sets `process.exitCode`; never throws. A tick is stopped at the gate before the board, tmux,
 *  or even the command-line parser is loaded. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  process.umask(0o077);
  const tick = plainTick(argv);
  if (tick !== null) {
    const places = placesOf(tick, env);
    if (gate(places, env, tick.json)) return;
  }
  const { cli } = await import('./cli.ts');
  process.exitCode = await cli(argv, env);
}

/** True = halted: one small file tells of it, and a person at a terminal is told. */
function gate(places: Places, env: NodeJS.ProcessEnv, json: boolean): boolean {
  const now_ms = Date.now();
  const stop = halted(readSwitches(places, env, now_ms));
  if (stop === null) return false;
  recordHalt(places.gate, stop, now_ms);
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
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } else if (process.stdout.isTTY) {
    process.stdout.write(`mc-pickup: halted by the killswitch: ${stop.reason}\n`);
  }
  process.exitCode = EXIT.ok;
  return true;
}

interface PlainTick {
  stateDir?: string;
  config?: string;
  json: boolean;
}

/** Recognises `dispatch` and `reconcile` with options that are certainly right; null = let the real parser
 *  look at it. A dry run is left to the real parser too: it reports a halt without recording one. */
function plainTick(argv: readonly string[]): PlainTick | null {
  const found: PlainTick = { json: false };
  let command: string | null = null;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    const [name = '', inline] = word.startsWith('--') && word.includes('=') ? splitOnce(word) : [word];
    if (name === '--json') found.json = true;
    else if (name === '--quiet' || name === '--no-color') continue;
    else if (name === '--state-dir' || name === '--config' || name === '--max' || name === '--project') {
      const value = inline ?? argv[++i];
      if (!value || value.startsWith('-')) return null;
      if (name === '--state-dir') found.stateDir = value;
      if (name === '--config') found.config = value;
      if (name === '--max' && !/^\d+$/.test(value)) return null;
    } else if (command === null && (name === 'dispatch' || name === 'reconcile')) command = name;
    else return null;
  }
  return command === null ? null : found;
}

function splitOnce(word: string): [string, string] {
  const at = word.indexOf('=');
  return [word.slice(0, at), word.slice(at + 1)];
}
