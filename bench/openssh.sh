#!/bin/sh
# The same work by the OpenSSH client: one connection per host, kept by a ControlMaster where there is more to do.
#
#   openssh.sh CONFIG FOLDER AT_ONCE COUNT ADDRESS...    /usr/bin/true so often on each host
set -eu
config=$1 folder=$2 at_once=$3 count=$4
shift 4
# shellcheck disable=SC2016 - the inner shell expands it
printf '%s\n' "$@" | xargs -P "$at_once" -I ADDRESS sh -c '
    socket=$2/$4
    if [ "$3" = 1 ]; then exec ssh -n -F "$1" "$4" /usr/bin/true; fi
    ssh -n -F "$1" -M -S "$socket" -f -N "$4"
    n=0
    while [ "$n" -lt "$3" ]; do
        ssh -n -F "$1" -S "$socket" "$4" /usr/bin/true || exit
        n=$((n + 1))
    done
    ssh -n -F "$1" -S "$socket" -O exit "$4" 2>/dev/null
' sh "$config" "$folder" "$count" ADDRESS
