import { isTerminal } from './terminal.ts';

/** Where words for people and JSON go. The only part of the program that prints. */
export interface Out {
  readonly color: boolean;
  line(text: string): void;
  json(value: unknown): void;
  warn(text: string): void;
}

/** `NO_COLOR`, `--no-color` and a pipe turn colour off; `--quiet` leaves errors and JSON. */
export function outFor(options: { quiet: boolean; color: boolean }, env: NodeJS.ProcessEnv): Out {
  return {
    color: options.color && !env.NO_COLOR && isTerminal(1),
    line(text) {
      if (!options.quiet) process.stdout.write(`${text}\n`);
    },
    json(value) {
      process.stdout.write(`${JSON.stringify(value)}\n`);
    },
    warn(text) {
      process.stderr.write(`mc-pickup: ${text}\n`);
    },
  };
}
