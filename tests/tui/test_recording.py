"""Recordings on the time of their own, players, timelines, comparisons: what the review computes, without screens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from runbook.events import fact as f
from runbook.events.elapsed import elapsed
from runbook.events.fold import fold_all
from runbook.events.signal import OutputReceived
from runbook.events.timed import Timed
from runbook.report import markdown_report
from runbook.tui.player import STAY, Player
from runbook.tui.presenter.comparison import comparison_rows
from runbook.tui.presenter.decision import decisions
from runbook.tui.presenter.inspector import json_rows
from runbook.tui.presenter.moment import moment_of, wrong_moment
from runbook.tui.presenter.recording import REST, Recording, Spoken, grown, recording, with_output
from runbook.tui.presenter.replay import playback_rows, review_words
from runbook.tui.presenter.timeline import axis_row, row_words, timeline
from runbook.tui.presenter.words import Row, width
from runbook.tui.recall import output_of, recall
from runbook.tui.scene import Scene
from tests import builders as b
from tests.tui import scenes
from tests.tui.recorded import OTHER, RUN, Recorded, incident


def _text(row: Row) -> str:
    return "".join(text for text, _ in row)


def _known() -> Recording:
    known = recall(Recorded(), RUN)
    spoken, lost = output_of(Recorded(), known)
    return with_output(known, spoken, lost)


def test_the_rest_between_two_sessions_takes_no_time() -> None:
    first = b.timed([b.opened(), *b.ended("paused")])
    night = b.timed([b.opened("resume"), *b.ended()], start=b.START + timedelta(hours=9))
    known = recording("r", (*first, *(replace(t, seq=t.seq + 3, mono=t.mono - int(500e9)) for t in night)))
    assert known.span == 8.0 + REST
    assert known.breaks == (4.0 + REST,)


def test_lists_screens_comparison_and_report_tell_the_same_time_of_a_run_that_rested() -> None:
    first = b.timed([b.opened(), *b.ended("paused")])
    night = b.timed([b.opened("resume"), *b.ended()], start=b.START + timedelta(hours=9))
    noon = b.timed([b.opened("note"), f.NoteWritten(text="it held")], start=b.START + timedelta(hours=12))
    later = (replace(t, mono=t.mono - int(500e9)) for t in night)
    timed = tuple(replace(t, seq=n) for n, t in enumerate((*first, *later, *noon)))
    assert elapsed(timed) == 9 * 3600 + 4.0
    assert "took 9:00:04 in 3 sessions" in markdown_report("r", timed, now=timed[-1].time)
    scene = Scene("r")
    # The screens hear at once what was on record when they took the run up, and the rest at its moment.
    scene.take_all(timed[:4], 50.0)
    scene.take_all(timed[4:], 54.0)
    assert scene.elapsed(99.0) == 9 * 3600 + 4.0
    known = recording("r", timed)
    said = [_text(row) for row in comparison_rows(known, recording("q", first), 80)]
    assert [line.split() for line in said if "took" in line] == [["!", "took", "9:00:04", "0:04"]]
    assert [line.split()[-2:] for line in said if "its rests" in line] == [["0:08", "0:04"]]
    assert "rests left out" in _text(playback_rows(Player(known), 100, live=False)[0])


def test_a_clock_that_is_set_back_within_a_session_moves_nothing() -> None:
    timed = b.timed([b.opened(), *b.changed("restart", "order-1")])
    back = tuple(replace(t, time="2020-01-01T00:00:00Z") if t.seq > 2 else t for t in timed)
    assert recording("r", back).at == recording("r", timed).at


def test_output_stands_at_the_moment_it_came_since_its_attempt_began() -> None:
    known = _known()
    assert [(each.at, each.event.stream) for each in known.spoken] == [(391.0, "out"), (410.0, "err"), (410.0, "err")]


def test_a_player_knows_at_a_moment_what_the_journal_held_by_then_and_no_more() -> None:
    known = _known()
    player = Player(known, 400.0)
    assert player.scene.state == fold_all(t.fact for t in incident()[: player.index + 1])
    assert player.scene.state.at("restart", "order-2").status == "running"
    assert [line.text for line in player.scene.spool] == ["pool order-db: active 64, waiting 0"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 900), min_size=1, max_size=6))
def test_wherever_a_player_comes_from_a_moment_is_the_same(path: list[float]) -> None:
    known = _known()
    player = Player(known)
    for at in path:
        player.go(at)
    straight = Player(known, path[-1])
    assert player.scene.state == straight.scene.state
    assert list(player.scene.spool) == list(straight.scene.spool)


def test_playing_takes_one_or_ten_seconds_a_second_and_jumping_takes_events() -> None:
    player = Player(_known())
    player.toggle()
    assert (player.playing, player.at, player.index) == (True, 0.0, 0)
    player.advance(1.0)
    player.faster(1)
    player.advance(1.0)
    assert player.at == 11.0
    player.faster(1)
    assert not player.advance(STAY / 2)
    assert player.advance(STAY / 2)
    assert player.at == 51.0
    for _ in range(200):
        player.advance(STAY)
    assert not player.playing
    assert player.at_end


def test_a_player_at_the_end_follows_what_is_added_and_one_that_looks_back_stays() -> None:
    full = _known()
    start = recording(RUN, full.timed[:20], full.plan)
    follows, looks_back = Player(start), Player(start, 10.0)
    more = grown(start, full.timed[18:30])
    assert len(more.timed) == 30
    for player in (follows, looks_back):
        player.grow(more)
    assert follows.at == more.span
    assert follows.index == 29
    assert looks_back.at == 10.0


def test_steps_outside_stages_stand_in_one_row_and_each_host_of_a_stage_in_its_own() -> None:
    line = timeline(_known())
    found = [(row.step, row.host, row.says) for row in line.rows]
    assert found[:3] == [("freeze", "", "done"), ("compare", "3 hosts", "ok"), ("restore", "order-1", "verified")]
    assert ("restart", "order-2", "2nd try") in found
    assert [pause.until is not None for pause in line.asked] == [True, True, True]


def test_a_hundred_hosts_take_a_row_per_fate_the_bad_ones_first() -> None:
    hosts = tuple(f"web-{n:03}" for n in range(100))
    facts = [b.opened(hosts=[]), *(x for h in hosts[:90] for x in b.changed("restart", h))]
    facts += [x for h in hosts[90:93] for x in b.broken("restart", h)]
    known = recording("r", b.timed(facts, seconds=0.1), scenes.plan(hosts, (hosts,)))
    rows = [(row.host, row.says) for row in timeline(known).rows if row.step == "restart"]
    assert rows == [("3 hosts", "failed"), ("90 hosts", "verified"), ("7 hosts", "pending")]


def test_what_is_to_come_is_thin_and_what_was_is_heavy() -> None:
    line = timeline(_known())
    row = next(r for r in line.rows if (r.step, r.host) == ("restart", "order-2"))
    text = _text(row_words(row, line, 492.0, 116))
    assert text.index("━") < text.index("✗") < text.index("│") < text.index("◦")
    assert "✓ 2nd try" in text
    assert "0:00" in _text(axis_row(line, 116))
    assert "8:00" in _text(axis_row(line, 116))


@given(st.integers(40, 200), st.floats(0, 900))
@settings(max_examples=30, deadline=None)
def test_rows_of_a_timeline_fit_whatever_the_width(cells: int, at: float) -> None:
    line = timeline(_known())
    assert all(width(row_words(row, line, at, cells)) <= cells for row in line.rows)
    assert width(axis_row(line, cells)) <= cells


def test_a_record_without_an_end_is_running_to_the_end_of_what_is_known() -> None:
    facts = [b.opened(), *b.began("restart", "order-1")]
    row = next(r for r in timeline(recording("r", b.timed(facts), scenes.plan())).rows if r.bars)
    assert [(bar.status, bar.end) for bar in row.bars] == [("running", 4.0)]


def test_decisions_say_who_what_and_why_in_the_past() -> None:
    made = decisions(_known())
    assert [(d.at, d.who, d.what) for d in made] == [
        (51.0, "kim", "marked done"),
        (238.0, "kim", "approved"),
        (480.0, "kim", "retried failed hosts"),
        (540.0, "olga", "note"),
        (821.0, "run", "ended"),
    ]
    assert made[2].reason == "old pid held port 8080, killed it, port is free"


def test_an_edit_and_a_way_back_before_a_step_are_told_as_what_they_were() -> None:
    asked = b.asked("proceed", "restart", ["order-2"])
    facts: list[f.Fact] = [
        b.opened(),
        asked,
        b.decided(asked, "edit", values={"unit": "other"}),
        asked,
        b.decided(asked, "undo", values={"step": "restore"}),
    ]
    made = decisions(recording("r", b.timed(facts)))
    assert [(d.what, d.about) for d in made] == [("edited", "restart on order-2"), ("undid", "restore")]


def test_a_comparison_marks_what_differs_and_keeps_quiet_about_the_rest() -> None:
    one, other = recall(Recorded(), OTHER), recall(Recorded(), RUN)
    rows = [_text(row) for row in comparison_rows(one, other, 110)]
    assert any(row.startswith("! status") and "✗ aborted" in row and "✓ succeeded" in row for row in rows)
    assert any(row.startswith("  service") for row in rows)
    assert any(row.startswith("! restart order-2") and "2nd try" in row for row in rows)
    assert not any("!" in _text(row)[:2] for row in comparison_rows(one, one, 110))


def test_a_comparison_says_how_much_of_a_run_is_undone() -> None:
    changed = (*b.changed("restore", "order-1"), *b.changed("restart", "order-1"))
    back = f.UndoFinished(step="restart", target="order-1", attempt=1, status="undone")
    facts = [b.opened(), *changed, back, *b.ended("undone")]
    one, other = recording("r", b.timed(facts)), recording("q", b.timed([b.opened(), *b.ended("undone")]))
    (status,) = (row for row in map(_text, comparison_rows(one, other, 110)) if row.startswith("! status"))
    assert [word.strip() for word in status.split("↶")[1:]] == ["1 of 2 changes undone", "undone"]


def test_an_undo_that_failed_and_a_refusal_that_was_to_be_tried_again_are_told() -> None:
    place: dict[str, Any] = {"step": "restart", "target": "order-2"}
    refused = f.StepFinished(
        step="restore", target="order-2", attempt=1, status="refused", error="no tag", effect="change", dispatched=False
    )
    menu = b.asked("failure", "restore", ["order-2"])
    facts = [
        b.opened(),
        *b.changed("restart", "order-2"),
        refused,
        menu,
        b.decided(menu, "retry"),
        f.UndoAsked(steps=[["restart", "order-2"]], abort=True),
        f.UndoStarted(**place, attempt=1),
        f.UndoFinished(**place, attempt=1, status="undo_failed", error="port taken"),
        *b.ended("aborted"),
    ]
    known = recording("r", b.timed(facts), scenes.plan())

    headline = _text(review_words(known, fold_all(facts), None, live=False, wide=True).second)
    assert "1 undo failed, 1 change left unverified, 1 can be undone" in headline
    results = {(row.step, row.status, row.says) for row in timeline(known).rows if row.host == "order-2"}
    assert results >= {("restore", "refused", "refused"), ("restart", "undo_failed", "undo failed")}
    page = markdown_report("r", known.timed, now=known.timed[-1].time)
    assert "1 undo failed, 1 refused" in page
    assert "⊘ refused" in page


def test_json_of_a_record_can_be_read_to_its_last_letter_and_obeys_nothing() -> None:
    long = "x" * 3000 + "END"
    rows = [_text(row) for row in json_rows(f'{{"a":"{long}","evil":"\\u001b[2J\\u202e"}}', 40)]
    assert "".join(row.strip() for row in rows).count("x") == 3000
    assert any("END" in row for row in rows)
    assert not any("\x1b" in row or "\u202e" in row for row in rows)


def test_moments_are_written_as_they_are_shown() -> None:
    assert [moment_of(text) for text in ("42", "8:12", "1:00:00", "x", "1:2:3:4", "")] == [
        42,
        492,
        3600,
        None,
        None,
        None,
    ]
    assert wrong_moment(821.0, "8:12") == ""
    assert wrong_moment(821.0, "20:00") == "The recording lasts 13:41. Write a time up to that."


def test_a_plan_that_cannot_be_read_leaves_the_record_readable() -> None:
    known = recording(RUN, incident())
    assert known.plan is None
    assert {row.step for row in timeline(known).rows} >= {"freeze", "restart", "soak"}


def test_a_recording_without_records_has_a_player_that_stands_still() -> None:
    player = Player(Recording("r"))
    player.toggle()
    assert not player.advance(5.0)
    player.event(1)
    assert player.scene.state.facts == 0


def test_output_over_the_bound_is_counted() -> None:
    said = Spoken(1.0, OutputReceived("a", "b", 1, "out", "x\n", 0))
    player = Player(with_output(recording("r", b.timed([b.opened(), f.NoteWritten(text="n")])), [said], 70))
    assert player.scene.spool.lost == 70
    assert isinstance(player.recording.timed[0], Timed)


def test_what_is_overheard_stands_until_the_step_is_over_and_is_on_record() -> None:
    full = _known()
    end = full.index(471.0)
    player = Player(recording(RUN, full.timed[: end - 1], full.plan))
    assert player.scene.state.at("restart", "order-2").status == "running"
    said = OutputReceived("restart", "order-2", 1, "out", "pool order-db: active 64\n", 0)
    player.overhear([said], 391.0)
    assert [(line.text, line.at_ms) for line in player.scene.spool] == [("pool order-db: active 64", 41_000)]
    player.event(-1)
    assert len(player.scene.spool) == 0
    player.go(999.0)
    assert len(player.scene.spool) == 1
    player.grow(recording(RUN, full.timed[: end + 1], full.plan))
    player.retell(with_output(player.recording, full.spoken))
    assert len(player.scene.spool) == 3
