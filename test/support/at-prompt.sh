#!/bin/sh
# Claude Code as its terminal, its hooks and its session registry show it: one turn, in which it commits and reports, then an empty composer.
# Ctrl-C twice ends it there, other keys are a text. Each key is noted, in octal, and the option by which it got its session.
[ "$1" = --version ] && echo 9.9.9 && exit
mine=$MC_PICKUP_STATE_DIR/notes/$MC_TICKET_ID
mkdir -p "$MC_PICKUP_STATE_DIR/notes" "$HOME/.claude/sessions" "$HOME/.claude/projects/p"
case $1 in
--session-id) session=$2 ;;
--resume=*) session=${1#--resume=} ;;
esac
echo "${1%%=*} $session" >>"$mine.began"
level() {
  echo "{\"pid\":$$,\"status\":\"$1\",\"sessionId\":\"$session\"}" >"$HOME/.claude/sessions/$$.json"
}
tell() { echo "{\"session_id\":\"$session\",\"prompt\":\"p\"}" | mc-event "$1"; }
draw() { # the cursor stands behind the text
  printf '\033[2J\033[H\r\n\r\n----%s\033[2;1H\342\235\257\302\240%s' "$hint" "$text"
}
stty raw -echo
level busy
tell UserPromptSubmit
echo '{"type":"user","message":{"content":"p"}}' >>"$HOME/.claude/projects/p/$session.jsonl"
echo "work of $MC_RUN_ID" >>"work-$MC_TICKET_ID.txt"
git add -A && git -c user.name=agent -c user.email=agent@localhost commit -qm "Work on $MC_TICKET_ID"
mc-pickup report review --message done >/dev/null
text='' hint=''
draw
level idle
tell Stop
echo ready >>"$mine.ready"
while key=$(dd bs=1 count=1 2>/dev/null | od -An -to1 | tr -d ' ') && [ -n "$key" ]; do
  echo "$key" >>"$mine.keys"
  if [ "$key" != 003 ]; then text=$text$(printf "\\$key") hint=''
  elif [ -e "$mine.stubborn" ]; then continue
  elif [ -n "$text" ]; then text=''
  elif [ -z "$hint" ]; then hint=' again to exit'
  else exit 0; fi
  draw
done
