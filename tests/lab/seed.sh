#!/bin/sh
# seed.sh ROOT: turn a fresh root file system into a host of the lab. Keys, names and addresses come later, per host.
set -eu
root=$1

# deploy: what a release account of an operations team may do, and no more. dora: everything, with a password.
chroot "$root" useradd --create-home --shell /bin/bash deploy
chroot "$root" useradd --create-home --shell /bin/bash dora
chroot "$root" usermod --password '*' deploy # no password, but not locked: sshd without PAM refuses locked ones
echo 'dora:correct horse' | chroot "$root" chpasswd
cat > "$root/etc/sudoers.d/lab" <<'END'
deploy ALL=(root) NOPASSWD: /usr/bin/systemctl, /usr/bin/journalctl, /usr/sbin/ldconfig
dora ALL=(ALL) ALL
END
chmod 440 "$root/etc/sudoers.d/lab"

for home in root home/deploy home/dora; do
    mkdir -p "$root/$home/.ssh"
    chmod 700 "$root/$home/.ssh"
    chown --reference="$root/$home" "$root/$home/.ssh"
done

mkdir -p "$root/etc/ssh/sshd_config.d"
cat > "$root/etc/ssh/sshd_config.d/lab.conf" <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
MaxStartups 500:30:1000
MaxSessions 200
PrintMotd no
END
rm -f "$root"/etc/ssh/ssh_host_*

# A service that keeps a trace of each start: its configuration, as it was read then.
mkdir -p "$root/opt/order" "$root/etc/systemd/system/multi-user.target.wants"
echo 'pool: 20' > "$root/opt/order/order.yaml"
cat > "$root/usr/local/bin/order-service" <<'END'
#!/bin/sh
# Reads its configuration once and refuses to start with a pool of nought, as a real service would.
pool=$(sed -n 's/^pool: //p' /opt/order/order.yaml)
[ "${pool:-0}" -gt 0 ] || { echo "no connection in the pool: $pool" >&2; exit 78; }
echo "$pool" >> /var/log/order-service.starts
echo "serving with $pool connections"
exec sleep infinity
END
chmod 755 "$root/usr/local/bin/order-service"
cat > "$root/etc/systemd/system/order-service.service" <<'END'
[Unit]
Description=Order service
[Service]
ExecStart=/usr/local/bin/order-service
Restart=on-failure
RestartSec=200ms
[Install]
WantedBy=multi-user.target
END
ln -s ../order-service.service "$root/etc/systemd/system/multi-user.target.wants/order-service.service"

# There is no hardware, no clock to set and no network to configure. systemd-logind stays: a reboot needs it.
for unit in \
    systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket \
    systemd-modules-load.service systemd-sysctl.service systemd-timesyncd.service systemd-networkd.service \
    systemd-resolved.service systemd-remount-fs.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service getty.target console-getty.service nftables.service \
    dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-fs-fuse-connections.mount sys-kernel-config.mount proc-sys-fs-binfmt_misc.automount \
    e2scrub_reap.service e2scrub_all.timer apt-daily.timer apt-daily-upgrade.timer fstrim.timer dpkg-db-backup.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n' > "$root/etc/systemd/journald.conf.d/lab.conf"
: > "$root/etc/machine-id"
echo 'nameserver 127.0.0.1' > "$root/etc/resolv.conf"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
