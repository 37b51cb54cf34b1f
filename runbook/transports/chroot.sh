# Files of a root that is mounted somewhere, handled with the tools of this machine: `chroot.py` sends it to `sh -c`.
#
# Arguments: the root; `follow` or `stay`; how many words of the command come before its paths; the command. Every later word
# that begins with / is a path of the root: it is replaced by the place on this machine that a process inside of the root would
# find there. Links are followed here, one by one, so that none leads out of the root, wherever it points.
# `stay`: a link at the end of a path is left as it is. `follow`: it becomes a link of ours, in a folder of our own, that leads to
# where it leads inside of the root; so a tool sees what it would see inside, a link and what lies behind it.

# Sets rb_at: where path $1 leads in the root, without a slash at its end; $2: follow a link at its end, too, or stay.
rb_resolve() {
  rb_rest=$1 rb_at= rb_left=40
  while :; do
    while [ "${rb_rest#/}" != "$rb_rest" ]; do rb_rest=${rb_rest#/}; done
    [ "$rb_rest" ] || return 0
    rb_part=${rb_rest%%/*}
    case $rb_rest in
      */*) rb_rest=/${rb_rest#*/} ;;
      *) rb_rest= ;;
    esac
    case $rb_part in
      .) continue ;;
      ..) rb_at=${rb_at%/*}; continue ;;
    esac
    if [ -L "$rb_root$rb_at/$rb_part" ] && { [ "$rb_rest" ] || [ "$2" = follow ]; }; then
      rb_left=$((rb_left - 1))
      if [ "$rb_left" = 0 ]; then echo "$1: too many levels of symbolic links" >&2; exit 65; fi
      # The mark behind it keeps line breaks at the end of a name.
      rb_to=$(readlink "$rb_root$rb_at/$rb_part" && echo x) || exit 66
      rb_to=${rb_to%?x}
      case $rb_to in /*) rb_at= ;; esac
      rb_rest=$rb_to$rb_rest
    else
      rb_at=$rb_at/$rb_part
    fi
  done
}

# Sets rb_found: the place of path $1 on this machine.
rb_find() {
  rb_resolve "$1" stay
  rb_found=$rb_root${rb_at:-/}
  if [ "$rb_links" = follow ] && [ -L "$rb_found" ]; then
    rb_name=${rb_at##*/}
    rb_resolve "$1" follow
    rb_number=$((rb_number + 1))
    [ "$rb_folder" ] || rb_folder=$(mktemp -d "${TMPDIR:-/tmp}/runbook-XXXXXXXX") || exit 66
    mkdir "$rb_folder/$rb_number" && ln -s "$rb_root${rb_at:-/}" "$rb_folder/$rb_number/$rb_name" || exit 66
    rb_found=$rb_folder/$rb_number/$rb_name
  fi
}

rb_root=${1%/} rb_links=$2 rb_before=$3
shift 3
rb_folder= rb_number=0 rb_turn=0 rb_count=$#
trap '[ -z "$rb_folder" ] || rm -rf -- "$rb_folder"' EXIT
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
while [ $rb_turn -lt $rb_count ]; do
  rb_word=$1
  shift
  rb_turn=$((rb_turn + 1))
  if [ $rb_turn -gt $rb_before ]; then
    case $rb_word in
      /*) rb_find "$rb_word"; rb_word=$rb_found ;;
    esac
  fi
  set -- "$@" "$rb_word"
done
if [ -z "$rb_folder" ]; then exec "$@"; fi
"$@"
