/** How much of a tick a run has been through: none, a tick, a tick with agents. The launcher keeps the compiled code of
 *  the deepest. */
export type Depth = 0 | 1 | 2;

/** What is asked of a tick. */
export interface Wish {
  /** Whether it may launch; false = the reconcile pass alone. */
  dispatch: boolean;
  dryRun?: boolean;
  max?: number;
  project?: string;
}

/** A tick as its command line asks for it. */
export interface PlainTick extends Wish {
  stateDir?: string;
  config?: string;
  json: boolean;
  quiet: boolean;
  color: boolean;
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
