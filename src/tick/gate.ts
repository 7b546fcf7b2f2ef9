/*
 * The gate. Each tick comes by it, and most halted ones load nothing else: neither Node's streams nor the board, tmux or the
 * command-line parser.
 */
import { halted, readSwitches, recordHalt, unreadable } from '../machine/killswitch.ts';
import type { Places } from '../machine/paths.ts';
import { stateFault } from '../machine/state.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { oneLine } from '../model/text.ts';
import type { Switch } from '../model/world.ts';
import { writeBrief } from '../report/brief.ts';
import { jsonLine, lostOutput, writeNow } from '../report/now.ts';
import { isTerminal } from '../report/terminal.ts';
import { unbegun } from '../report/unbegun.ts';

export interface Halt {
  readonly stop: Switch;
  /** Why the switch can't even be read, which a person has to mend; null = it says what it says. */
  readonly fault: string | null;
}

/** What halts a tick now; null = the gate is open. One small file tells of the halt, and the figures, where ticks write them; a dry run
 *  leaves none. */
export function halt(
  places: Pick<Places, 'killswitch' | 'gate' | 'state'>,
  env: NodeJS.ProcessEnv,
  { dry }: { readonly dry: boolean },
): Halt | null {
  const now_ms = Date.now();
  const switches = readSwitches(places, env, now_ms);
  const stop = halted(switches);
  if (stop === null) return null;
  const fault = stateFault(places.state) ?? unreadable(places, env);
  if (!dry) {
    recordHalt(places.gate, stop, now_ms);
    writeBrief(places, { switches, last: { at_ms: now_ms, outcome: fault === null ? 'halted' : 'refused' } });
  }
  return { stop, fault };
}

/** Tells a person who asked or sits at a terminal that the tick was halted. A scheduler would be quiet for ever where the switch can't
 *  be read: that is said, with an exit code of its own. */
export function tellHalt(
  { stop, fault }: Halt,
  o: { readonly json: boolean; readonly quiet: boolean; readonly dry?: boolean },
): ExitCode {
  const dry = o.dry === true;
  if (fault !== null) writeNow(2, `mc-pickup: ${fault}\n`);
  if (o.json) {
    const lost = writeNow(1, jsonLine(unbegun(null, dry, stop)));
    if (lost !== null) writeNow(2, lostOutput(lost));
  } else if (fault === null && !o.quiet && (dry || isTerminal(1))) {
    const why = oneLine(stop.reason, 300);
    writeNow(1, `halted by the killswitch, nothing is looked at (see mc-pickup killswitch status): ${why}\n`);
  }
  return fault === null ? EXIT.ok : EXIT.config;
}
