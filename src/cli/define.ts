import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { type ExitCode, usageError } from '../model/errors.ts';

/** What a command does once its line is understood. */
export type Work = (context: Context) => Promise<ExitCode>;

/** Runs the work of the command that was chosen. */
export type Run = (work: Work) => Promise<void>;

/** A line that can be typed as it stands, and what it is for. */
export interface Example {
  readonly line: string;
  readonly says: string;
}

const EXAMPLES = new WeakMap<Command, readonly Example[]>();

/** Gives a command its examples: `--help`, the manual page and the test that parses each of them read them from here. */
export function withExamples(command: Command, ...examples: readonly (readonly [string, string])[]): Command {
  const all = examples.map(([line, says]) => ({ line, says }));
  EXAMPLES.set(command, all);
  const width = Math.max(...all.map(({ line }) => line.length));
  const text = all.map(({ line, says }) =>
    width > 52 ? `  ${line}\n      ${says}` : `  ${line.padEnd(width)}  ${says}`,
  );
  return command.addHelpText('after', `\nExamples:\n${text.join('\n')}`);
}

export function examplesOf(command: Command): readonly Example[] {
  return EXAMPLES.get(command) ?? [];
}

export function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usageError(`"${text}" is not a whole number`);
  return Number(text);
}

export function priority(text: string): number {
  if (!/^[0-4]$/.test(text)) throw usageError(`priority "${text}" is not 0, 1, 2, 3 or 4`);
  return Number(text);
}

export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}
