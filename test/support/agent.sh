#!/bin/sh
# A scripted agent for the demonstration and the tests: it reads its prompt, really edits and commits in its
# worktree, and reports. What it does is named in the ticket as "behave: WORD". Everything it does is noted under
# $MC_PICKUP_STATE_DIR/notes, so that what really happened can be counted afterwards.
set -u
notes=$MC_PICKUP_STATE_DIR/notes
mkdir -p "$notes"
echo "$MC_RUN_ID $$" >>"$notes/$MC_TICKET_ID.started"
behave=$(sed -n 's/.*behave: *\([a-z-]*\).*/\1/p' "$MC_PROMPT_FILE" | head -n 1)
behave=${behave:-${MC_BEHAVE:-}}

work() {
  echo "work of $MC_RUN_ID" >>"work-$MC_TICKET_ID.txt"
  git add -A && git -c user.name=agent -c user.email=agent@localhost commit -qm "Work on $MC_TICKET_ID"
  echo "committed as $(git rev-parse --short HEAD)"
}
hold() { # until the file appears, asleep at a pipe; the bound is the caller's, who ends this process
  file=$notes/$MC_TICKET_ID.$1
  [ -p "$file.pipe" ] || mkfifo "$file.pipe"
  exec 3<>"$file.pipe"
  echo "$1" >>"$notes/$MC_TICKET_ID.holding"
  while [ ! -e "$file" ]; do IFS= read -r _ <&3; done
  exec 3<&-
}
review() {
  work && mc-pickup report review --message "Ready for review."
  echo "report: exit $?" >>"$notes/$MC_TICKET_ID.reports"
}

# "behave: WORD, when told": first of all it waits for that.
if grep -q 'behave: [a-z-]*, when told' "$MC_PROMPT_FILE"; then hold told; fi
case $behave in
review) review ;;
hold) hold go && review ;;
stay) review && hold never ;;
ask)
  mc-pickup report needs-input --message "Which colour shall the button have?"
  mc-event idle </dev/null
  IFS= read -r answer
  mc-event busy </dev/null
  echo "$answer" >>"$notes/$MC_TICKET_ID.answers"
  review
  ;;
die) echo "out of luck" && exit 7 ;;
die-talking)
  i=0
  while [ $i -lt 60 ]; do echo "thought $i" && i=$((i + 1)); done
  echo "out of words" && exit 7
  ;;
die-once)
  if [ ! -e "$notes/$MC_TICKET_ID.died" ]; then
    : >"$notes/$MC_TICKET_ID.died"
    echo "the first attempt fails" && exit 7
  fi
  review
  ;;
blocked) mc-pickup report blocked --message "The API key is missing." ;;
silent) hold never ;;
deaf) # outlives its terminal
  trap '' HUP
  exec >/dev/null 2>&1
  : >"$notes/$MC_TICKET_ID.deaf"
  hold never
  ;;
wander) # goes to work in another directory
  hold wander
  cd "$(cat "$notes/$MC_TICKET_ID.where")" && : >"$notes/$MC_TICKET_ID.wandered"
  hold never
  ;;
*) echo "no behaviour named in the prompt" && exit 64 ;;
esac
