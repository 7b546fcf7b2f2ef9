#!/bin/sh
# tmux as the campaign gives it to a tick or a send: the plan beside it ("before:WORD", "after:WORD") ends the server by SIGKILL just before or
# after the first command with that word, once. The real one stands in the file "real".
here=$(dirname "$0")
real=$(cat "$here/real")
plan=$(cat "$here/plan" 2>/dev/null)
ends() {
  [ "${plan%%:*}" = "$1" ] || return 0
  case " $all " in *" ${plan#*:} "*) ;; *) return 0 ;; esac
  rm "$here/plan" 2>/dev/null || return 0
  pid=$("$real" -S "$MC_PICKUP_SOCKET" display-message -p '#{pid}' 2>/dev/null) || return 0
  kill -KILL "$pid" && echo "$plan" >>"$here/done"
}
all=$*
MC_PICKUP_SOCKET=$2
ends before
"$real" "$@"
code=$?
ends after
exit $code
