# The job wrapper, POSIX sh. `wrapper.py` puts its settings and the function rb_command before this text, puts all of it
# between braces and sends it to `sh -s`: a text that was cut off anywhere is a syntax error, and nothing of it runs.
#
# Settings: rb_key, rb_intent (one line, masked), rb_timeout and rb_ceiling (seconds, with and without a
# fraction), rb_stdin (in the notation of printf %b), rb_feed (1: that; 2: the standard input itself; or empty), rb_sudo,
# rb_password (for sudo, or empty), rb_stream (1 or empty), rb_dir (claimed by the caller, else empty), rb_lease (the file
# name of the claim of this run, a space, and what stands in it alone; or empty). On fd 1 it first says one line, `runbook-job started
# ...` or `runbook-job refused WHY`; if it streams, the last line on fd 2 is `runbook-job ended EXIT WHY`.

rb_say() { printf 'runbook-job %s\n' "$*" >&3; }

# Sets rb_state, rb_parent, rb_session and rb_start of process $1; fails if there is none (proc(5): the name may hold anything,
# so fields are counted from the last parenthesis).
rb_stat() {
  IFS= read -r rb_line <"/proc/$1/stat" || return 1
  set -- ${rb_line##*) }
  rb_state=$1 rb_parent=$2 rb_session=$4
  shift 19
  rb_start=$1
}

rb_identify() {
  if rb_stat $$; then
    # A session that is not our own holds strangers: then only the cookie tells who belongs to the job.
    [ "$rb_session" = $$ ] && rb_sid=$$ || rb_sid=0
    IFS= read -r rb_boot </proc/sys/kernel/random/boot_id
  else
    set -- $(LC_ALL=C ps -o lstart= -p $$)
    rb_start=$1_$2_$3_$4_$5 rb_sid=$$
    rb_boot=$(sysctl -n kern.bootsessionuuid)
  fi
  rb_born=$rb_start
}

# Tells whether the wrapper lives; its number may have passed on to another process.
rb_wraps() {
  if [ -r /proc/self/stat ]; then
    rb_stat $$ && [ "$rb_start" = "$rb_born" ] && case $rb_state in Z | X | x) return 1 ;; esac
  else
    kill -0 $$
  fi
}

# Claims the folder below $1; the mkdir decides who is first.
rb_claim() {
  [ -d "$1/jobs" ] || mkdir -p "$1/jobs" || return 1
  rb_dir=$1/jobs/$rb_key
  mkdir "$rb_dir" || return 1
  if printf '%s\n' "$rb_intent" >"$rb_dir/intent" && printf '%s\n' "$rb_boot" >"$rb_dir/boot" &&
    printf '%-15s\n' open >"$rb_dir/status" && printf '' >"$rb_dir/out" && printf '' >"$rb_dir/err"; then
    # The claim must be there after a power loss, too. Where sync takes no names it writes all, which also does.
    sync "$rb_dir/intent" "$rb_dir/status" "$rb_dir" "$1/jobs" || sync
    return 0
  fi
  rm -rf "$rb_dir"
  return 1
}

# Sets rb_umask and rb_user, where the kernel tells them: a program less for each (proc(5), Umask since Linux 4.7).
rb_look_at_self() {
  rb_umask= rb_user=
  while read -r rb_line rb_p rb_word rb_rest; do
    case $rb_line in Umask:) rb_umask=$rb_p ;; Uid:) rb_user=$rb_word; return ;; esac
  done </proc/self/status
}

rb_claim_somewhere() {
  case ${XDG_STATE_HOME:-} in
    /*) rb_disk=$XDG_STATE_HOME/runbook ;;
    *) rb_disk=${HOME:-/nonexistent}/.local/state/runbook ;;
  esac
  rb_memory=/dev/shm/runbook-${rb_user:-$(id -u)}
  for rb_dir in "$rb_disk/jobs/$rb_key" "$rb_memory/jobs/$rb_key"; do
    [ -d "$rb_dir" ] && { rb_say refused claimed; exit 73; }
  done
  rb_store=disk
  rb_claim "$rb_disk" && return
  [ -d "$rb_dir" ] && { rb_say refused claimed; exit 73; }
  rb_store=memory
  # Anybody may write beside it: it must be a folder, no link, and ours.
  [ -d /dev/shm ] && { mkdir "$rb_memory" || { [ ! -L "$rb_memory" ] && [ -O "$rb_memory" ]; }; } &&
    rb_claim "$rb_memory" && return
  [ -d "$rb_dir" ] && { rb_say refused claimed; exit 73; }
  rb_say refused "no place for the job folder: $rb_disk"
  exit 75
}

# Tells whether the run still holds the target. Asked once the folder stands: whoever took the claim over before sees no
# more of this job, and whoever does so later finds the folder.
rb_holds() {
  [ "$rb_lease" ] || return 0
  for rb_p in "$rb_disk" "$rb_memory"; do
    IFS= read -r rb_line <"$rb_p/leases/${rb_lease%% *}" || continue
    case $rb_line in *"${rb_lease#* }"*) return 0 ;; esac
  done
  return 1
}

rb_add() {
  case " $$ $rb_self ${rb_follower:-} ${rb_asker:-} $rb_pids " in *" $1 "*) ;; *) rb_pids="$rb_pids $1" ;; esac
}

# Sets rb_pids: all that lives of the job, without the wrapper and its own children.
rb_members() {
  rb_pids=
  if [ -r /proc/self/stat ]; then
    for rb_p in /proc/[0-9]*; do
      rb_stat "${rb_p#/proc/}" || continue
      case $rb_state in Z | X | x) continue ;; esac
      [ "$rb_parent" = "${rb_follower:-none}" ] && continue
      [ "$rb_session" = "$rb_sid" ] && rb_add "${rb_p#/proc/}"
    done
    for rb_p in $(grep -lsF "RUNBOOK_JOB=$rb_dir/" /proc/[0-9]*/environ); do
      rb_p=${rb_p#/proc/}
      rb_add "${rb_p%/environ}"
    done
  else
    for rb_p in $(ps -A -o pid= -o ppid= -o pgid= -o stat= | awk -v me=$$ '
      $4 !~ /^Z/ { parent[$1] = $2; group[$1] = $3 }
      END { do { more = 0
          for (p in parent) if (!(p in in_job) && (group[p] == me || (parent[p] in in_job))) { in_job[p]; more = 1 }
        } while (more)
        for (p in in_job) print p }'); do
      kill -0 "$rb_p" && rb_add "$rb_p"
    done
  fi
}

# Tells whether any of rb_pids still lives: cheaper than a look at all processes.
rb_any() {
  for rb_p in $rb_pids; do
    if [ -r /proc/self/stat ]; then
      rb_stat "$rb_p" && case $rb_state in Z | X | x) ;; *) return 0 ;; esac
    else
      kill -0 "$rb_p" && return 0
    fi
  done
  return 1
}

rb_signal() {
  kill "-$1" $rb_pids || {
    if [ "$rb_password" ]; then
      printf '%s\n' "$rb_password" | sudo -S -k -p '' kill "-$1" $rb_pids
    elif [ "$rb_sudo" ]; then
      sudo -n kill "-$1" $rb_pids
    fi
  }
}

rb_nap() { sleep "0.$1" || sleep 1; }

# Ends the whole job: TERM, two seconds of grace, KILL, and a last look.
rb_end() {
  rb_members
  [ "$rb_pids" ] && rb_signal TERM
  for rb_i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
    rb_any || rb_members
    [ "$rb_pids" ] || return 0
    rb_nap 1
  done
  rb_members
  for rb_i in 1 2 3 4 5 6 7 8 9 10; do
    [ "$rb_pids" ] || return 0
    rb_signal KILL
    rb_nap 1
    rb_members
  done
  for rb_p in $rb_pids; do
    printf '%s %s\n' "$rb_p" "$(tr '\0' ' ' <"/proc/$rb_p/cmdline" || ps -o args= -p "$rb_p")"
  done >"$rb_dir/survivors"
}

# Decides, once and for all, why the job is over: whoever makes the file first. Fails for all others.
rb_over() {
  set -C
  printf '' >"$rb_dir/over"
  rb_won=$?
  set +C
  # The word is for readers; on a full disk the name alone must do.
  [ $rb_won = 0 ] && printf '%s\n' "$1" >"$rb_dir/over"
  return $rb_won
}

# Tells whether it is decided why the job is over, and by whom it was brought there: who cancels may be gone before
# all has ended, so that the time limit holds on.
rb_settled() {
  [ -f "$rb_dir/over" ] || return 1
  rb_line=
  IFS= read -r rb_line <"$rb_dir/over"
  [ "$rb_line" != cancel ]
}

# Sleeps $1 seconds and returns the status of `sleep`; ends with the job if that is over.
rb_doze() {
  LC_ALL=C sleep "$1" &
  # A TERM that came before the trap stood is lost; then this tells of it.
  rb_settled && kill -9 $! && exit 0
  wait $!
  rb_slept=$?
  rb_reaped=$!
  return $rb_slept
}

rb_watch() {
  # With exec: a redirection of the function would keep copies, and the caller would not see the wrapper's end.
  exec 3>&- 4>&-
  rb_reaped=
  # KILL, since a child that has just been forked would still catch TERM as this shell does, and forget it.
  trap '[ "$!" = "$rb_reaped" ] || kill -9 $!; exit 0' TERM
  rb_self=
  rb_stat self && rb_self=${rb_line%% *}
  # In few parts, since each is a little late; between them it looks whether there still is something to watch.
  rb_gone=0 rb_part=$((rb_ceiling / 64))
  [ $rb_part -ge 5 ] || rb_part=5
  while [ $((rb_ceiling - rb_gone)) -gt $rb_part ]; do
    rb_doze $rb_part || exit 0
    rb_gone=$((rb_gone + rb_part))
    # Whoever killed the wrapper outright may have left the job, which then still has its time limit.
    rb_wraps || { rb_members; [ "$rb_pids" ] || exit 0; }
  done
  rb_doze "$((${rb_timeout%.*} - rb_gone)).${rb_timeout#*.}"
  case $? in
    0) ;;
    1 | 2) rb_doze $((rb_ceiling - rb_gone)) || exit 0 ;; # a sleep that takes whole seconds only
    *) exit 0 ;;
  esac
  trap '' TERM
  # Where somebody has removed the folder nobody can have decided: the time limit holds all the same.
  if rb_over timeout; then
    printf '' >"$rb_dir/over.timeout"
  elif rb_settled; then
    exit 0
  fi
  rb_end
  # Without a place for the file that tells of it.
  [ -d "$rb_dir" ] || exit 3
}

# Copies what is new to the caller; fd 5 and 6 keep their place in the files across all that read them. Most commands
# leave one of them empty, and a program less is felt.
rb_pass() {
  { [ -e /dev/fd/5 ] && [ ! -s /dev/fd/5 ]; } || cat <&5 >&3 || return 1
  { [ -e /dev/fd/6 ] && [ ! -s /dev/fd/6 ]; } || cat <&6 >&4
}

rb_follow() {
  rb_last= rb_napping= rb_part=0.05
  trap 'rb_last=1' TERM
  # A TERM that came before the trap stood is lost; then the status tells of the end.
  while [ -z "$rb_last" ] && rb_wraps && IFS= read -r rb_line <"$rb_dir/status" && [ -z "${rb_line##open*}" ]; do
    rb_pass || exit 0
    # A TERM that came meanwhile would interrupt no wait.
    [ "$rb_last" ] && break
    sleep $rb_part 3>&- 4>&- &
    rb_napping=$!
    wait $rb_napping
    case $? in 1 | 2) rb_part=1 ;; esac # a sleep that takes whole seconds only
    [ "$rb_last" ] || rb_napping=
  done
  # It must neither outlive this nor look like a part of the job.
  [ "$rb_napping" ] && kill -9 $rb_napping && wait $rb_napping
  # A wrapper that was killed outright can neither end this nor pass on the rest.
  rb_wraps || rb_pass
}

rb_run() {
  exec 3>&- 4>&- 5<&- 6<&- >>"$rb_dir/out" 2>>"$rb_dir/err"
  [ "$rb_umask" ] && umask "$rb_umask"
  rb_command
}

[ "$rb_feed" = 2 ] && exec 7<&0
exec 3>&1 4>&2 5</dev/null 6</dev/null </dev/null >/dev/null 2>&1
# Caught, not ignored: what is ignored here would be ignored by the command as well.
trap : HUP INT TERM PIPE
rb_identify
rb_store=disk rb_umask=
if [ -z "$rb_dir" ]; then
  rb_look_at_self
  [ "$rb_umask" ] || rb_umask=$(umask)
  umask 077
  rb_claim_somewhere
  rb_holds || {
    rm -rf "$rb_dir"
    rb_say refused unclaimed
    exit 73
  }
fi

rb_follower=
rb_watch &
rb_watcher=$!
if [ "$rb_stream" ]; then
  exec 5<"$rb_dir/out" 6<"$rb_dir/err"
  rb_follow &
  rb_follower=$!
fi
rb_asker=
[ "$rb_password" ] && rb_answer "$rb_dir"
# Whoever cancels first makes `over` and then reads `process`; here it is the other way round, so one sees the other.
printf '%s\n' "$$ $rb_start $rb_sid $rb_watcher $rb_follower $rb_asker" >"$rb_dir/process" || {
  # Nobody could find the job again: then it had better not begin.
  kill "$rb_watcher" $rb_follower $rb_asker
  rb_say refused "the job folder cannot be written: $rb_dir"
  exit 75
}
rb_say "started pid=$$ start=$rb_start session=$rb_sid store=$rb_store"

if [ -f "$rb_dir/over" ]; then
  rb_exit=143
elif [ "$rb_feed" = 2 ]; then
  (rb_run) <&7
  rb_exit=$?
elif [ "$rb_feed" ]; then
  printf %b "$rb_stdin" | (rb_run)
  rb_exit=$?
else
  (rb_run)
  rb_exit=$?
fi

[ "$rb_asker" ] && { kill "$rb_asker"; rm -f "$rb_ask"; }
rb_why=exit
if rb_over exit; then
  kill "$rb_watcher"
else
  # If it is ending the rest it ignores this, and will be done in a few seconds.
  kill "$rb_watcher"
  wait "$rb_watcher"
  if [ $? = 3 ] || [ -f "$rb_dir/over.timeout" ]; then
    rb_why=timeout
  # Where somebody has removed the folder nobody can have cancelled it.
  elif [ -d "$rb_dir" ]; then
    rb_why=cancel
  fi
  # Of what was ended something may be left, and nobody else there to end it.
  rb_self=$$
  [ $rb_why = exit ] || rb_end
fi
# In place, in one write: no other program is needed, and a disk that the command has filled still takes it.
printf '%-15s\n' "$rb_exit $rb_why" 1<>"$rb_dir/status"
if [ "$rb_stream" ]; then
  sync "$rb_dir/status" "$rb_dir" || sync
  kill "$rb_follower"
  wait "$rb_follower"
  rb_pass
  printf 'runbook-job ended %s %s\n' "$rb_exit" "$rb_why" >&4
  exit "$rb_exit"
fi
exit 0
