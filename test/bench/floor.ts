/*
 * The floor of a dispatch: what tmux and git take for the same launches, out of a plain shell script without a board, a
 * claim, a prompt or a registration. Its commands are those of a tick (see `child_commands` of the row `dispatch-1`).
 *
 * `in turn`: one after the other. `side by side`: the reads of all launches at once, then one `git worktree add` after the other,
 * since git does not run it twice at a time in one repository without failures (it reads the half-made entries of the others: "failed
 * to read .git/worktrees/MC-9/commondir"), each pane in the background as soon as it has its worktree.
 */
import type { Case } from './cases.ts';
import type { Command } from './measure.ts';

export type FloorKind = 'in turn' | 'side by side' | 'side by side, with Node';

/** What one launch runs, the way `commands` of a traced tick names it. */
export const FLOOR_COMMANDS = [
  'git for-each-ref',
  'git worktree add',
  'tmux list-panes',
  'tmux start-server',
] as const;

const FUNCTIONS = `
export GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 LC_ALL=C
common=$repo/.git
mkdir -p "$trees"
reads() {
  git -C "$common" for-each-ref '--format=%(refname)%00%(committerdate:unix)%00%(objectname)%00%(worktreepath)' -- \\
    refs/remotes/origin/main refs/heads/main "refs/heads/mc/MC-$1" "refs/heads/mc/MC-$1-*"
}
tree() {
  git -C "$common" worktree add --no-track -b "mc/MC-$1-launch-number-$1" -- "$trees/MC-$1" refs/heads/main
}
pane() {
  if [ -e "$socket" ]; then tmux -S "$socket" -f /dev/null list-panes -a -F '#{session_id}|#{pane_id}'; fi
  tmux -S "$socket" -f /dev/null start-server ';' set-option -g exit-empty off ';' \\
    set-option -g remain-on-exit on ';' set-option -g update-environment '' ';' \\
    set-option -g history-limit 20000 ';' new-session -d -P -F '#{session_id}|#{pane_id}|#{pane_pid}|#{pid}' \\
    -s "MC-$1" -x 200 -y 50 -c "$trees/MC-$1" -- sleep 3600 ';' \\
    set-option -p -t "=MC-$1:" @mc_run "MC-$1" ';' set-option -p -t "=MC-$1:" @mc_ticket "MC-$1"
}
`;

const SCRIPTS: Readonly<Record<FloorKind, string>> = {
  'in turn': `i=0
while [ $((i += 1)) -le "$count" ]; do reads $i; tree $i; pane $i; done >/dev/null 2>&1
`,
  'side by side': `i=0
while [ $((i += 1)) -le "$count" ]; do reads $i & done >/dev/null 2>&1
wait
i=0
while [ $((i += 1)) -le "$count" ]; do tree $i; pane $i & done >/dev/null 2>&1
wait
`,
  // A launcher that no tick answers registers its agent by a Node program.
  'side by side, with Node': `i=0
while [ $((i += 1)) -le "$count" ]; do reads $i & done >/dev/null 2>&1
wait
i=0
while [ $((i += 1)) -le "$count" ]; do tree $i; { pane $i; "$node" -e 0; } & done >/dev/null 2>&1
wait
`,
};

export function floorCommand(kind: FloorKind, { repo, places, env }: Case, count: number): Command {
  const values = [
    `repo=${repo}`,
    `trees=${places.worktrees}/demo`,
    `socket=${places.socket}`,
    `count=${count}`,
    `node=${process.execPath}`,
  ];
  const script = `set -u\numask 077\n${values.join('\n')}\n${FUNCTIONS}${SCRIPTS[kind]}`;
  return { file: '/bin/sh', args: ['-c', script], env };
}
