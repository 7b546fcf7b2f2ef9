/** The manual page, from the very definition that `--help` prints: `dist/mc-pickup.1`, made by every build. */
import { Command } from 'commander';
import pkg from '../package.json' with { type: 'json' };
import { examplesOf } from '../src/cli/define.ts';
import { define } from '../src/cli/index.ts';

/** The page in the man(7) language. */
export function manualPage(): string {
  const program = new Command('mc-pickup');
  define(program, async () => undefined);
  const help = program.createHelp();
  const lines = [
    `.TH MC\\-PICKUP 1 "version ${roff(pkg.version)}" "mc\\-pickup" "User Commands"`,
    '.SH NAME',
    `mc\\-pickup \\- ${roff(sentence(program.description()))}`,
    '.SH SYNOPSIS',
    '.B mc\\-pickup',
    '.RI [ options ] " command " [ arguments ]',
    '.SH DESCRIPTION',
    ...paragraphs(DESCRIPTION),
    '.SH OPTIONS',
    ...options(help.visibleOptions(program)),
    '.SH COMMANDS',
  ];
  const visit = (command: Command, path: readonly string[]): void => {
    for (const one of help.visibleCommands(command)) {
      if (one.name() === 'help') continue;
      const name = [...path, one.name()];
      lines.push(...commandLines(one, name));
      visit(one, name);
    }
  };
  visit(program, ['mc-pickup']);
  for (const [title, body] of SECTIONS)
    lines.push(`.SH ${title}`, ...body.flatMap(([word, says]) => tagged(word, says)));
  return `${lines.join('\n')}\n`;

  function commandLines(one: Command, name: readonly string[]): string[] {
    const found = [
      `.SS ${roff(`${name.slice(1).join(' ')} ${help.subcommandTerm(one).split(' ').slice(1).join(' ')}`.trim())}`,
    ];
    found.push(roff(`${upper(one.description())}.`));
    found.push(
      ...help
        .visibleArguments(one)
        .flatMap((argument) =>
          argument.description ? tagged(argument.name(), help.argumentDescription(argument)) : [],
        ),
    );
    found.push(...options(help.visibleOptions(one).filter(({ long }) => long !== '--help')));
    for (const { line, says } of examplesOf(one))
      found.push('.PP', `${roff(upper(says))}:`, '.PP', '.RS 4', '.nf', roff(line), '.fi', '.RE');
    return found;
  }

  function options(all: ReturnType<typeof help.visibleOptions>): string[] {
    return all.flatMap((option) => tagged(help.optionTerm(option), help.optionDescription(option)));
  }
}

const DESCRIPTION = [
  'There is no daemon: a scheduler starts a fresh process every minute. One process is one tick: killswitch gate, reconcile pass, dispatch pass, exit.',
  'No ticket has two agents, and board and reality do not disagree for longer than one tick: a living agent is believed, whatever the board says.',
];

const SECTIONS: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  [
    'EXIT STATUS',
    [
      ['0', 'Done, nothing to do, halted by the killswitch, or another tick is running.'],
      ['1', 'A bug.'],
      ['2', 'Usage.'],
      ['3', 'Some steps failed; the next tick tries again.'],
      ['69', 'Cannot see or reach something; nothing was done.'],
      ['75', 'Busy now, try again.'],
      ['77', 'An agent may not do that; nothing was done.'],
      ['78', 'Configuration, state dir or schema: a person must act.'],
    ],
  ],
  [
    'ENVIRONMENT',
    [
      ['MC_PICKUP_CONFIG', 'The configuration, where --config names none.'],
      ['MC_PICKUP_STATE_DIR', 'The state dir, where --state-dir names none.'],
      [
        'MC_PICKUP_KILLSWITCH',
        'on, all, dispatch or off, or the path of a file in place of killswitch.json.',
      ],
      [
        'MC_PICKUP_MAX_AGENTS, MC_PICKUP_MAX_LAUNCHES_PER_TICK, MC_PICKUP_TTL_MINUTES, MC_PICKUP_MAX_ATTEMPTS',
        'Override the limits of those names.',
      ],
      ['MC_PICKUP_DEBUG', 'Set: errors are shown with their stack.'],
      ['NO_COLOR', 'Set: no colour.'],
    ],
  ],
  [
    'FILES',
    [
      ['$XDG_CONFIG_HOME/mc-pickup/config.toml', 'The configuration (~/.config if unset).'],
      [
        '$XDG_STATE_HOME/mc-pickup',
        'The state dir (~/.local/state if unset): board, killswitch, tmux socket, runs, worktrees.',
      ],
    ],
  ],
];

function tagged(word: string, says: string): string[] {
  return ['.TP', `\\fB${roff(word)}\\fR`, roff(says)];
}

function paragraphs(all: readonly string[]): string[] {
  return all.flatMap((one, index) => [...(index > 0 ? ['.PP'] : []), roff(one)]);
}

/** Text as roff prints it: no backslash, hyphen, quote or dot at the start of a line means more than itself. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('"', '\\(dq')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replaceAll('`', '\\(ga')
    .replace(/^\./gm, '\\&.');
}

function upper(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function sentence(text: string): string {
  return text.replace(/\.$/, '').replace(/^./, (first) => first.toLowerCase());
}
