"""What is said of a run that nobody watches any more, of hosts that were left out, and of steps without a check."""

from __future__ import annotations

from msgspec.structs import replace

from runbook.events import fact as f
from runbook.tui.presenter.effect import effect_words
from runbook.tui.presenter.guide import title_of
from runbook.tui.presenter.instrument import instrument_row, instruments
from runbook.tui.presenter.now import Rest, now_words
from runbook.tui.presenter.place import status_at
from runbook.tui.presenter.rail import rail
from runbook.tui.presenter.verify import verify_brief, verify_rows
from runbook.tui.presenter.words import Row
from tests import builders as b
from tests.tui import scenes


def text(row: Row) -> str:
    """Return a row without its styles."""
    return "".join(word for word, _ in row)


def test_a_guard_is_not_told_to_be_well_after_its_watch_is_over() -> None:
    scene = scenes.running()
    (watched, *_) = instruments(scenes.plan(), scene.state, scene.samples)
    assert "✓ ok" in text(instrument_row(watched, 78))

    scenes.take(scene, 1001, [f.RunFinished(status="undone"), f.SessionClosed(status="undone")])
    (over, *_) = instruments(scenes.plan(), scene.state, scene.samples)
    said = text(instrument_row(over, 78))
    assert "◦ was ok" in said
    assert "nobody watches now" in text(instrument_row(over, 120))
    assert "✓" not in said


def test_nothing_is_pending_on_a_host_that_was_left_out() -> None:
    state = scenes.running().state
    assert status_at(state, "answers", "order-3") == "pending"

    left_out = replace(state, excluded=frozenset({"order-3"}))
    assert status_at(left_out, "answers", "order-3") == "skipped"
    assert status_at(left_out, "answers", "order-1") == status_at(state, "answers", "order-1")
    rows = {row.step: text(row.words) for row in rail(scenes.plan(), left_out, 40).rows if row.kind == "step"}
    assert "↷" in rows["answers"]


def test_a_step_that_tells_people_shows_what_it_told_and_claims_no_check() -> None:
    tell = scenes.step("tell", kind="notify", uses="notify", effect="read", once=True)
    plan = replace(scenes.plan(), units=(scenes.unit(tell),))
    scene = scenes.running()
    done = f.StepFinished(step="tell", target="*", attempt=1, status="succeeded", result={"message": "All is well."})
    scenes.take(scene, 1001, [done])

    rows = [text(row) for row in verify_rows(plan, scene.state, "tell", 60)]
    assert rows[0] == "It tells people: there is nothing to check."
    assert rows[-1].strip() == "All is well."
    assert "All is well." in text(verify_brief(plan, scene.state, "tell", 60, 3)[0])


def test_a_change_that_nothing_checks_says_so_and_why() -> None:
    touch = scenes.step("touch", uses="command", hosts=b.HOSTS[:1])
    told = replace(touch, source=replace(touch.source, verify={"none": "it cannot fail"}))
    for step, said in ((touch, "! Nothing checks it."), (told, "! Nothing checks it: it cannot fail")):
        plan = replace(scenes.plan(), units=(scenes.unit(step),))
        assert text(verify_rows(plan, scenes.running().state, "touch", 60)[0]) == said


def test_the_next_playbook_of_an_incident_stays_in_the_now_line() -> None:
    said = now_words(scenes.at_rest(), 2.0, rest=Rest(goes_on=True))
    assert "F3 the next playbook of this incident" in text(said.second)


def test_a_title_has_its_values_and_braces_that_were_typed_stay_as_they_are() -> None:
    state = scenes.running().state
    assert state.opened is not None
    opened = replace(state.opened, params={"unit": "nginx", "key": {"secret": "env:KEY"}, "port": 80})
    opened = replace(opened, host_params={"order-2": {"port": 81}})
    state = replace(state, sessions=(opened,))
    for written, shown in (
        ("Restart {{ params.unit }}", "Restart nginx"),
        ("Open {{ params.port }}", "Open {{ params.port }}"),
        ("Use {{ params.key }}", "Use {{ params.key }}"),
        ("echo {{ '{' }}{x}}", "echo {{x}}"),
    ):
        plan = replace(scenes.plan(), units=(scenes.unit(scenes.step("one", title=written)),))
        assert title_of(plan, "one", state) == shown


def test_a_run_that_succeeded_says_by_a_number_and_its_normal_value_what_it_did() -> None:
    scene = scenes.running()
    scenes.take(scene, 1001, [f.RunFinished(status="succeeded"), f.SessionClosed(status="succeeded")])
    said = text(now_words(scene, 1002, rest=Rest()).first)
    assert said.startswith("✓ SUCCEEDED  error rate 98 to 0.6 · 4 changes, ")

    assert scene.plan is not None
    (guard,) = scene.plan.guards
    scene.plan = replace(scene.plan, guards=(replace(guard, fail_when="value > baseline.connections"),))
    assert effect_words(scene) == "error rate 98 to 0.6, normal 412"
    scene.samples["error-rate"].append(f.GuardSampled(guard="error-rate", state="no data"))
    assert effect_words(scene) == ""
