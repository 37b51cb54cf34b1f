"""The same work by Fabric, in its own environment: fabric_reads.py CONFIG AT_ONCE COUNT ADDRESS..."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from fabric import Config, Connection  # type: ignore[import-not-found]  # lives in an environment of its own


def main(path: str, at_once: str, count: str, *addresses: str) -> None:
    """Run a program so often on each host."""

    def one(address: str) -> None:
        # A configuration of its own: one for all threads does not work.
        with Connection(address, config=Config(runtime_ssh_path=path)) as connection:
            for _ in range(int(count)):
                connection.run("/usr/bin/true", hide=True, in_stream=False)

    with ThreadPoolExecutor(int(at_once)) as pool:
        list(pool.map(one, addresses))


if __name__ == "__main__":
    main(*sys.argv[1:])
