"""How a host is: load, memory and disk, by psutil on this machine and by /proc (proc(5)) and df over a connection."""

from __future__ import annotations

from runbook.ports.health import Health

# Words out: a name and its values. It is read whole before it runs, and ends by itself.
SCRIPT = rb"""{
exec 2>/dev/null
read -r load _ </proc/loadavg && echo "load $load $(grep -c '^cpu[0-9]' /proc/stat)"
while read -r name kib _; do
case $name in MemTotal:) echo "total $kib" ;; MemAvailable:) echo "free $kib" ;; esac
done </proc/meminfo
df -Pk / | { read -r _; read -r _ all _ free _; echo "disk $all $free"; }
exit 0
}
"""

MOST = 4096
"""Bytes of an answer that are read."""


def health_of(said: bytes) -> Health | None:
    """Read the answer to SCRIPT; None where a host does not tell all of it."""
    words = [line.split() for line in said[:MOST].decode("ascii", "replace").splitlines()]
    found = {line[0]: line[1:] for line in words if line}
    try:
        load, cores = found["load"]
        disk, disk_free = found["disk"]
        return Health(
            load=float(load),
            cores=max(int(cores), 1),
            memory_free=int(found["free"][0]) * 1024,
            memory=int(found["total"][0]) * 1024,
            disk_free=int(disk_free) * 1024,
            disk=int(disk) * 1024,
        )
    except (KeyError, ValueError, IndexError):
        return None


def health_here() -> Health:
    """Look at this machine; takes a few milliseconds."""
    import psutil

    memory = psutil.virtual_memory()
    disk = psutil.disk_usage("/")
    return Health(
        load=psutil.getloadavg()[0],
        cores=psutil.cpu_count() or 1,
        memory_free=memory.available,
        memory=memory.total,
        disk_free=disk.free,
        disk=disk.total,
    )
