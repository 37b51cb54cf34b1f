"""The health of this machine, for the third column of a very wide run.

Other hosts are not asked: nothing runs there that no step has asked for.
"""

from __future__ import annotations

from runbook.tui.presenter.host import Health


def local_health() -> Health:
    """Look at load, memory and disk of this machine (psutil); takes a few milliseconds."""
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
