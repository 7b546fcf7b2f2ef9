import type { Command } from 'commander';
import { withReader } from '../board/open.ts';
import { loadPolicy } from '../config/load.ts';
import { type Context, makeContext } from '../context.ts';
import { EXIT, type ExitCode, usageError } from '../model/errors.ts';
import { oneLine } from '../model/text.ts';
import { type Candidate, completionOf, type Kind } from './complete.ts';

/** More than that nobody reads, and a shell gets slow. */
const MAX_TICKETS = 300;
/** Words that need no quotes in any shell: another program may have put anything on the board. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Prints the completion of one shell; what it offers is asked of this very program at each key press, so that it knows the
 *  tickets, projects and profiles of the moment. */
export function completion({ out }: Context, shell: string): Promise<ExitCode> {
  const script = SCRIPTS[shell];
  if (script === undefined) throw usageError(`no completion for "${oneLine(shell, 40)}": bash, zsh or fish`);
  out.line(script);
  return Promise.resolve(EXIT.ok);
}

/**
 * What a shell asks: the words after the program's name, the last one being typed. Prints `word<TAB>what it is`, a line
 * each, and `:files` or `:directories` where the shell itself knows. Never fails, never writes: a key press is no time for errors.
 */
export async function complete(
  { out, env }: Context,
  program: Command,
  shell: string,
  words: readonly string[],
): Promise<ExitCode> {
  const line = shell === 'bash' ? joined(words) : words;
  const { words: fixed, kind, prefix, globals } = completionOf(program, line);
  const found = [...fixed, ...(await lookedUp(makeContext(globals, env), kind).catch(() => []))];
  const last = line.at(-1) ?? '';
  // Bash takes ":" and "=" for the end of a word, and puts what it is given behind them.
  const cut = shell === 'bash' ? Math.max(last.lastIndexOf('='), last.lastIndexOf(':')) + 1 : 0;
  for (const { word, says } of found) {
    const whole = `${prefix}${word}`;
    if (whole.startsWith(last)) out.line(`${whole.slice(cut)}\t${oneLine(says, 60)}`);
  }
  if (kind === 'files' || kind === 'directories') out.line(`:${kind}`);
  return EXIT.ok;
}

/** Bash hands over `--status`, `=` and `to` as three words. */
function joined(words: readonly string[]): string[] {
  const all: string[] = [];
  let glue = false;
  for (const word of words) {
    const mark = word === '=' || word === ':';
    if (all.length > 0 && (mark || glue)) all[all.length - 1] += word;
    else all.push(word);
    glue = mark;
  }
  return all;
}

async function lookedUp(context: Context, kind: Kind): Promise<Candidate[]> {
  const policy = () => loadPolicy(context.places.config, context.env).policy;
  const named = (names: Iterable<string>, prefix = ''): Candidate[] =>
    [...names].map((name) => ({ word: `${prefix}${name}`, says: '' }));
  switch (kind) {
    case 'tickets':
      return withReader(context, async (board) =>
        (await board.tickets({ limit: MAX_TICKETS }))
          .filter(({ id }) => PLAIN.test(id))
          .map(({ id, status, title }) => ({ word: id, says: `${status}: ${title}` })),
      );
    case 'runs':
      return withReader(context, async (board) =>
        (await board.liveRuntimes())
          .filter(({ id }) => PLAIN.test(id))
          .map(({ id, ticket_id }) => ({ word: id, says: ticket_id ?? 'chat' })),
      );
    case 'projects':
      return named(policy().projects.keys());
    case 'agents':
      return named(policy().agents.keys());
    case 'scopes':
      return [...named(policy().projects.keys(), 'project:'), ...named(policy().agents.keys(), 'agent:')];
    default:
      return [];
  }
}

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# bash completion of mc-pickup:  mc-pickup completion bash > ~/.local/share/bash-completion/completions/mc-pickup
_mc_pickup() {
  local line tab=$'\\t'
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files) compopt -o default ;;
      :directories) compopt -o default -o dirnames ;;
      *) COMPREPLY+=("\${line%%"$tab"*}") ;;
    esac
  done < <("\${COMP_WORDS[0]}" complete bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _mc_pickup mc-pickup`,
  zsh: `#compdef mc-pickup
# zsh completion of mc-pickup:  mc-pickup completion zsh > a file _mc-pickup in a directory of $fpath
_mc_pickup() {
  local line files= ; local -a found
  while IFS= read -r line; do
    case $line in
      :*) files=$line ;;
      *) found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done < <("\${words[1]}" complete zsh -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#found )) && _describe -V mc-pickup found
  case $files in
    :files) _files ;;
    :directories) _files -/ ;;
  esac
}
if [ "$funcstack[1]" = _mc-pickup ]; then _mc_pickup "$@"; else compdef _mc_pickup mc-pickup; fi`,
  fish: `# fish completion of mc-pickup:  mc-pickup completion fish > ~/.config/fish/completions/mc-pickup.fish
function __mc_pickup
    set -l typed (commandline -opc)
    set -l word (commandline -ct)
    for line in ($typed[1] complete fish -- $typed[2..-1] "$word" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$word"
            case ':directories'
                __fish_complete_directories "$word"
            case '*'
                echo $line
        end
    end
end
complete -c mc-pickup -f -k -a '(__mc_pickup)'`,
};
