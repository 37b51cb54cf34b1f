"""The control program of the supervised services: `ctl show|start|stop|restart UNIT`, `ctl logs UNIT [-n N]`.

Owns the client's side of the supervisor's socket and nothing else. It runs as a script of its own, isolated and without
site packages, so it must not import anything of Runbook: it is asked often, and starts in a few milliseconds.

    ctl [list | show UNIT | start UNIT | stop UNIT | restart UNIT | logs UNIT [-n N] | detach | shutdown]

Exit status: 0 done, 1 failed, 2 usage, 5 no such unit. `show` of an unknown unit says LoadState=not-found and exits 0,
like systemctl(1).
"""

import os
import sys

# Not by way of `socket`, which takes as long to import as an interpreter to start.
from _socket import AF_UNIX, SOCK_STREAM, socket

SOCKET = "ctl.sock"
PATIENCE = 60.0
ALONE = ("list", "detach", "shutdown")
WITH_UNIT = ("show", "start", "stop", "restart")
USAGE = "usage: ctl list | show UNIT | start UNIT | stop UNIT | restart UNIT | logs UNIT [-n N] | detach | shutdown"


def request(words: list[str]) -> str | None:
    """Turn the arguments into the one line of a request; None if they make no sense."""
    if any(not word or word.split() != [word] for word in words):
        return None
    match words:
        case [verb] if verb in ALONE:
            return verb
        case [verb, unit] if verb in WITH_UNIT:
            return f"{verb} {unit}"
        case ["logs", unit]:
            return f"logs {unit} 50"
        case ["logs", unit, "-n", number] | ["logs", "-n", number, unit] if number.isdecimal() and number.isascii():
            return f"logs {unit} {number}"
    return None


def ask(folder: str, line: str) -> bytes:
    """Send one request to the supervisor of `folder` and return its whole answer."""
    # A relative name: the full one may be longer than a socket address can hold.
    os.chdir(folder)
    link = socket(AF_UNIX, SOCK_STREAM)
    try:
        link.settimeout(PATIENCE)
        link.connect(SOCKET)
        link.sendall(line.encode() + b"\n")
        answer = b""
        while part := link.recv(65536):
            answer += part
    finally:
        link.close()
    return answer


def main(arguments: list[str]) -> int:
    """Ask, print the answer and return the exit status."""
    folder, words = arguments[0], arguments[1:]
    line = request(words)
    if line is None:
        sys.stderr.write(USAGE + "\n")
        return 2
    try:
        status, _, text = ask(folder, line).partition(b"\n")
        code = int(status)
    except OSError as error:
        sys.stderr.write(f"ctl: the supervisor does not answer: {error}\n")
        return 1
    except ValueError:
        sys.stderr.write("ctl: the supervisor ended before it answered\n")
        return 1
    (sys.stderr if code else sys.stdout).buffer.write(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
