"""The rows on this machine alone: the same work for Runbook, for the peer, and as plain as it can be done.

Owns what is compared with what, and which ratio is the goal. Leaves measuring to `measure`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from bench.material import OUTPUT, experiment, playbook, talkative_experiment
from bench.measure import Command, Place
from bench.peer import chaos
from bench.row import BENCH, PYTHON, Goal, Row, runbook

CHAIN = 1_000_000
AHEAD = Goal(1.0, "chaos")


def floor(*arguments: str, tells_time: bool = False) -> Command:
    """Return one call of a floor."""
    return Command((PYTHON, str(BENCH / "floor.py"), *arguments), "told" if tells_time else "process")


def rows() -> dict[str, Callable[[Place], Row]]:
    """Return how to make each row, by its short name and in the order of the table."""
    return {
        "version": _version,
        "validate-20": lambda place: _validate(place, 20),
        "validate-200": lambda place: _validate(place, 200),
        "reads-20": lambda place: _reads(place, 20),
        "reads-200": lambda place: _reads(place, 200),
        "dry": lambda place: _dry(place, "--dry=activities"),
        "dry-reads": lambda place: _dry(place, "--dry=actions", "--run-reads"),
        "output": _output,
        "append": lambda place: _append(place, 5_000, 1),
        "append-100": lambda place: _append(place, 100_000, 100),
        "verify": _verify,
    }


def _version(_: Place) -> Row:
    commands = {
        "runbook": runbook("--version"),
        "chaos": chaos("--version"),
        "floor": Command((PYTHON, "-c", "pass")),
    }
    return Row("`--version`", commands, "bare Python", (Goal(4.0, "floor"),), 31)


def _validate(place: Place, steps: int) -> Row:
    ours = str(playbook(place.folder, steps))
    commands = {
        "runbook": runbook("validate", ours),
        "chaos": chaos("validate", str(experiment(place.folder, steps))),
        "floor": floor("load", ours),
    }
    return Row(f"validate {steps} steps", commands, "YAML parser alone", (AHEAD,), 21)


def _reads(place: Place, steps: int) -> Row:
    commands = {
        "runbook": runbook("replay", str(playbook(place.folder, steps))),
        "chaos": chaos("run", "--journal-path", "chaos.json", str(experiment(place.folder, steps))),
        "floor": floor("popen", str(steps)),
    }
    return Row(f"{steps} local `true` steps", commands, "Popen loop", (AHEAD,))


def _dry(place: Place, theirs: str, *ours: str) -> Row:
    commands = {
        "runbook": runbook("rehearse", *ours, str(playbook(place.folder, 20))),
        "chaos": chaos("run", theirs, "--journal-path", "chaos.json", str(experiment(place.folder, 20))),
        **({"floor": floor("popen", "20")} if ours else {}),
    }
    name = "dry run, 20 local steps" + (", reads run" if ours else ", nothing run")
    return Row(name, commands, "Popen loop" if ours else "", (AHEAD,))


def _output(place: Place) -> Row:
    commands = {
        "runbook": runbook("exec", "--", *OUTPUT),
        "chaos": chaos("run", "--journal-path", "chaos.json", str(talkative_experiment(place.folder))),
        "floor": floor("output", *OUTPUT),
    }
    return Row("100,000 lines of output, local", commands, "Popen and read")


def _append(place: Place, count: int, block: int) -> Row:
    state = place.folder / f"append-{block}"
    ours = (PYTHON, str(BENCH / "journal.py"), "append", str(count), str(block), str(state))
    commands = {
        "runbook": Command(ours, "told"),
        "floor": floor("append", str(count), str(block), str(place.folder / "append.jsonl"), tells_time=True),
    }
    what = f"journal append, {count:,} durable records, " + (f"{block} at a time" if block > 1 else "one at a time")
    return Row(what, commands, "JSON, write, fdatasync", (Goal(1.3, "floor"),), 9)


def _verify(place: Place) -> Row:
    state = place.folder / "home/.local/state/runbook"
    make = (PYTHON, str(BENCH / "journal.py"), "chain", str(CHAIN), str(state))
    run = subprocess.run(make, capture_output=True, text=True, check=True).stdout.strip()
    commands = {
        "runbook": runbook("audit", "verify", run),
        "floor": floor("hash", str(state / "runs" / run / "journal.jsonl")),
    }
    return Row(f"verify a chain of {CHAIN:,} records", commands, "hash only", (Goal(3.0, "floor"),), 5)
