/** The table of commands in README.md, from the very definition that `--help` prints. `--check`: only says whether it is as it
 *  should be. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { define } from '../src/cli/index.ts';

const FILE = 'README.md';
const BEGIN = '<!-- commands: written by npm run generate -->';
const END = '<!-- commands end -->';

function table(): string {
  const program = new Command('mc-pickup');
  define(program, async () => undefined);
  const help = program.createHelp();
  const rows = (command: Command, path: string): string[] =>
    help
      .visibleCommands(command)
      .filter((one) => one.name() !== 'help')
      .flatMap((one) => {
        const name = `${path}${one.name()}`;
        const words = one.registeredArguments.map((argument) => help.argumentTerm(argument).toUpperCase());
        const options = help
          .visibleOptions(one)
          .map(({ long }) => long)
          .filter((long) => long !== '--help');
        // A command that only has subcommands is told by them.
        const told = one.commands.length > 0 && !ACTS.has(one.name());
        const row = () =>
          `| ${heading(one)} | \`${[name, ...words].join(' ')}\` | ${cell(one.description())} | ${options.map((long) => `\`${long}\``).join(' ')} |`;
        return [...(told ? [] : [row()]), ...rows(one, `${name} `)];
      });
  let last = '';
  const heading = (one: Command): string => {
    const top = one.parent === program ? one : one.parent;
    const group = (top?.helpGroup() ?? '').replace(/:$/, '');
    if (group === last) return '';
    last = group;
    return `**${group}**`;
  };
  return ['| | command | what it does | options |', '| --- | --- | --- | --- |', ...rows(program, '')].join(
    '\n',
  );
}

/** They have subcommands, and do something by themselves as well. */
const ACTS = new Set(['agents']);

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function main(check: boolean): number {
  const before = readFileSync(FILE, 'utf8');
  const [from, to] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${FILE} has no place for the table: ${BEGIN} ... ${END}`);
  const text = `${before.slice(0, from + BEGIN.length)}\n\n${table()}\n\n${before.slice(to)}`;
  const formatted = spawnSync('biome', ['format', `--stdin-file-path=${FILE}`], {
    input: text,
    encoding: 'utf8',
  });
  if (formatted.status !== 0) throw new Error(formatted.stderr);
  if (formatted.stdout === before) return 0;
  if (check) {
    console.error(`${FILE}: the table of commands is not what --help says: npm run generate`);
    return 1;
  }
  writeFileSync(FILE, formatted.stdout);
  return 0;
}

process.exitCode = main(process.argv.includes('--check'));
