"""The floors: the least that anybody must do for the same work, as plain as it can be written.

A script for itself, so that a floor pays for no import that it does not need:

    floor.py popen N · output COUNT · load FILE · hash FILE · append COUNT BLOCK FILE
"""

from __future__ import annotations

import sys


def popen(count: int) -> None:
    """Start `true` so often, one after the other."""
    import subprocess

    for _ in range(count):
        subprocess.run(["true"], stdin=subprocess.DEVNULL, capture_output=True, check=True)


def output(*argv: str) -> None:
    """Read all that a command writes."""
    import subprocess

    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        while child.stdout.read(65536):
            pass


def load(path: str) -> None:
    """Parse a YAML file and do nothing with it."""
    import yaml

    with open(path, "rb") as file:
        yaml.load(file, yaml.CSafeLoader)


def hash_only(path: str) -> None:
    """Hash every line of a chained file, as any proof of it must."""
    import hashlib

    sha256 = hashlib.sha256
    with open(path, "rb") as file:
        for line in file:
            sha256(line[:-1]).hexdigest()


def append(count: int, block: int, path: str) -> None:
    """Write records as JSON lines, `block` of them in one write and one sync; print the seconds."""
    import json
    import os
    import time

    from bench.material import RECORD

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
    sync = getattr(os, "fdatasync", os.fsync)
    shell = {"v": 1, "run": "bench", "log": "bench", "prev": "0" * 64, "time": "2026-01-01T00:00:00.000000Z"}
    begun = time.perf_counter()
    for first in range(0, count, block):
        lines = [
            encode({**shell, **RECORD, "seq": number, "mono": number}) + "\n" for number in range(first, first + block)
        ]
        os.write(descriptor, "".join(lines).encode())
        sync(descriptor)
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["popen", count]:
            popen(int(count))
        case ["output", *argv]:
            output(*argv)
        case ["load", path]:
            load(path)
        case ["hash", path]:
            hash_only(path)
        case ["append", count, block, path]:
            append(int(count), int(block), path)
        case _:
            sys.exit(__doc__)
