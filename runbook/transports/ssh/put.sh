# Replaces a file by what comes on standard input, in POSIX sh; runs under the job wrapper, as the login or through sudo.
# Arguments: path, mode or nothing, a word that nobody can know. The stream ends with `WORD SIZE SHA256`, 98 bytes: a
# stream that was cut off has no such end, and the file stays as it is. Exit status 65 and 66: it was not replaced.
set -u
path=$1 mode=$2 word=$3
no_link() { if [ -L "$path" ]; then echo 'it is a symbolic link' >&2; exit 65; fi; }
no_link
if [ -e "$path" ] && [ ! -f "$path" ]; then echo 'it is no regular file' >&2; exit 65; fi
case $path in '' | */) echo 'it is no name of a file' >&2; exit 65 ;; esac
umask 077
new=$(mktemp "$(dirname -- "$path")/.runbook-XXXXXXXX") || exit 66
trap 'rm -f -- "$new"' EXIT
trap 'exit 67' HUP INT TERM
owner() { ls -ldn -- "$1" | { read -r _ _ user group _; echo "$user:$group"; }; }
if [ -e "$path" ]; then
  cp -p -- "$path" "$new" || exit 66
  if [ "$(owner "$path")" != "$(owner "$new")" ]; then
    echo 'it belongs to somebody else, and would not any more: Operation not permitted' >&2
    exit 66
  fi
  # Writing takes the setuid bit away, so the mode is set again at the end.
  kept=$(stat -c %a -- "$path" 2>/dev/null || stat -f %Lp -- "$path" 2>/dev/null)
  chmod u+w "$new"
else
  chmod 644 "$new" || exit 66
fi
cat >"$new" || exit 66
end=$(tail -c 98 "$new" | tr -d '\0')
set -- $end
if [ $# != 3 ] || [ "$1" != "$word" ]; then echo 'the stream was cut off' >&2; exit 66; fi
size=$(printf %s "$2" | sed 's/^0*//')
size=${size:-0}
if [ "$(wc -c <"$new")" -ne $((size + 98)) ]; then echo 'the stream was cut off' >&2; exit 66; fi
dd if=/dev/null of="$new" bs=1 seek="$size" count=0 2>/dev/null || exit 66
if command -v sha256sum >/dev/null; then
  sum=$(sha256sum <"$new")
  if [ "${sum%% *}" != "$3" ]; then echo 'what arrived is not what was sent' >&2; exit 66; fi
fi
mode=${mode:-${kept:-}}
if [ "$mode" ]; then chmod "$mode" "$new" || exit 66; fi
sync "$new" 2>/dev/null || sync
no_link
mv -f -- "$new" "$path" || exit 66
sync "$(dirname -- "$path")" 2>/dev/null || sync
