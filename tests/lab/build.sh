#!/bin/sh
# build.sh MMDEBSTRAP RELEASE SOURCES ROOT
# Makes the folder ROOT: the root file system that all hosts of the lab share, read-only. Packages come from SOURCES,
# an apt source list made of the machine's own, and from nowhere else. Nothing is installed on the machine itself.
#
# The hosts get no Python and no compiler: targets need neither. systemd-container and nftables serve the lab itself,
# which runs nspawn and nft out of this folder.
set -eu
mmdebstrap=$1 release=$2 sources=$3 root=$4
PATH=$(dirname "$mmdebstrap"):$PATH # its helper mmtarfilter lies beside it

"$mmdebstrap" --quiet --variant=minbase --format=directory --mode=root \
    --include=systemd,systemd-sysv,dbus,systemd-container,nftables,libfaketime \
    --include=openssh-server,sudo,git,procps,iproute2 \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    "$release" "$root" "$sources"
