# What is asked of the job folders, the leases and the processes of a host, in POSIX sh. `remote.py` puts settings before
# it and a call behind it, and sends all of it to `sh -s` between braces: a text that was cut off does nothing.
#
# Settings: rb_key (job folder) or rb_mark (a command that reads), rb_sudo (1 or empty), and what a call takes.
# Answers are lines of a word and its value. The layout of a job folder stands in `wrapper.sh` and `folder.py`.

rb_say() { printf '%s\n' "$*"; }

# Sets rb_state, rb_parent, rb_session and rb_start of process $1; fails if there is none that lives.
rb_stat() {
  IFS= read -r rb_line <"/proc/$1/stat" || return 1
  set -- ${rb_line##*) }
  rb_state=$1 rb_parent=$2 rb_session=$4
  shift 19
  rb_start=$1
  case $rb_state in Z | X | x) return 1 ;; esac
}

rb_places() {
  case ${XDG_STATE_HOME:-} in
    /*) rb_disk=$XDG_STATE_HOME/runbook ;;
    *) rb_disk=${HOME:-/nonexistent}/.local/state/runbook ;;
  esac
  rb_user=
  while read -r rb_line rb_p rb_user rb_word; do [ "$rb_line" = Uid: ] && break; done </proc/self/status
  rb_memory=/dev/shm/runbook-${rb_user:-$(id -u)}
  rb_stat $$ && rb_own=$rb_session || rb_own=none
}

# Tells whether folder $1 is ours alone to write.
rb_ours() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] || return 1
  case $(ls -ld "$1") in ?????w* | ????????w*) return 1 ;; esac
}

# Sets rb_dir and rb_root; fails if there is no such job folder.
rb_find() {
  rb_root=$rb_disk
  [ -d "$rb_root/jobs/$rb_key" ] || {
    rb_root=$rb_memory
    [ -d "$rb_root/jobs/$rb_key" ] && rb_ours "$rb_root" || return 1
  }
  rb_dir=$rb_root/jobs/$rb_key
}

rb_boot_id() {
  rb_boot=
  IFS= read -r rb_boot </proc/sys/kernel/random/boot_id || rb_boot=$(sysctl -n kern.bootsessionuuid)
}

# Sets rb_status and rb_why; empty while the job is open.
rb_load_status() {
  read -r rb_status rb_why <"$rb_dir/status" || rb_status=
  case $rb_status in '' | *[!0-9]*) rb_status= rb_why= ;; esac
}

# Reads the folder, and says by what the members of the job are known.
rb_load() {
  rb_load_status
  rb_wpid= rb_wstart= rb_wsid= rb_helpers=
  read -r rb_wpid rb_wstart rb_wsid rb_helpers <"$rb_dir/process" || rb_wpid=
  rb_began=
  IFS= read -r rb_began <"$rb_dir/boot"
  rb_boot_id
  [ -z "$rb_began" ] || [ "$rb_began" = "$rb_boot" ] || rb_anew=1
  case $(cat "$rb_dir/intent") in *'"sudo":true'*) rb_sudo=1 ;; esac
  rb_cookies="RUNBOOK_JOB=$rb_dir/"
  rb_sids= rb_spare=
  if rb_wraps; then
    rb_spare=$rb_wpid
    [ "$rb_wsid" = 0 ] || rb_sids=$rb_wsid
  elif [ "$rb_wpid" ] && ! rb_stat "$rb_wpid" && [ "$rb_wsid" != 0 ]; then
    # Nobody has its number: so its session cannot be somebody else's.
    rb_sids=$rb_wsid
  fi
}

rb_wraps() { [ "$rb_wpid" ] && rb_stat "$rb_wpid" && [ "$rb_start" = "$rb_wstart" ]; }

rb_add() {
  case " $$ $rb_spare $rb_helpers $rb_pids " in
    *" $1 "*) ;;
    *) rb_pids="$rb_pids $1" rb_more=1 ;;
  esac
}

# Sets rb_pids: all that lives of the job, by session, cookie and ancestry, without the wrapper and its helpers.
rb_members() {
  rb_pids=
  if [ ! -r /proc/self/stat ]; then
    for rb_p in $(ps -A -o pid= -o ppid= -o pgid= -o stat= | awk -v sids=" $rb_sids " '
      $4 !~ /^Z/ { parent[$1] = $2; group[$1] = $3 }
      END { do { more = 0
          for (p in parent) if (!(p in mine) && (index(sids, " " group[p] " ") || (parent[p] in mine))) { mine[p]; more = 1 }
        } while (more)
        for (p in mine) print p }'); do
      kill -0 "$rb_p" && rb_add "$rb_p"
    done
    return
  fi
  for rb_p in $(printf '%s\n' "$rb_cookies" | grep -lsFf - /proc/[0-9]*/environ); do
    rb_p=${rb_p#/proc/}
    rb_p=${rb_p%/environ}
    rb_stat "$rb_p" && rb_add "$rb_p"
  done
  rb_more=1
  while [ "$rb_more" ]; do
    rb_more=
    for rb_p in /proc/[0-9]*; do
      rb_p=${rb_p#/proc/}
      rb_stat "$rb_p" || continue
      case " $rb_helpers " in *" $rb_parent "*) continue ;; esac
      case " $rb_sids $rb_own" in *" $rb_session "*) rb_add "$rb_p"; continue ;; esac
      case "$rb_pids " in *" $rb_parent "*) rb_add "$rb_p" ;; esac
    done
  done
}

# Tells whether any of rb_pids still lives: cheaper than a look at all processes.
rb_any() {
  for rb_p in $rb_pids; do
    if [ -r /proc/self/stat ]; then rb_stat "$rb_p"; else kill -0 "$rb_p"; fi && return 0
  done
  return 1
}

# Sets rb_sids and rb_cookies to all that carries the mark of a command that reads.
rb_seek() {
  rb_cookies="RUNBOOK_JOB=$rb_mark/" rb_sids= rb_spare= rb_helpers= rb_dir=
  for rb_p in $(printf '%s\n' "$rb_mark" | grep -lsFf - /proc/[0-9]*/cmdline /proc/[0-9]*/environ); do
    rb_p=${rb_p#/proc/}
    rb_stat "${rb_p%%/*}" && [ "$rb_session" != "$rb_own" ] && rb_sids="$rb_sids $rb_session"
  done
}

rb_name() {
  rb_name=$(tr '\0\n' '  ' <"/proc/$1/cmdline" || ps -o args= -p "$1")
  rb_name="$1 ${rb_name% }"
}

rb_living() {
  for rb_p in $rb_pids; do
    rb_name "$rb_p"
    rb_say living "$rb_name"
  done
}

# Sends signal $1 to all of rb_pids, and says so.
rb_signal() {
  rb_refused=
  for rb_p in $rb_pids; do
    rb_name "$rb_p"
    rb_say evidence "sent $1 to $rb_name"
    kill "-$1" "$rb_p" && continue
    rb_stat "$rb_p" || continue
    [ "$rb_sudo" ] || rb_say evidence "may not end $rb_name: it belongs to another user"
    rb_refused="$rb_refused $rb_p"
  done
  [ "$rb_refused" ] && [ "$rb_sudo" ] && rb_root_kill "$1" $rb_refused
}

rb_root_kill() {
  rb_name=$1
  shift
  if [ "$rb_password" ]; then
    printf '%s\n' "$rb_password" | sudo -S -k -p '' -- kill "-$rb_name" "$@"
  else
    sudo -n -- kill "-$rb_name" "$@"
  fi
}

rb_nap() { sleep "0.$1" || sleep 1; }

# Ends all members: TERM, two seconds of grace, KILL, and a last look.
rb_end() {
  rb_members
  rb_signal TERM
  for rb_i in 02 05 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1; do
    rb_any || rb_members
    [ "$rb_pids" ] || return 0
    rb_nap $rb_i
  done
  rb_members
  for rb_i in 02 05 1 1 1 1 1 1 1; do
    [ "$rb_pids" ] || return 0
    rb_signal KILL
    rb_nap $rb_i
    rb_members
  done
}

rb_verdict() {
  if [ "$rb_pids" ]; then
    rb_living
    rb_say verdict alive
  else
    rb_say evidence "looked again: nothing of it lives"
    rb_say verdict dead
  fi
}

# A job that ended by itself may have left a service behind on purpose: that is told, not killed.
rb_after() {
  rb_members
  if [ "$rb_pids" ]; then
    rb_say evidence "the job had ended; what it left running was not touched"
    rb_living
    rb_say verdict alive
  else
    rb_say evidence "the job had ended"
    rb_say verdict dead
  fi
}

rb_await() {
  for rb_i in 02 05 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1; do
    rb_wraps || return 0
    rb_nap $rb_i
  done
}

# --- calls --------------------------------------------------------------------------------------------------------

rb_do_look() {
  rb_find || {
    # What was sent over a connection that broke may be on its way to the shell still.
    [ "$rb_patient" ] && rb_nap 3 && rb_find
  } || {
    rb_purged && return
    rb_cookies="RUNBOOK_JOB=$rb_disk/jobs/$rb_key/
RUNBOOK_JOB=$rb_memory/jobs/$rb_key/"
    rb_sids= rb_spare= rb_helpers=
    rb_members
    rb_boot_id
    rb_say boot "$rb_boot"
    rb_say folder none
    rb_living
    return
  }
  rb_ours "$rb_root" || rb_say foreign "$rb_root"
  rb_anew=
  rb_load
  [ "$rb_status" ] || [ "$rb_anew" ] || {
    rb_wraps && rb_say wrapper "$rb_wpid" || { rb_members; rb_living; }
    rb_load_status
  }
  rb_say folder "$rb_dir"
  [ "$rb_status" ] && rb_say status "$rb_status" "${rb_why:-exit}"
  [ "$rb_anew" ] && rb_say anew 1
  [ "$rb_wpid" ] && rb_say begun 1
  rb_say age "$(($(date +%s) - $(stat -c %Y "$rb_dir/boot" || stat -f %m "$rb_dir/boot")))"
  rb_say size "$(wc -c <"$rb_dir/out") $(wc -c <"$rb_dir/err")"
}

# Says who of an ended job still lives.
rb_do_left() {
  rb_find || return 0
  rb_load
  rb_members
  rb_living
}

rb_do_kill() {
  rb_find || {
    rb_cookies="RUNBOOK_JOB=$rb_disk/jobs/$rb_key/
RUNBOOK_JOB=$rb_memory/jobs/$rb_key/"
    rb_sids= rb_spare= rb_helpers= rb_wpid=
    rb_end
    rb_verdict
    return
  }
  rb_anew=
  rb_load
  if [ "$rb_anew" ]; then
    rb_say evidence "the machine was started anew since: nothing of the job can live"
    rb_say verdict dead
    return
  fi
  [ "$rb_status" ] && { rb_after; return; }
  # Before the look at `process`: a wrapper that has not begun yet sees this, and does not begin.
  set -C
  if printf '' >"$rb_dir/over"; then
    set +C
    printf 'cancel\n' >"$rb_dir/over"
    rb_load
  else
    set +C
    rb_word=
    read -r rb_word <"$rb_dir/over"
    [ "$rb_word" = exit ] && { rb_await; rb_load; rb_after; return; }
  fi
  rb_end
  rb_await
  if rb_wraps; then
    if [ "$rb_wsid" = 0 ]; then
      rb_say evidence "process $rb_wpid does it itself, and goes on"
      rb_say verdict alive
      return
    fi
    rb_say evidence "its wrapper did not end by itself"
    rb_spare= rb_helpers=
    rb_end
  fi
  rb_verdict
}

# Follows the output of a job from the offsets rb_from_out and rb_from_err, for about rb_seconds.
rb_do_follow() {
  rb_find || { rb_say runbook-job refused none; return; }
  rb_load
  rb_say runbook-job started
  # What was forgotten reads as nothing; a redirection that fails would end the shell.
  [ -f "$rb_dir/out" ] && exec 5<"$rb_dir/out" || exec 5</dev/null
  [ -f "$rb_dir/err" ] && exec 6<"$rb_dir/err" || exec 6</dev/null
  [ "$rb_from_out" = 0 ] || tail -c "+$((rb_from_out + 1))" <&5
  [ "$rb_from_err" = 0 ] || tail -c "+$((rb_from_err + 1))" <&6 >&4
  rb_left=$((rb_seconds * 15 + 1)) rb_end=
  while [ -z "$rb_end" ]; do
    rb_load_status
    if [ "$rb_status" ]; then
      rb_end=$rb_why
    elif ! rb_wraps; then
      rb_load_status
      rb_end=${rb_why:-gone}
    elif [ $((rb_left -= 1)) -lt 0 ]; then
      rb_end=open
    fi
    # After the look: what was written before the end is passed on in any case.
    cat <&5 && cat <&6 >&4 || return
    [ "$rb_end" ] || rb_nap 05
  done
  printf 'runbook-job ended %s %s\n' "${rb_status:-0}" "$rb_end" >&4
}

rb_do_output() {
  rb_find || return 0
  cat "$rb_dir/out"
  cat "$rb_dir/err" >&4
}

# Takes the place of a job that never began, so that it never will.
rb_do_fence() {
  rb_find && { rb_say fence taken; return; }
  umask 077
  rb_boot_id
  for rb_root in "$rb_disk" "$rb_memory"; do
    rb_dir=$rb_root/jobs/$rb_key
    mkdir -p "$rb_root/jobs" && rb_ours "$rb_root" && mkdir "$rb_dir" || { rb_find && break; continue; }
    printf '%s\n' "$rb_intent" >"$rb_dir/intent"
    printf '%s\n' "$rb_boot" >"$rb_dir/boot"
    printf '' >"$rb_dir/out"
    printf '' >"$rb_dir/err"
    printf '%-15s\n' '126 refused' >"$rb_dir/status" || continue
    rb_say fence made
    return
  done
  rb_find && rb_say fence taken || rb_say fence failed
}

# Removes what the jobs named in the lines of rb_keys have printed, if they left a status.
rb_do_forget() {
  printf '%s\n' "$rb_keys" | while IFS= read -r rb_key; do
    rb_find || continue
    rb_load_status
    [ "$rb_status" ] && rm -f "$rb_dir/out" "$rb_dir/err" "$rb_dir/survivors"
  done
}

# Says how a job ended whose folder was removed since; fails if it was not.
rb_purged() {
  for rb_root in "$rb_disk" "$rb_memory"; do
    rb_ours "$rb_root" || continue
    rb_line=$(grep -sF "$rb_key " "$rb_root/jobs/.purged" | while read -r rb_name rb_status rb_why; do
      [ "$rb_name" = "$rb_key" ] && rb_say "$rb_status $rb_why"
    done)
    [ "$rb_line" ] || continue
    rb_say folder "$rb_root/jobs/$rb_key"
    rb_say status "${rb_line%%
*}"
    return
  done
  return 1
}

# Removes folders whose status is older than rb_days, never one without. How each ended is kept, on a line of its own:
# without it a run that rests for long would take the job for one that never began.
rb_do_purge() {
  umask 077
  for rb_root in "$rb_disk" "$rb_memory"; do
    rb_ours "$rb_root" || continue
    find "$rb_root/jobs" -name status -mtime "+$rb_days" -type f | while IFS= read -r rb_p; do
      rb_dir=${rb_p%/status}
      [ "${rb_dir%/*}" = "$rb_root/jobs" ] || continue
      rb_load_status
      # Renamed first: a folder that is half removed must not look like a job without a status.
      [ "$rb_status" ] && rb_say "${rb_dir##*/} $rb_status ${rb_why:-exit}" >>"$rb_root/jobs/.purged" &&
        mv "$rb_dir" "$rb_root/jobs/.gone-$$" && rm -rf "$rb_root/jobs/.gone-$$" &&
        rb_say purged "${rb_dir##*/}"
    done
  done
}

rb_do_end_read() {
  rb_seek
  rb_end
  rb_verdict
}

rb_do_left_read() {
  rb_seek
  rb_members
  rb_living
}

# Ends a command that reads after rb_seconds, should nobody be there to do it. Leaves at once; what it starts looks every
# few seconds whether there still is something to end.
rb_do_guard_read() {
  (
    exec 4>&- >/dev/null 2>&1
    rb_left=$rb_seconds
    while [ "$rb_left" -gt 0 ]; do
      rb_seek
      rb_members
      [ "$rb_pids" ] || exit 0
      [ "$rb_left" -gt 5 ] && rb_part=5 || rb_part=$rb_left
      sleep "$rb_part"
      rb_left=$((rb_left - rb_part))
    done
    rb_seek
    rb_end
  ) &
}

# Says how sudo lets this login through: at all, for single commands, or with a password. `-v` asks for all at once.
rb_do_sudo() {
  if ! command -v sudo >/dev/null; then
    rb_say sudo none
  elif sudo -n -v; then
    rb_say sudo free
  elif LC_ALL=C sudo -n -l | grep -q NOPASSWD; then
    rb_say sudo narrow
  else
    rb_say sudo password
  fi
}

rb_do_sudo_try() {
  if printf '%s\n' "$rb_password" | sudo -S -k -p '' -v; then
    rb_say sudo right
  else
    rb_say sudo wrong
  fi
}

# Sets rb_machine to a word for this machine that outlives its restart: several may share one home.
rb_name_machine() {
  rb_line= rb_word=
  IFS= read -r rb_line </etc/machine-id
  IFS= read -r rb_word </proc/sys/kernel/hostname || rb_word=$(uname -n)
  rb_machine=$rb_line.$rb_word
  case $rb_machine in *[!A-Za-z0-9.-]*) rb_machine=$(rb_say "$rb_machine" | tr -cd 'A-Za-z0-9.-') ;; esac
}

# Takes the lease rb_head TIME rb_middle MACHINE rb_tail for rb_host, or says who holds it. Of two that come at once
# under two names both may be refused, but never both be let in: each looks for the other after its own claim.
rb_do_lease() {
  umask 077
  rb_boot_id
  rb_say boot "$rb_boot"
  rb_name_machine
  rb_held && return
  rb_twin && return
  for rb_root in "$rb_disk" "$rb_memory"; do
    rb_draft=$rb_root/leases/.new-$$-$rb_mark
    rb_text=$rb_head$(date -u +%Y-%m-%dT%H:%M:%SZ)$rb_middle$rb_machine$rb_tail
    mkdir -p "$rb_root/leases" && rb_ours "$rb_root" && printf '%s\n' "$rb_text" >"$rb_draft" &&
      { sync "$rb_draft" || sync; } || { rm -f "$rb_draft"; continue; }
    if ln "$rb_draft" "$rb_root/leases/host-$rb_host"; then
      rm -f "$rb_draft"
      rb_mine=$rb_root/leases/host-$rb_host
      rb_twin && { rm -f "$rb_mine"; return; }
      sync "${rb_mine%/*}" || sync
      rb_say taken "$rb_text"
      return
    fi
    rm -f "$rb_draft"
    rb_held && return
  done
  rb_say failed "$rb_disk/leases"
}

# Says who holds this machine, under any name; takes nothing.
rb_do_holder() {
  rb_boot_id
  rb_name_machine
  rb_held || rb_twin
}

rb_held() {
  for rb_root in "$rb_disk" "$rb_memory"; do
    rb_p=$rb_root/leases/host-$rb_host
    [ -e "$rb_p" ] && { [ "$rb_root" = "$rb_disk" ] || rb_ours "$rb_root"; } || continue
    rb_say held "$(cat "$rb_p")"
    return
  done
  return 1
}

# Says which other run holds this machine under another name.
rb_twin() {
  for rb_root in "$rb_disk" "$rb_memory"; do
    for rb_p in "$rb_root/leases/host-"*; do
      [ "$rb_p" != "$rb_root/leases/host-$rb_host" ] && IFS= read -r rb_line <"$rb_p" || continue
      case $rb_line in
        *"$rb_run"*) ;;
        *"\"machine\":\"$rb_machine\""*) rb_ours "$rb_root" && rb_say held "$rb_line" && return ;;
      esac
    done
  done
  return 1
}

rb_do_refresh() {
  for rb_root in "$rb_disk" "$rb_memory"; do
    [ -e "$rb_root/leases/host-$rb_host" ] && touch -c "$rb_root/leases/host-$rb_host"
  done
}

# Takes the lease away that holds rb_run; one that changed hands meanwhile goes back. With rb_days it cleans up before.
rb_do_release() {
  [ "${rb_days-}" ] && rb_do_purge
  for rb_root in "$rb_disk" "$rb_memory"; do
    rb_p=$rb_root/leases/host-$rb_host
    rb_aside=$rb_root/leases/.old-$$-$rb_mark
    case $(cat "$rb_p") in *"$rb_run"*) mv "$rb_p" "$rb_aside" || continue ;; *) continue ;; esac
    case $(cat "$rb_aside") in *"$rb_run"*) ;; *) ln "$rb_aside" "$rb_p" ;; esac
    rm -f "$rb_aside"
  done
}

# Lists the jobs whose names begin with rb_prefix and that hold no status.
rb_do_unfinished() {
  for rb_root in "$rb_disk" "$rb_memory"; do
    for rb_dir in "$rb_root/jobs/$rb_prefix"*; do
      [ -d "$rb_dir" ] || continue
      rb_load_status
      [ "$rb_status" ] && continue
      rb_say job "${rb_dir##*/}"
      rb_say intent "$(cat "$rb_dir/intent")"
    done
  done
}

# Lists all jobs whose names begin with rb_prefix: the status of each, or nothing, and then its intent.
rb_do_jobs() {
  for rb_root in "$rb_disk" "$rb_memory"; do
    rb_ours "$rb_root" || continue
    for rb_dir in "$rb_root/jobs/$rb_prefix"*; do
      [ -f "$rb_dir/intent" ] || continue
      rb_load_status
      rb_say status "$rb_status${rb_status:+ ${rb_why:-exit}}"
      rb_say intent "$(cat "$rb_dir/intent")"
    done
  done
}

exec 4>&2 2>/dev/null </dev/null
rb_anew=
rb_places
