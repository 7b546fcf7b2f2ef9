import type { Argument, Command, Option } from 'commander';
import { TICKET_STATUSES } from '../model/ticket.ts';

/** What can stand at one place of the command line: words, or what only the board, the configuration or the disk knows. */
export type Kind =
  | 'tickets'
  | 'projects'
  | 'agents'
  | 'scopes'
  | 'runs'
  | 'files'
  | 'directories'
  | 'nothing';

export interface Candidate {
  readonly word: string;
  readonly says: string;
}

export interface Completion {
  readonly words: readonly Candidate[];
  /** What has to be looked up as well. */
  readonly kind: Kind;
  /** What comes before each candidate: `--status=` of `--status=to`. */
  readonly prefix: string;
  /** What of the global options has been typed already: they say which board is meant. */
  readonly globals: { readonly stateDir?: string; readonly config?: string };
}

/**
 * What can follow on a command line. `words` are those after the program's name, the last one being typed (maybe empty).
 * Pure: whoever asks looks up what `kind` names.
 */
export function completionOf(program: Command, words: readonly string[]): Completion {
  const typed = words.slice(0, -1);
  const last = words.at(-1) ?? '';
  const globals: { stateDir?: string; config?: string } = {};
  let command = program;
  let place = 0;
  let onlyArguments = false;
  let waits: Option | null = null;
  for (const word of typed) {
    if (waits !== null) {
      remember(globals, waits, word);
      waits = null;
    } else if (onlyArguments || !word.startsWith('-') || word === '-') {
      const next: Command | undefined = onlyArguments ? undefined : subcommand(command, word);
      if (next !== undefined && place === 0) command = next;
      else place += 1;
    } else if (word === '--') onlyArguments = true;
    else {
      const [name = '', ...rest] = word.split('=');
      const option = optionOf(program, command, name);
      if (option?.required && rest.length === 0) waits = option;
      else if (option !== undefined && rest.length > 0) remember(globals, option, rest.join('='));
    }
  }
  const answer = (words_: readonly Candidate[], kind: Kind = 'nothing', prefix = ''): Completion => ({
    ...{ words: words_, kind, prefix, globals },
  });
  if (waits !== null) return answer(choicesOf(waits), kindOf(waits.long ?? '', waits.flags));
  const inline = /^(--[\w-]+=)/.exec(last);
  if (inline !== null && !onlyArguments) {
    const option = optionOf(program, command, inline[1]?.slice(0, -1) ?? '');
    if (option === undefined) return answer([]);
    return answer(choicesOf(option), kindOf(option.long ?? '', option.flags), inline[1]);
  }
  if (last.startsWith('-') && !onlyArguments) return answer(optionsFor(program, command));
  if (command.commands.length > 0 && place === 0 && command.registeredArguments.length === 0)
    return answer(
      command.commands
        .filter((one) => !hidden(one))
        .map((one) => ({ word: one.name(), says: one.description() })),
    );
  const argument = command.registeredArguments[place] ?? variadic(command.registeredArguments);
  if (argument === undefined) return answer([]);
  const subcommands = place === 0 ? command.commands.filter((one) => !hidden(one)) : [];
  return answer(
    [
      ...(argument.argChoices ?? wordsOf(argument)).map((word) => ({ word, says: '' })),
      ...subcommands.map((one) => ({ word: one.name(), says: one.description() })),
    ],
    kindOf(argument.name(), command.name()),
  );
}

function subcommand(command: Command, word: string): Command | undefined {
  return command.commands.find((one) => one.name() === word || one.aliases().includes(word));
}

function optionOf(program: Command, command: Command, name: string): Option | undefined {
  return [...command.options, ...program.options].find(({ long, short }) => long === name || short === name);
}

function optionsFor(program: Command, command: Command): Candidate[] {
  const all = command === program ? program.options : [...command.options, ...program.options];
  return [
    ...all
      .filter((one) => !one.hidden)
      .map(({ long, flags, description }) => ({ word: long ?? flags, says: description })),
    { word: '--help', says: 'the help of this command' },
  ];
}

function choicesOf(option: Option): Candidate[] {
  const named = option.long === '--status' ? TICKET_STATUSES : [];
  return (option.argChoices ?? named).map((word) => ({ word, says: '' }));
}

/** Arguments that take one of a few words, by their names. */
function wordsOf(argument: Argument): readonly string[] {
  if (argument.name() === 'status') return TICKET_STATUSES;
  if (argument.name() === 'what') return ['review', 'needs-input', 'done', 'blocked'];
  return [];
}

function kindOf(name: string, context: string): Kind {
  switch (name.replace(/^--/, '')) {
    case 'ticket':
    case 'depends-on':
      return 'tickets';
    case 'project':
      return context === 'init' ? 'nothing' : 'projects';
    case 'agent':
      return 'agents';
    case 'name':
      return context === 'ready' ? 'agents' : 'nothing';
    case 'scope':
      return 'scopes';
    case 'run':
      return 'runs';
    case 'config':
    case 'file':
    case 'token-file':
    case 'out':
      return 'files';
    case 'state-dir':
    case 'to':
    case 'textfile-dir':
      return 'directories';
    default:
      return 'nothing';
  }
}

function variadic(all: readonly Argument[]): Argument | undefined {
  const last = all.at(-1);
  return last?.variadic ? last : undefined;
}

function remember(globals: { stateDir?: string; config?: string }, { long }: Option, value: string): void {
  if (long === '--state-dir') globals.stateDir = value;
  if (long === '--config') globals.config = value;
}

/** Commander keeps no public word for it. */
function hidden(command: Command): boolean {
  return (command as unknown as { readonly _hidden: boolean })._hidden;
}
