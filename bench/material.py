"""What is worked on: playbooks and experiments that ask for the same work, and one record of a journal."""

from __future__ import annotations

import json
from pathlib import Path

LINES = 100_000
OUTPUT = ("seq", "-f", "line %07g of what a talkative command writes to its output", str(LINES))

RECORD = {
    "type": "StepFinished",
    "code": "step.finished",
    "step": "restart",
    "target": "app-17.example.com",
    "attempt": 1,
    "data": {"status": "succeeded", "dispatched": True, "exit": 0, "ms": 1234, "values": {"changed": True}},
}


def playbook(folder: Path, steps: int) -> Path:
    """Write a playbook of so many local `true` steps that only read."""
    path = folder / f"reads-{steps}.yaml"
    head = [
        "schema: runbook/v1",
        f"id: {path.stem}",
        f"title: Run true {steps} times",
        "summary: The same work for everybody.",
        "steps:",
    ]
    body = [f"  - {{id: s{number}, command: ['true'], effect: read}}" for number in range(steps)]
    path.write_text("\n".join([*head, *body]) + "\n")
    return path


def remote_playbook(folder: Path, steps: int, at_once: int, effect: str) -> Path:
    """Write a playbook of so many steps on the group `fleet`, each of which runs one program."""
    path = folder / f"{effect}s-{steps}.yaml"
    head = [
        "schema: runbook/v1",
        f"id: {path.stem}",
        f"title: Run true {steps} times",
        "summary: The same work for everybody.",
        f"defaults: {{parallel: {at_once}}}",
        "targets:",
        '  all: {hosts: "group:fleet"}',
        "steps:",
    ]
    more = "" if effect == "read" else ", verify: [{command: [/usr/bin/true]}], undo: {none: 'it changes nothing'}"
    body = [f"  - {{id: s{number}, command: [/usr/bin/true], effect: {effect}{more}}}" for number in range(steps)]
    path.write_text("\n".join([*head, *body]) + "\n")
    return path


def experiment(folder: Path, steps: int) -> Path:
    """Write a Chaos Toolkit experiment of so many process probes that run `true`."""
    return _experiment(folder / f"reads-{steps}.json", [("true", "")] * steps)


def talkative_experiment(folder: Path) -> Path:
    """Write an experiment whose only probe writes all the lines."""
    program, *arguments = OUTPUT
    quoted = " ".join(f"'{word}'" for word in arguments)
    return _experiment(folder / "output.json", [(program, quoted)])


def _experiment(path: Path, programs: list[tuple[str, str]]) -> Path:
    method = [
        {
            "type": "probe",
            "name": f"s{number}",
            "provider": {"type": "process", "path": program, **({"arguments": given} if given else {})},
        }
        for number, (program, given) in enumerate(programs)
    ]
    path.write_text(json.dumps({"title": path.stem, "description": "The same work for everybody.", "method": method}))
    return path
