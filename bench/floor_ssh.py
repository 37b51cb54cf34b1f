"""The floor over SSH: paramiko by hand, as quick as it gets without any care for what goes wrong.

One connection per host with Nagle off, one channel per command, a bounded pool of threads; the same algorithms as
Runbook's. A script for itself, so that a floor pays for no import that it does not need:

    floor_ssh.py reads KEY KNOWN_HOSTS AT_ONCE COUNT ADDRESS...     a program so often on each host
    floor_ssh.py changes KEY KNOWN_HOSTS COUNT FILE ADDRESS         the work of a recorded change, so often
    floor_ssh.py output KEY KNOWN_HOSTS ADDRESS COMMAND             what a command writes, passed on as it comes
"""

from __future__ import annotations

import base64
import os
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import paramiko

KEX = ("curve25519-sha256@libssh.org",)
CIPHERS = ("aes128-gcm@openssh.com",)
USER = "deploy"
PROGRAM = "/usr/bin/true"
"""A program, as everybody runs it: the word `true` alone means the shell itself, which then starts nothing."""
CONNECT_TIMEOUT = 10

JOB = """
umask 077
jobs=$HOME/.local/state/bench/jobs; mkdir -p "$jobs"
job=$jobs/$1
mkdir "$job" || exit 73
echo true >"$job/intent"; echo open >"$job/status"
sync "$job/intent" "$job/status" "$job" "$jobs"
setsid -w timeout 60 /usr/bin/true >"$job/out" 2>"$job/err"
code=$?
echo "$code" >"$job/status.new"
sync "$job/status.new" "$job/out" "$job/err"
mv "$job/status.new" "$job/status"
sync "$job"
cat "$job/out"
cat "$job/err" >&2
exit "$code"
"""
"""What must be left on a host so that a change can be found again: a claim, an intent, output and exit status."""


class Host:
    """One connection."""

    def __init__(self, address: str, key: paramiko.PKey, known: bytes) -> None:
        wire = socket.create_connection((address, 22), CONNECT_TIMEOUT)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = paramiko.Transport(wire)
        options = self._transport.get_security_options()
        options.kex, options.ciphers = KEX, CIPHERS
        self._transport.start_client(timeout=15)
        if self._transport.get_remote_server_key().asbytes() != known:
            raise ValueError(f"{address} shows another key")
        self._transport.auth_publickey(USER, key)

    def run(self, command: str, take: Callable[[bytes], object] = len) -> int:
        """Run a command, give on what it writes, and return its exit status."""
        channel = self._transport.open_session(timeout=10)
        channel.exec_command(command)
        while data := channel.recv(65536):
            take(data)
        status = channel.recv_exit_status()
        channel.close()
        return status

    def close(self) -> None:
        """Give the connection up."""
        self._transport.close()


def reads(key: paramiko.PKey, known: bytes, at_once: int, count: int, addresses: list[str]) -> bool:
    """Run a program so often on every host; False if not all of them could be reached."""

    def one(address: str) -> bool:
        try:
            host = Host(address, key, known)
        except OSError as error:
            print(f"{address}: {error}", file=sys.stderr)
            return False
        done = all(host.run(PROGRAM) == 0 for _ in range(count))
        host.close()
        return done

    with ThreadPoolExecutor(at_once) as pool:
        return all(list(pool.map(one, addresses)))


def changes(key: paramiko.PKey, known: bytes, count: int, path: str, address: str) -> bool:
    """Change a host so often: is the program there, does its check hold, the change, its check again, two records."""
    host = Host(address, key, known)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def record(text: str) -> None:
        os.write(file, text.encode() + b"\n")
        os.fdatasync(file)

    good = True
    for number in range(count):
        good &= host.run("command -v /usr/bin/true") == 0
        good &= host.run(PROGRAM) == 0
        record(f'{{"intent":{number}}}')
        good &= host.run(f"sh -c '{JOB}' sh {os.getpid()}-{number}") == 0
        good &= host.run(PROGRAM) == 0
        record(f'{{"outcome":{number}}}')
    host.close()
    return good


def output(key: paramiko.PKey, known: bytes, address: str, command: str) -> bool:
    """Pass on what a command writes, and keep nothing of it."""
    host = Host(address, key, known)
    done = host.run(command, sys.stdout.buffer.write) == 0
    host.close()
    return done


def known_key(path: str, address: str) -> bytes:
    """Return the key under which a file knows a host; patterns end in a star here, and nowhere else."""
    with open(path) as file:
        for line in file:
            names, _kind, blob = line.split()[:3]
            if any(
                address == name or (name.endswith("*") and address.startswith(name[:-1])) for name in names.split(",")
            ):
                return base64.b64decode(blob)
    raise LookupError(address)


def main(words: list[str]) -> bool:
    """Do one of the two."""
    match words:
        case ["reads", identity, known, at_once, count, *addresses]:
            key = paramiko.Ed25519Key.from_private_key_file(identity)
            return reads(key, known_key(known, addresses[0]), int(at_once), int(count), addresses)
        case ["changes", identity, known, count, path, address]:
            key = paramiko.Ed25519Key.from_private_key_file(identity)
            return changes(key, known_key(known, address), int(count), path, address)
        case ["output", identity, known, address, command]:
            key = paramiko.Ed25519Key.from_private_key_file(identity)
            return output(key, known_key(known, address), address, command)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
