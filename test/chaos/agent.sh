#!/bin/sh
# The agent of the chaos campaign. Its ticket names what it does to the world ("chaos: WORD WORD ..."), one word after the other; the last
# word says how it ends. Everything stands under $CHAOS_OUT, which belongs to the campaign: what happened is counted there, and the files
# of a user that nobody may touch are below $CHAOS_OUT/precious.
set -u
out=$CHAOS_OUT
precious=$out/precious
run=$MC_RUN_DIR
own=$MC_PICKUP_STATE_DIR/own/$MC_RUN_ID
echo "$MC_RUN_ID $$" >>"$out/$MC_TICKET_ID.started"
words=${CHAOS_WORDS:-$(sed -n 's/.*chaos: *\([a-z -]*\).*/\1/p' "$MC_PROMPT_FILE" | head -n 1)}
git_dir=$(git rev-parse --absolute-git-dir)
trusted="run.json registered.json screen.txt output.log asked launch prompt.md after_create.log before_run.log"

work() {
  echo "work of $MC_RUN_ID" >>"work-$MC_TICKET_ID.txt"
  git add -A && git -c user.name=agent -c user.email=agent@localhost commit -qm "Work on $MC_TICKET_ID" >/dev/null
}
forever() { while :; do sleep 1; done; }

while [ -n "$words" ]; do
  word=${words%% *}
  case $words in *' '*) words=${words#* } ;; *) words= ;; esac
  echo "$MC_RUN_ID $word" >>"$out/$MC_TICKET_ID.did"
  case $word in
  link-events) rm -rf "$run/events" && ln -s "$precious" "$run/events" ;;
  link-state) rm -rf "$run/events" && ln -s "$MC_PICKUP_STATE_DIR" "$run/events" ;;
  link-run) # what it does to its directory from here on, it does where that is now
    mv "$run" "$out/moved-$MC_RUN_ID" && ln -s "$precious" "$run"
    run=$out/moved-$MC_RUN_ID
    ;;
  link-own) for name in $trusted; do ln -sf "$precious/work.txt" "$own/$name"; done ;;
  fifo-own) for name in $trusted; do rm -f "$own/$name" && mkfifo "$own/$name"; done ;;
  link-marks) for name in "$MC_PICKUP_STATE_DIR"/marks/*.json; do ln -sf "$precious/work.txt" "$name"; done ;;
  link-files) for name in $trusted; do ln -sf "$precious/work.txt" "$run/$name"; done ;;
  hard-link) for name in $trusted; do ln -f "$precious/work.txt" "$run/$name"; done ;;
  link-git) for name in mc-pickup-hook.json mc-pickup-after-create-done index.lock; do ln -sf "$precious/work.txt" "$git_dir/$name"; done ;;
  fifo-events) rm -f "$run/events/"* && mkfifo "$run/events/idle.fifo" "$run/events/busy.fifo" ;;
  fifo-files) for name in $trusted; do rm -f "$run/$name" && mkfifo "$run/$name"; done ;;
  fifo-git) for name in mc-pickup-hook.json mc-pickup-after-create-done HEAD ORIG_HEAD; do rm -f "$git_dir/$name" && mkfifo "$git_dir/$name"; done ;;
  fifo-worktree) rm -f .git && mkfifo .git ;;
  device) mknod "$run/events/busy.zero" c 1 5; rm -f "$run/prompt.md" && mknod "$run/prompt.md" c 1 5 ;;
  huge) for name in "$run/events/busy.huge" "$run/screen.txt" "$run/run.json" "$run/prompt.md"; do rm -f "$name" && truncate -s 20G "$name"; done ;;
  flood) i=0; while [ $i -lt 3000 ]; do : >"$run/events/busy.$i" && i=$((i + 1)); done ;;
  forge)
    for kind in idle busy waiting SessionStart Stop limit ready; do
      printf '{"session_id":"--dangerously-skip-permissions","question":"%s","turn":-1}' "$(printf 'x%.0s' 1 2 3)" | mc-event $kind
    done
    printf 'not json' >"$run/events/idle.forged"
    ;;
  unreadable) rm -rf "$run/events" && : >"$run/events" ;;
  note) # names another's agent as a hook that is past its time
    host=$(sed -n 's/.*"host_id":"\([^"]*\)".*/\1/p' "$MC_PICKUP_STATE_DIR"/marks/*.json | head -n 1)
    for other in "$out"/*.started; do
      pid=$(sed -n '$s/.* //p' "$other")
      [ "$pid" = $$ ] && continue
      start=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20) || continue
      [ -n "$start" ] || continue
      printf '{"host_id":"%s","boot_id":"%s","pid_ns":"%s","pid":%s,"pid_start":"%s","until_ms":1}' "$host" \
        "$(cat /proc/sys/kernel/random/boot_id)" "$(readlink /proc/self/ns/pid)" "$pid" "$start" >"$git_dir/mc-pickup-hook.json"
    done
    ;;
  plant) # programs that git starts by itself
    common=$(git rev-parse --path-format=absolute --git-common-dir)
    for hook in post-checkout post-index-change reference-transaction pre-push; do
      printf '#!/bin/sh\nenv >>"%s/planted.env"\nexit 0\n' "$out" >"$common/hooks/$hook" && chmod +x "$common/hooks/$hook"
    done
    ;;
  pane)
    pane=$(tmux -S "$MC_PICKUP_STATE_DIR/tmux.sock" list-panes -a -F '#{pane_id} #{pane_pid}' | sed -n "s/ $$\$//p")
    for option in '@mc_ticket x y' '@mc_run a|b' "@mc_ticket 'a
b'"; do tmux -S "$MC_PICKUP_STATE_DIR/tmux.sock" set-option -p -t "$pane" $option; done
    printf '\033]2;a|b|c%%1|1|0\033\\'
    ;;
  kill-server) tmux kill-server ;;
  commands) # on everybody else, and on the switch
    for other in "$out"/*.started; do
      id=$(basename "$other" .started)
      [ "$id" = "$MC_TICKET_ID" ] && continue
      mc-pickup stop "$id"
      mc-pickup ticket move "$id" done
      mc-pickup ticket move "$id" todo
      mc-pickup send "$id" 'stop at once'
      mc-pickup register "$(sed -n '$s/ .*//p' "$other")" $$
    done >"$out/commands.log" 2>&1
    mc-pickup killswitch on --reason mine >>"$out/commands.log" 2>&1
    mc-pickup clean --yes >>"$out/commands.log" 2>&1
    ;;
  shell) exec bash -c 'while :; do sleep 1; done' ;;
  sleep) exec sleep 1000 ;;
  fork) # the one that tmux knows ends, the same program goes on elsewhere
    words=${words:-stay}
    (trap '' HUP && CHAOS_WORDS=$words exec setsid "$0" </dev/null >/dev/null 2>&1) &
    while [ "$(grep -c "^$MC_RUN_ID " "$out/$MC_TICKET_ID.started")" -lt 2 ]; do sleep 0.05; done
    exit 0
    ;;
  left) setsid sleep 1000 </dev/null >/dev/null 2>&1 & ;;
  thread) exec "$CHAOS_THREAD" "$out/$MC_TICKET_ID.thread" ;;
  stop-self) kill -STOP $$ ;;
  noise) i=0; while [ $i -lt 20000 ]; do echo "line $i of noise" && i=$((i + 1)); done ;;
  dirty) echo "not committed by $MC_RUN_ID" >"unsaved-$MC_TICKET_ID.txt" ;;
  good)
    sleep "$(($$ % 3))"
    work && mc-pickup report review --message "Ready." >/dev/null
    echo "$?" >>"$out/$MC_TICKET_ID.reports"
    exit 0
    ;;
  ask) # a person answers; what has come of the answer is in the prompt of the next attempt, if this one does not get it
    answer=$(grep -o 'chaos answer [0-9]*' "$MC_PROMPT_FILE" | head -n 1)
    if [ -z "$answer" ]; then
      mc-pickup report needs-input --message "Which one?" >/dev/null
      mc-event idle </dev/null
      IFS= read -r answer || continue
      mc-event busy </dev/null
    fi
    echo "$answer" >>"$out/$MC_TICKET_ID.answered"
    work && mc-pickup report review --message "Answered." >/dev/null
    exit 0
    ;;
  held) while [ ! -e "$out/go" ]; do sleep 0.05; done ;;
  limit)
    echo '{"error":"rate_limit","last_assistant_message":"You have hit your limit"}' | mc-event StopFailure
    exit 1
    ;;
  login)
    echo '{"error":"authentication_failed","last_assistant_message":"Please run /login"}' | mc-event StopFailure
    exit 1
    ;;
  die) exit 7 ;;
  kill) kill -KILL $$ ;;
  stay) forever ;;
  esac
done
forever
