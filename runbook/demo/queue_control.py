"""The control program of the embedded queues: what Runbook's `embedded` driver runs on the target.

Owns the command line and nothing else. It is run without site packages and starts in a few hundredths of a second; each
call is one transaction. A queue that is not this one can offer the same words.

    CONTROL show QUEUE... [MEANT]...                              state and counters of queues
    CONTROL ids QUEUE --count N [--after POSITION] [MEANT]...      ids, oldest first; never bodies
    CONTROL move SOURCE DESTINATION --batch NAME --sha256 HEX     ids as a JSON list on standard input
    CONTROL batch NAME [--ids]                                    what became of a batch
    CONTROL account PREFIX                                        where the messages of batches are now

MEANT is `--where HEADER=PATTERN`, `--max-age SECONDS` or `--until POSITION`. The answer is one JSON object.
Exit status: 0 done, 1 failed and nothing changed, 2 usage, 5 no such queue.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

from runbook.demo.queue import NoQueue, QueueError, Store
from runbook.demo.queue_move import Answer, Wanted, account, ids, move, outcome, show

USAGE = "usage: CONTROL show QUEUE... | ids QUEUE --count N | move FROM TO --batch NAME | batch NAME | account PREFIX"
_NO_VALUE = "--ids"
_KNOWN = {"--where", "--max-age", "--until", "--after", "--count", "--batch", "--sha256"}


class Usage(Exception):
    """The arguments make no sense."""


def split(words: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Part the arguments into plain words and options with their values."""
    plain: list[str] = []
    options: dict[str, list[str]] = {}
    rest = iter(words)
    for word in rest:
        if word == _NO_VALUE:
            options[word] = [""]
        elif word in _KNOWN:
            value = next(rest, None)
            if value is None:
                raise Usage(f"{word} needs a value")
            options.setdefault(word, []).append(value)
        elif word.startswith("-"):
            raise Usage(f"unknown option {word}")
        else:
            plain.append(word)
    return plain, options


def meant(options: dict[str, list[str]]) -> Wanted:
    """Read which messages are meant."""
    pairs = [pair.partition("=") for pair in options.get("--where", [])]
    if any(not name or not sign for name, sign, _ in pairs):
        raise Usage("--where wants HEADER=PATTERN")
    found = Wanted({name: pattern for name, _, pattern in pairs}, float(options.get("--max-age", ["0"])[-1]))
    if options.get("--until", [""])[-1]:
        found = found._replace(until=int(options["--until"][-1]))
    return found._replace(after=int(options.get("--after", [""])[-1] or "0"))


def obey(store: Store, words: list[str]) -> Answer:
    """Do what the arguments say and return the answer."""
    plain, options = split(words)
    match plain:
        case ["show", _, *_]:
            return {"queues": [show(store, queue, meant(options)) for queue in plain[1:]]}
        case ["ids", queue] if "--count" in options:
            return ids(store, queue, int(options["--count"][-1]), meant(options))
        case ["move", source, destination] if "--batch" in options and source != destination:
            payload, digest = sys.stdin.buffer.read(), options.get("--sha256", [""])[-1]
            return move(store, source, destination, options["--batch"][-1], payload, digest)
        case ["batch", name]:
            return outcome(store, name, every=_NO_VALUE in options)
        case ["account", prefix]:
            return account(store, prefix)
        case _:
            raise Usage("not understood")


def main(arguments: list[str]) -> int:
    """Obey, print the answer and return the exit status."""
    try:
        store = Store(Path(arguments[0]), "write" if arguments[1:2] == ["move"] else "read")
        answer = obey(store, arguments[1:])
        store.close()
    except NoQueue as error:
        sys.stderr.write(f"queue: {error}\n")
        return 5
    except (QueueError, sqlite3.Error, OSError) as error:
        sys.stderr.write(f"queue: {error}\n")
        return 1
    except (Usage, ValueError) as error:
        sys.stderr.write(f"queue: {error}\n{USAGE}\n")
        return 2
    sys.stdout.write(json.dumps(answer, ensure_ascii=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
