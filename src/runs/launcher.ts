import { shellQuote } from '../machine/files.ts';
import type { Places } from '../machine/paths.ts';
import { REPORTS } from '../model/said.ts';
import { REPORT_EVENT } from './said.ts';

/*
 * `mc-pickup` of a state dir: what schedulers and agents start. What is written down in a crontab or in the environment of an agent is the
 * same for months; Node and this program move meanwhile, since version managers have each version in a directory of its own. So this
 * is a shell script, which is there whatever becomes of them. As a rule it becomes Node at once, and starts no process.
 */

/** The oldest Node that will do: that of "engines" in package.json. */
const NEEDS = { major: 22, minor: 14 };

/** By its second line the script is known as ours, wherever it is met. */
const MARK = '# The launcher of mc-pickup';

/** Beside the launcher: which Node and which program it found when those that it names were gone, a line each. */
export function foundFile({ bin }: Pick<Places, 'bin'>): string {
  return `${bin}/found`;
}

/** What the launcher names: the Node and the program that wrote it, by full paths; null = no launcher that we know. */
export function namedIn(text: string): { readonly node: string; readonly program: string } | null {
  const word = (name: string): string | null => {
    const [, found] = new RegExp(`^${name}=((?:'[^']*'|\\\\')+)$`, 'm').exec(text) ?? [];
    return found === undefined
      ? null
      : found.replaceAll("'\\''", '\n').replaceAll("'", '').replaceAll('\n', "'");
  };
  const [node, program] = [word('mc_node'), word('mc_program')];
  return node === null || program === null ? null : { node, program };
}

/** The script. It tries what it names, then what it found the last time, and then looks: where version managers keep their Nodes, and on
 *  PATH. It says once what it found: to whoever reads what a scheduler's ticks say, and not to an agent. */
export function launcherScript(
  places: Pick<Places, 'state' | 'config' | 'bin'>,
  node: string,
  bin: string,
): string {
  const least = NEEDS.major * 1_000_000 + NEEDS.minor * 1000;
  return `#!/bin/sh
${MARK} of one state dir, for schedulers and agents. It is written by the program: by init, schedule install and each launch.
[ -n "$MC_PICKUP_STATE_DIR" ] || export MC_PICKUP_STATE_DIR=${shellQuote(places.state)}
[ -n "$MC_PICKUP_CONFIG" ] || export MC_PICKUP_CONFIG=${shellQuote(places.config)}
mc_node=${shellQuote(node)}
mc_program=${shellQuote(bin)}
if [ -z "$MC_PICKUP_SEARCH" ] && [ -x "$mc_node" ] && [ -f "$mc_program" ]; then
  # One that can't be executed any more (its C library is another one now) is as good as gone. bash goes on, other shells end.
  [ -z "$BASH_VERSION" ] || shopt -s execfail
  trap 'export MC_PICKUP_SEARCH=1; exec /bin/sh "$0" "$@"' EXIT
  exec "$mc_node" "$mc_program" "$@"
  trap - EXIT
  export MC_PICKUP_SEARCH=1
fi

mc_note=${shellQuote(foundFile(places))}
mc_was= mc_a= mc_b=
mc_go() { # NODE PROGRAM WORDS: clients that were installed with that Node are found with it.
  PATH=\${1%/*}:\${PATH:-/usr/bin:/bin}
  export PATH
  exec "$@"
}
if [ -f "$mc_note" ]; then
  { IFS= read -r mc_a && IFS= read -r mc_b; } <"$mc_note"
  mc_was=$mc_a:$mc_b
  [ -z "$MC_PICKUP_SEARCH" ] && [ -x "$mc_a" ] && [ -f "$mc_b" ] && mc_go "$mc_a" "$mc_b" "$@"
fi

mc_best=0 mc_found= mc_beside= mc_rest_of_path=/lib/node_modules/mc-pickup/bin/mc-pickup.js
mc_try() { # NODE...: the newest that will do, and the program that was installed with one
  for mc_one; do
    [ -f "$mc_one" ] && [ -x "$mc_one" ] || continue
    mc_v=$("$mc_one" -v </dev/null 2>/dev/null) || continue
    mc_v=\${mc_v#v}
    mc_major=\${mc_v%%.*} mc_rest=\${mc_v#*.}
    mc_minor=\${mc_rest%%.*} mc_patch=\${mc_rest#*.}
    mc_patch=\${mc_patch%%[!0-9]*}
    case $mc_major.$mc_minor.$mc_patch in *[!0-9.]* | .* | *. | *..*) continue ;; esac
    mc_rank=$((mc_major * 1000000 + mc_minor * 1000 + mc_patch))
    [ "$mc_rank" -ge ${least} ] && [ "$mc_rank" -gt "$mc_best" ] || continue
    mc_best=$mc_rank mc_found=$mc_one
    [ ! -f "\${mc_one%/bin/*}$mc_rest_of_path" ] || mc_beside=\${mc_one%/bin/*}$mc_rest_of_path
  done
}
mc_take() { # FILE...: the newest program
  for mc_one; do
    [ -f "$mc_one" ] && IFS= read -r mc_line 2>/dev/null <"$mc_one" || continue
    case $mc_line in '#!'*node*) ;; *) continue ;; esac
    [ -f "$mc_program" ] && [ ! "$mc_one" -nt "$mc_program" ] || mc_program=$mc_one
  done
}
mc_path() { # COMMAND: for each directory of PATH
  set -f
  mc_ifs=$IFS IFS=:
  for mc_dir in $PATH; do
    IFS=$mc_ifs
    [ -z "$mc_dir" ] || "$1" "$mc_dir"
  done
  IFS=$mc_ifs
  set +f
}
mc_nodes_in() { mc_try "$1/node" "$1/nodejs"; }
mc_programs_in() { [ -f "$mc_program" ] || mc_take "$1/mc-pickup" "\${1%/bin}$mc_rest_of_path"; }
mc_home=\${HOME:-/nowhere} mc_data=\${XDG_DATA_HOME:-$mc_home/.local/share}

mc_managers() { # where version managers keep them: the one that had the Node of before first
  mc_try ${besides(node)} \\
    "\${NVM_DIR:-$mc_home/.nvm}"/versions/node/*/bin/node "\${XDG_CONFIG_HOME:-$mc_home/.config}"/nvm/versions/node/*/bin/node \\
    "\${FNM_DIR:-$mc_data/fnm}"/node-versions/*/installation/bin/node "$mc_home"/.fnm/node-versions/*/installation/bin/node \\
    "$mc_home/Library/Application Support/fnm"/node-versions/*/installation/bin/node \\
    "\${ASDF_DATA_DIR:-$mc_home/.asdf}"/installs/nodejs/*/bin/node "\${MISE_DATA_DIR:-$mc_data/mise}"/installs/node/*/bin/node \\
    "\${VOLTA_HOME:-$mc_home/.volta}"/tools/image/node/*/bin/node "\${N_PREFIX:-/usr/local}"/n/versions/node/*/bin/node \\
    "$mc_home"/n/n/versions/node/*/bin/node "\${N_PREFIX:-/usr/local}"/bin/node "$mc_home"/n/bin/node \\
    "\${NODENV_ROOT:-$mc_home/.nodenv}"/versions/*/bin/node "\${NVS_HOME:-$mc_home/.nvs}"/node/*/*/bin/node \\
    "\${PROTO_HOME:-$mc_home/.proto}"/tools/node/*/bin/node "\${PNPM_HOME:-$mc_data/pnpm}"/nodejs/*/bin/node \\
    /opt/homebrew/bin/node /opt/homebrew/opt/node*/bin/node /usr/local/opt/node*/bin/node /home/linuxbrew/.linuxbrew/bin/node \\
    "$mc_home"/.nix-profile/bin/node /run/current-system/sw/bin/node \\
    "$mc_home"/.local/bin/node /usr/bin/node /usr/bin/nodejs /snap/bin/node
}

mc_try "$mc_node"
[ -n "$mc_found" ] || mc_try "$mc_a"
[ -n "$mc_found" ] || mc_managers
[ -n "$mc_found" ] || mc_path mc_nodes_in

mc_named=$mc_program
[ -f "$mc_program" ] || mc_program=$mc_beside
[ -f "$mc_program" ] || mc_take "\${mc_found%/bin/*}$mc_rest_of_path" ${besides(bin)}
[ -f "$mc_program" ] || mc_path mc_programs_in
[ -f "$mc_program" ] || mc_take "\${VOLTA_HOME:-$mc_home/.volta}/tools/image/packages/mc-pickup$mc_rest_of_path" \\
  "\${PNPM_HOME:-$mc_data/pnpm}"/global/*/node_modules/mc-pickup/bin/mc-pickup.js \\
  "$mc_home/.npm-global$mc_rest_of_path" "$mc_home/.npm-packages$mc_rest_of_path" "$mc_home/.local$mc_rest_of_path" \\
  "/usr/local$mc_rest_of_path" "/opt/homebrew$mc_rest_of_path" "/usr$mc_rest_of_path"
if [ ! -f "$mc_program" ]; then # installed with another Node
  mc_keep=$mc_found mc_best=0
  mc_managers
  mc_found=$mc_keep mc_program=$mc_beside
fi

if [ -n "$mc_found" ] && [ -f "$mc_program" ]; then
  # An agent does not tell: whoever runs the machine would not hear of it.
  if [ -z "$MC_RUN_ID" ] && [ "$mc_was" != "$mc_found:$mc_program" ]; then
    mc_gone=$mc_node
    [ "$mc_found" != "$mc_node" ] || mc_gone=$mc_named
    echo "mc-pickup: $mc_gone is gone or will not do, so $mc_found $mc_program is started from now on: run mc-pickup schedule install, which names it" >&2
    (umask 077 && set -C && printf '%s\\n' "$mc_found" "$mc_program" >"$mc_note.$$" && mv -f "$mc_note.$$" "$mc_note") 2>/dev/null
  fi
  mc_go "$mc_found" "$mc_program" "$@"
fi
if [ -z "$mc_found" ]; then
  mc_why="$mc_node is gone or too old, and no Node ${NEEDS.major}.${NEEDS.minor} or newer was found: install one, then run mc-pickup init with it"
else
  mc_why="the program $mc_named is gone, and was found neither with $mc_found nor on PATH: where it is now, run mc-pickup init"
fi
mc_keep() { # WORDS: an agent's report goes by file, and the next tick tells the board of it
  mc_is= mc_to= mc_said= mc_option=
  for mc_one; do
    case $mc_option:$mc_one in
      message:*) mc_said=$mc_one mc_option= ;;
      other:*) mc_option= ;;
      :--message) mc_option=message ;;
      :--message=*) mc_said=\${mc_one#*=} ;;
      :--state-dir | :--config) mc_option=other ;;
      :--help | :-h) return 1 ;;
      :-*) ;;
      *) if [ -z "$mc_is" ]; then mc_is=$mc_one; else mc_to=\${mc_to:-$mc_one}; fi ;;
    esac
  done
  case $mc_is:$mc_to in ${Object.keys(REPORTS)
    .map((one) => `report:${one}`)
    .join(' | ')}) ;; *) return 1 ;; esac
  [ -d "$MC_RUN_DIR/events" ] || return 1
  # Control characters go, as they would by the program, and what is beyond all that it takes; a quote and a line break are those of JSON.
  mc_said=$(LC_ALL=C && export LC_ALL && printf '%s' "$mc_said" | head -c 60000 |
    tr '\\t\\r' '  ' | tr -d '\\001-\\010\\013-\\037' | sed 's/["\\\\]/\\\\&/g' |
    awk 'NR > 1 { printf "\\\\n" } { printf "%s", $0 }')
  mc_name=$(date +%s)-$$
  (
    umask 077 && set -C && printf '{"report":"%s","message":"%s"}' "$mc_to" "$mc_said" >"$MC_RUN_DIR/events/.tmp.$mc_name" &&
      mv -f "$MC_RUN_DIR/events/.tmp.$mc_name" "$MC_RUN_DIR/events/${REPORT_EVENT}.$mc_name"
  ) || return 1
  echo "kept: $MC_TICKET_ID -> $mc_to; the board can't be told now ($mc_why), the next tick tells it: nothing more is to be done"
}
[ -z "$MC_RUN_ID" ] || ! mc_keep "$@" || exit 0
echo "mc-pickup: $mc_why" >&2
exit 78
`;
}

/** Where the same version manager has other versions: the path with \`*\` for what looks like a version, as words of the shell. */
function besides(path: string): string {
  const parts = path.split(/(v?\d+\.\d+(?:\.\d+)?[\w.+-]*)/);
  return parts.length === 1 ? '' : parts.map((part, n) => (n % 2 === 1 ? '*' : shellQuote(part))).join('');
}
