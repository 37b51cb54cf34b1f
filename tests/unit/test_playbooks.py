"""The shipped playbooks: valid without a warning, and short enough for a tired reader at 80×24."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.actions import catalogue
from runbook.expression import is_template, render
from runbook.loader import diagnose, load_playbook
from runbook.model.playbook import Playbook, Stage, Step

FOLDER = Path(__file__).parent.parent.parent / "playbooks"
SHIPPED = sorted(FOLDER.glob("*.yaml"))

TITLE = 60
GUIDE = (8, 76)
"""Most lines, and most columns of each."""

each_playbook = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)


def loaded(path: Path) -> Playbook:
    return load_playbook(path, catalogue()).playbook


def steps_of(playbook: Playbook) -> Iterator[Step]:
    for item in playbook.steps:
        yield from item.steps if isinstance(item, Stage) else (item,)


def shown(template: str, playbook: Playbook) -> list[str]:
    """Return the lines of a text as an operator sees it, filled with defaults."""
    values = {name: param.default if param.default is not None else name for name, param in playbook.params.items()}
    text = str(render(template, {"params": values})) if is_template(template) else template
    return text.strip().split("\n") if text.strip() else []


def test_playbooks_are_shipped() -> None:
    assert "config-rollback" in [path.stem for path in SHIPPED]


@each_playbook
def test_a_playbook_is_valid_without_a_warning(path: Path) -> None:
    assert [found.text() for found in diagnose(path, catalogue())] == []


@pytest.mark.parametrize("driver", ["rabbitmq", "{{ params.driver }}"])
def test_a_queue_that_nothing_here_can_reach_is_refused_with_what_can(driver: str, tmp_path: Path) -> None:
    written = tmp_path / "p.yaml"
    head = "schema: runbook/v1\nid: p\ntitle: T\nparams: {driver: {type: choice, choices: [embedded, rabbitmq]}}\n"
    step = f"{{id: a, uses: queue.inspect, with: {{driver: '{driver}', control: /c, queue: q}}}}"
    written.write_text(f"{head}steps: [{step}]\n")

    (found,) = diagnose(written, catalogue())

    assert "rabbitmq" in found.text()
    assert "expected embedded" in found.text()


@each_playbook
def test_a_playbook_says_what_it_is_for_and_who_keeps_it(path: Path) -> None:
    playbook = loaded(path)

    assert all([playbook.summary, playbook.symptoms, playbook.severity, playbook.owner, playbook.reviewed])
    assert [name for name, param in playbook.params.items() if not param.help] == []


@each_playbook
def test_titles_fit_a_line(path: Path) -> None:
    playbook = loaded(path)
    titles = [playbook.title, *(item.title for item in playbook.steps), *(step.title for step in steps_of(playbook))]

    assert [title for title in titles if not 0 < len(title) <= TITLE] == []


@each_playbook
def test_guides_and_instructions_fit_the_smallest_screen(path: Path) -> None:
    playbook = loaded(path)
    lines, columns = GUIDE

    for step in steps_of(playbook):
        # An instruction stands above its guide, with an empty line between.
        manual = shown(step.manual or "", playbook)
        body = [*manual, *([""] if manual else []), *shown(step.guide, playbook)]
        assert (step.id, [line for line in body if len(line) > columns]) == (step.id, [])
        assert (step.id, len(body) <= lines) == (step.id, True)
    assert [line for line in shown(playbook.summary, playbook) if len(line) > columns] == []


@each_playbook
def test_every_step_that_an_operator_decides_about_says_why_and_when_to_stop(path: Path) -> None:
    playbook = loaded(path)
    guided = [step for step in steps_of(playbook) if step.notify is None and step.wait is None]

    lacking = [s.id for s in guided if not all(w in s.guide for w in ("**Why**", "**Look for**", "**Stop**"))]

    assert lacking == []
