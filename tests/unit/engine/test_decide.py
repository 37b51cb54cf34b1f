"""Deciding: what comes next, from a plan and what is known of it alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from runbook.engine import move as m
from runbook.events import fact as f
from runbook.events.state import NO_WAY_BACK
from runbook.events.status import Status
from runbook.model.plan import Plan
from runbook.model.question import Question
from tests.unit.engine.paper import Paper, act, changed, ended, opened, plan_of, planned, read, stage

FLEET = "targets: {app: {hosts: all}}\nsteps:\n"
ONE = "steps:\n"


def fleet(body: str, *hosts: str) -> Plan:
    return plan_of(FLEET + body, *(hosts or ("a", "b", "c", "d")))


class TestOrder:
    def test_a_read_begins_at_once_and_the_next_one_after_it(self) -> None:
        paper = Paper(plan_of(ONE + read("one") + read("two")))

        assert paper.begins() == [("one", "local", 1)]
        paper.tell(f.ReadStarted(step="one", target="local", attempt=1))
        assert paper.next() == ()
        paper.tell(*ended("one", "local"))
        assert paper.begins() == [("two", "local", 1)]
        paper.tell(*ended("two", "local"))
        assert paper.rests() == "succeeded"

    def test_a_change_is_inspected_then_claimed_then_begun(self) -> None:
        paper = Paper(plan_of(ONE + act("one")))

        paper.inspects()
        paper.claims()
        assert paper.begins() == [("one", "local", 1)]

    def test_all_hosts_of_a_step_are_inspected_before_one_is_changed(self) -> None:
        paper = Paper(fleet(act("one")))
        paper.tell(planned("one", "a"))

        assert paper.next() == tuple(m.Inspect("one", host) for host in "bcd")

    def test_no_more_than_parallel_run_at_once(self) -> None:
        paper = Paper(fleet(read("one", "    parallel: 3\n")))
        paper.tell(f.ReadStarted(step="one", target="a", attempt=1))

        assert [target for _, target, _ in paper.begins()] == ["b", "c"]

    @pytest.mark.parametrize(
        ("what", "status"), [("pause", "paused"), ("interrupt", "interrupted"), ("cancel", "interrupted")]
    )
    def test_steering_brings_the_run_to_a_rest(self, what: str, status: str) -> None:
        paper = Paper(plan_of(ONE + read("one")))
        paper.tell(f.SteeringAsked(what=what))  # type: ignore[arg-type]

        assert paper.rests() == status
        paper.tell(opened("resume"))
        assert paper.begins() == [("one", "local", 1)]


class TestConditions:
    def test_a_condition_is_true_false_or_untellable(self) -> None:
        body = read("look") + read("one", '    when: "params.x > 5"\n')
        plan = plan_of("params: {x: {type: int}}\n" + ONE + body)
        for value, expected in (
            (6, m.Begin("one", "local", 1)),
            (4, m.Skip("one", ("local",), "when", "its condition does not hold: params.x > 5")),
        ):
            paper = Paper(plan, params={"x": value})
            paper.tell(*ended("look", "local"))
            assert paper.next() == (expected,)
        paper = Paper(plan, params={"x": None})
        paper.tell(*ended("look", "local"))
        (move,) = paper.next()
        assert isinstance(move, m.Fail)
        assert "cannot be told" in move.error

    def test_a_condition_is_asked_again_after_an_early_plan(self) -> None:
        paper = Paper(plan_of(ONE + act("one", "    when: \"run.id == 'other'\"\n")))
        paper.tell(planned("one", "local", answer="later"))

        assert paper.next() == (m.Skip("one", ("local",), "when", "its condition does not hold: run.id == 'other'"),)

    def test_the_condition_of_a_stage_and_of_its_step_must_both_hold(self) -> None:
        body = stage("all", read("one", "    when: \"run.id == 'run'\"\n"), "    when: \"run.id == 'x'\"\n")

        assert isinstance(Paper(plan_of(ONE + body)).next()[0], m.Skip)

    def test_an_untellable_condition_is_asked_again_by_a_retry(self) -> None:
        paper = Paper(plan_of("params: {x: {type: int}}\n" + ONE + read("one", '    when: "params.x > 5"\n')))
        (move,) = paper.next()
        assert isinstance(move, m.Fail)
        paper.tell(
            f.StepFinished(step="one", target="local", attempt=1, status="failed", error=move.error, dispatched=False)
        )
        paper.answers("retry")

        assert isinstance(paper.next()[0], m.Fail)


class TestGuided:
    @pytest.fixture
    def paper(self) -> Paper:
        paper = Paper(plan_of(ONE + act("one") + read("two") + act("three")), guided=True)
        paper.inspects()
        return paper

    def test_run_begins_the_step_after_another_look(self, paper: Paper) -> None:
        paper.answers("run")

        paper.inspects()
        paper.claims()
        assert paper.begins() == [("one", "local", 1)]

    def test_what_looks_different_after_the_wait_is_asked_again(self, paper: Paper) -> None:
        paper.answers("run")

        paper.inspects("d2")
        assert paper.asks().kind == "proceed"

    def test_run_on_goes_as_far_as_the_next_change(self, paper: Paper) -> None:
        paper.answers("run_on")
        paper.inspects()
        paper.claims()
        paper.tell(*changed("one", "local"))
        assert paper.begins() == [("two", "local", 1)]
        paper.tell(*ended("two", "local"))
        paper.inspects()
        assert paper.asks().step == "three"

    def test_without_run_on_every_read_is_asked_for(self, paper: Paper) -> None:
        paper.answers("run")
        paper.inspects()
        paper.claims()
        paper.tell(*changed("one", "local"))
        paper.inspects()
        assert paper.asks().step == "two"

    def test_skip_goes_on_without_the_step(self, paper: Paper) -> None:
        paper.answers("skip")

        assert paper.next() == (m.Inspect("two", "local"),)

    def test_pause_rests_and_the_same_is_asked_after_a_resume(self, paper: Paper) -> None:
        paper.answers("pause")
        assert paper.rests() == "paused"

        paper.tell(opened("resume"))
        paper.inspects()
        assert paper.asks().step == "one"

    def test_abort_ends_the_run(self, paper: Paper) -> None:
        paper.answers("abort")
        assert paper.rests() == "aborted"

    def test_nobody_there_leaves_the_run_waiting(self, paper: Paper) -> None:
        paper.unanswered = frozenset({paper.asks().id})
        assert paper.rests() == "waiting"

    def test_nothing_is_asked_where_nothing_is_to_be_done(self) -> None:
        paper = Paper(plan_of(ONE + act("one")), guided=True)
        paper.tell(planned("one", "local", answer="already"))

        paper.claims()
        assert paper.begins() == [("one", "local", 1)]


class TestApproval:
    def test_a_stage_is_approved_once_for_all_its_waves(self) -> None:
        body = stage("roll", act("one") + act("two"), "    approve: operator\n    rollout: {waves: [1, 100%]}\n")
        paper = Paper(fleet(body, "a", "b"))
        for _ in range(2):  # first the step whose turn it is, then all others, early
            paper.inspects()

        question = paper.asks()
        assert sorted(question.covers) == ["one@a", "one@b", "two@a", "two@b"]
        assert set(paper.state.steps) == {("one", "a"), ("one", "b"), ("two", "a"), ("two", "b")}

    def test_an_approval_leaves_out_what_is_known_not_to_run_and_says_what_is_open(self) -> None:
        steps = act("one") + act("never", "    when: \"run.id == 'other'\"\n")
        steps += act("maybe", "    when: \"steps.one.status == 'succeeded'\"\n")
        paper = Paper(plan_of(ONE + stage("roll", steps, "    approve: operator\n")))
        paper.inspects()
        paper.inspects()

        question = paper.asks()
        assert question.title == "Approve roll: 2 changing steps on 1 target"
        assert [(p.words, p.notes) for p in question.previews] == [
            ("Do one", ()),
            ("Do maybe", ("Only if: steps.one.status == 'succeeded'",)),
        ]
        assert set(question.covers) == {"one@local", "maybe@local"}

    def test_a_guided_resume_asks_before_the_next_change_whatever_was_approved(self) -> None:
        body = stage("roll", act("one") + act("two"), "    approve: operator\n")
        paper = Paper(plan_of(ONE + body), guided=True)
        paper.inspects()
        paper.inspects()
        paper.answers("approve")
        paper.inspects()
        paper.claims()
        paper.tell(*changed("one", "local", verified=True), f.RunFinished(status="paused"))
        paper.tell(f.SessionOpened(mode="resume", actor={}, boot_id="", versions={}, options={"guided": True}))
        paper.inspects()

        (move,) = paper.next()
        assert isinstance(move, m.Ask)
        assert (move.question.kind, move.question.step) == ("proceed", "two")
        paper.answers("run")
        paper.inspects()
        paper.claims()
        assert paper.begins() == [("two", "local", 1)]

    def test_an_approval_is_void_when_the_plan_changed(self) -> None:
        paper = Paper(plan_of(ONE + act("one", "    approve: operator\n")))
        paper.inspects()
        paper.answers("approve")
        paper.inspects("d2")
        paper.answers("approve")
        paper.inspects("d2")
        paper.claims()
        assert paper.begins() == [("one", "local", 1)]

    def test_a_value_known_only_later_is_approved_by_its_form(self) -> None:
        body = stage("roll", act("one") + act("two"), "    approve: operator\n")
        paper = Paper(plan_of(ONE + body))
        paper.inspects()
        (early,) = paper.next()
        assert early == m.Inspect("two", "local", early=True)
        paper.tell(planned("two", "local", "form", answer="later", form="form"))
        paper.answers("approve")
        paper.inspects()
        paper.claims()
        paper.tell(*changed("one", "local"))

        assert paper.next() == (m.Inspect("two", "local"),)
        paper.tell(planned("two", "local", "exact", form="form"))
        assert paper.begins() == [("two", "local", 1)]

    def test_another_form_than_the_approved_one_is_asked_for(self) -> None:
        body = stage("roll", act("one") + act("two"), "    approve: operator\n")
        paper = Paper(plan_of(ONE + body))
        paper.inspects()
        paper.tell(planned("two", "local", "form", answer="later", form="form"))
        paper.answers("approve")
        paper.inspects()
        paper.claims()
        paper.tell(*changed("one", "local"), planned("two", "local", "exact", form="edited"))

        assert paper.asks().kind == "approve"

    def test_a_destructive_step_names_what_has_to_be_typed(self) -> None:
        paper = Paper(plan_of("targets: {app: {hosts: all}}\n" + ONE + act("one", effect="destructive"), "a", "b"))
        paper.inspects()

        question = paper.asks()
        assert question.kind == "confirm"
        assert [c.typed for c in question.choices if c.id == "confirm"] == ["all 2"]

    def test_an_approval_does_not_stand_for_the_confirmation(self) -> None:
        paper = Paper(plan_of(ONE + act("one", "    approve: operator\n", effect="destructive")))
        paper.inspects()
        paper.answers("approve")
        paper.inspects()
        assert paper.asks().kind == "confirm"


class TestFailure:
    def failed(self, policy: str = "", *, override: str = "", more: str = "") -> Paper:
        written = f"    on_failure: {policy}\n" if policy else ""
        plan = plan_of(ONE + act("before") + read("bad", written + more) + read("after") + read("end-of-it"))
        paper = Paper(plan, on_failure=override)
        paper.tell(*changed("before", "local"))
        paper.tell(*ended("bad", "local", "failed", error="it is broken"))
        return paper

    @pytest.mark.parametrize(
        ("policy", "override", "then"),
        [
            ("stop", "", "failed"),
            ("stop", "undo", "failed"),
            ("", "stop", "failed"),
            ("", "undo", "back"),
            ("undo", "", "back"),
            ("undo", "stop", "back"),
            ("continue", "", "after"),
            ("continue", "undo", "after"),
            ("continue", "stop", "failed"),
            ("goto:end-of-it", "", "skip"),
            ("goto:end-of-it", "stop", "failed"),
            ("", "", "ask"),
        ],
    )
    def test_the_policy_decides_and_the_command_line_only_tightens_it(
        self, policy: str, override: str, then: str
    ) -> None:
        (move,) = self.failed(policy, override=override).next()

        match move:
            case m.Rest(status=status):
                told: str = status
            case m.GoBack():
                told = "back"
            case m.Begin(step=step):
                told = step
            case _:
                told = type(move).__name__.lower()
        assert told == then

    def test_continue_ends_partial(self) -> None:
        paper = self.failed("continue")
        paper.tell(*ended("after", "local"), *ended("end-of-it", "local"))

        assert paper.rests() == "partial"

    def test_nobody_to_ask_means_stop(self) -> None:
        paper = self.failed()
        paper.unanswered = frozenset({paper.asks().id})

        assert paper.rests() == "failed"

    def test_retry_makes_another_attempt(self) -> None:
        paper = self.failed()
        paper.answers("retry")

        assert paper.begins() == [("bad", "local", 2)]

    def test_edit_and_retry_is_a_deviation(self) -> None:
        paper = self.failed()
        paper.answers("edit", timeout="9s")

        assert paper.begins() == [("bad", "local", 2)]
        assert paper.state.edits == {"bad": {"timeout": "9s"}}
        assert paper.state.deviated

    @pytest.mark.parametrize(("choice", "status"), [("skip", "skipped"), ("done", "succeeded")])
    def test_skip_and_done_by_hand_go_on_as_deviations(self, choice: str, status: str) -> None:
        paper = self.failed()
        paper.answers(choice)

        assert paper.begins() == [("after", "local", 1)]
        assert paper.state.at("bad", "local").status == status
        assert paper.state.deviated
        paper.tell(*ended("after", "local"), *ended("end-of-it", "local"))
        assert paper.rests() == "succeeded"

    def test_undo_all_goes_back_over_everything(self) -> None:
        paper = self.failed()
        paper.answers("undo_all")

        assert paper.next() == (m.GoBack((("before", "local"),), abort=True, reason="why not"),)

    def test_pause_and_abort_rest(self) -> None:
        paused, aborted = self.failed(), self.failed()
        paused.answers("pause")
        aborted.answers("abort")

        assert (paused.rests(), aborted.rests()) == ("paused", "aborted")
        paused.tell(opened("resume"))
        paused.answers("retry")
        assert paused.begins() == [("bad", "local", 2)]

    def test_a_failed_change_offers_its_own_undo_and_asks_again_after_it(self) -> None:
        paper = Paper(plan_of(ONE + act("one") + act("two")))
        paper.tell(*changed("one", "local"), *changed("two", "local", "failed"), f.LeaseClaimed(target="local"))
        paper.answers("undo")
        (back,) = paper.next()
        assert back == m.GoBack((("two", "local"),), abort=False, reason="why not")
        paper.tell(f.UndoAsked(steps=[["two", "local"]]))
        assert paper.next() == (m.Undo("two", "local"),)
        paper.tell(
            f.UndoStarted(step="two", target="local", attempt=1),
            f.UndoFinished(step="two", target="local", attempt=1, status="undone"),
        )

        (undo,) = (choice for choice in paper.asks().choices if choice.id == "undo")
        assert undo.title == "undo one: the latest change; then you decide"

    def test_the_menu_of_a_step_that_changed_nothing_offers_the_way_back_of_the_change_before_it(self) -> None:
        paper = self.failed()
        paper.answers("undo")

        assert paper.next() == (m.GoBack((("before", "local"),), abort=False, reason="why not"),)

    def test_no_way_back_is_offered_where_the_playbook_wants_none(self) -> None:
        for undo, offered in (("rm it", {"undo", "undo_all"}), ("none: it does no harm", set())):
            paper = Paper(plan_of(ONE + act("bad")))
            _, *attempt = changed("bad", "local", "failed")
            paper.tell(replace(planned("bad", "local"), undo=undo), *attempt, f.LeaseClaimed(target="local"))

            assert {c.id for c in paper.asks().choices} & {"undo", "undo_all"} == offered

    def test_hosts_are_only_offered_where_there_are_several(self) -> None:
        alone = self.failed()
        several = Paper(fleet(read("bad")))
        several.tell(*ended("bad", "a", "failed"), *(x for h in "bcd" for x in ended("bad", h)))

        for paper, offered in ((alone, False), (several, True)):
            assert ({"retry_failed", "exclude"} <= {c.id for c in paper.asks().choices}) == offered

    def test_a_failed_read_waits_for_the_other_hosts(self) -> None:
        paper = Paper(fleet(read("bad"), "a", "b"))
        paper.tell(*ended("bad", "a", "failed"))

        assert paper.begins() == [("bad", "b", 1)]

    def test_after_a_failed_change_no_other_host_begins(self) -> None:
        paper = Paper(fleet(act("bad"), "a", "b"))
        paper.tell(planned("bad", "b"), *changed("bad", "a", "failed"), f.LeaseClaimed(target="a"))

        assert paper.asks().kind == "failure"


class TestRetry:
    RULE = "    retry: {limit: 2, delay: 2s, backoff: 3, on: [connect, 'exit:75']}\n"

    def test_a_read_is_tried_again_with_growing_delay_up_to_the_limit(self) -> None:
        paper = Paper(plan_of(ONE + read("one", self.RULE)), on_failure="stop")
        for attempt, delay in ((1, 2.0), (2, 6.0)):
            paper.tell(*ended("one", "local", "failed", attempt, exit=75))
            assert paper.next() == (m.Retry("one", "local", attempt + 1, delay),)
            paper.tell(
                f.DecisionMade(
                    question="r", kind="failure", step="one", places=["local"], choice="retry", source="policy"
                )
            )
            assert paper.begins() == [("one", "local", attempt + 1)]
        paper.tell(*ended("one", "local", "failed", 3, exit=75))
        assert paper.rests() == "failed"

    def test_another_failure_than_the_named_ones_is_not_retried(self) -> None:
        paper = Paper(plan_of(ONE + read("one", self.RULE)), on_failure="stop")
        paper.tell(*ended("one", "local", "failed", exit=1))

        assert paper.rests() == "failed"

    def test_a_change_is_only_retried_if_nothing_was_sent_or_twice_does_no_harm(self) -> None:
        sent, unsent, harmless = (
            Paper(plan_of(ONE + act("one", self.RULE + more)), on_failure="stop")
            for more in ("", "", "    idempotent: true\n")
        )
        for paper in (sent, harmless):
            paper.tell(*changed("one", "local", "failed", exit=75))
        unsent.tell(
            f.StepFinished(
                step="one", target="local", attempt=1, status="unreachable", effect="change", dispatched=False
            )
        )

        assert sent.rests() == "failed"
        assert isinstance(unsent.next()[0], m.Retry)
        assert isinstance(harmless.next()[0], m.Retry)

    def test_a_retried_change_is_inspected_and_agreed_to_anew(self) -> None:
        paper = Paper(plan_of(ONE + act("one", self.RULE + "    idempotent: true\n    approve: operator\n")))
        paper.inspects()
        paper.answers("approve")
        paper.inspects()
        paper.claims()
        paper.tell(*changed("one", "local", "failed", exit=75))
        paper.tell(
            f.DecisionMade(question="r", kind="failure", step="one", places=["local"], choice="retry", source="policy")
        )

        paper.inspects("d2")
        assert paper.asks().kind == "approve"


class TestDoubt:
    @pytest.fixture
    def paper(self) -> Paper:
        paper = Paper(plan_of(ONE + act("one") + read("two")))
        paper.tell(*changed("one", "local", "in_doubt"), f.LeaseClaimed(target="local"))
        return paper

    def test_nobody_to_ask_leaves_the_run_in_doubt(self, paper: Paper) -> None:
        paper.unanswered = frozenset({paper.asks().id})
        assert paper.rests() == "in_doubt"

    @pytest.mark.parametrize(("undo", "offered"), [("rm one", True), (f"{NO_WAY_BACK} it cannot be unsaid", False)])
    def test_a_way_back_is_offered_only_where_there_is_one(self, undo: str, offered: bool) -> None:
        paper = Paper(plan_of(ONE + act("one")))
        plan, *others = changed("one", "local", "in_doubt")
        paper.tell(replace(plan, undo=undo), *others, f.LeaseClaimed(target="local"))
        assert ("undo" in {choice.id for choice in paper.asks().choices}) == offered

    def test_what_two_looks_tell_alike_is_told_once(self) -> None:
        paper = Paper(plan_of(ONE + act("one")))
        told = ["no process lives", "it wrote 6 bytes", "no process lives"]
        paper.tell(*changed("one", "local", "in_doubt", evidence=told), f.LeaseClaimed(target="local"))
        assert paper.asks().evidence[1:] == ("    no process lives", "    it wrote 6 bytes")

    def test_look_settles_again_and_asks_again(self, paper: Paper) -> None:
        paper.answers("look")
        assert paper.next() == (m.Settle("one", "local", 1),)
        paper.tell(
            f.StepFinished(step="one", target="local", attempt=1, status="in_doubt", effect="change", changed=True)
        )
        assert paper.asks().kind == "doubt"

    def test_done_goes_on(self, paper: Paper) -> None:
        paper.answers("done")
        assert paper.begins() == [("two", "local", 1)]
        assert paper.state.deviated

    def test_failed_leads_to_the_failure_menu(self, paper: Paper) -> None:
        paper.answers("failed")
        assert paper.asks().kind == "failure"

    def test_undo_goes_back_over_the_step(self, paper: Paper) -> None:
        paper.answers("undo")
        assert paper.next() == (m.GoBack((("one", "local"),), abort=False, reason="why not"),)

    def test_again_has_to_be_typed_and_is_inspected_first(self, paper: Paper) -> None:
        (move,) = paper.next()
        assert isinstance(move, m.Ask)
        assert [c.typed for c in move.question.choices if c.id == "again"] == ["one"]
        paper.answers("again", typed="one")
        paper.inspects()
        assert paper.begins() == [("one", "local", 2)]

    def test_pause_rests(self, paper: Paper) -> None:
        paper.answers("pause")
        assert paper.rests() == "paused"


class TestResume:
    def test_an_attempt_whose_process_is_gone_is_claimed_for_and_settled_first(self) -> None:
        paper = Paper(plan_of(ONE + act("one") + read("two")))
        paper.tell(f.LeaseClaimed(target="local"), *changed("one", "local")[:3], opened("resume"))

        paper.claims()
        assert paper.next() == (m.Settle("one", "local", 1),)

    def test_an_open_read_is_made_again(self) -> None:
        paper = Paper(plan_of(ONE + read("one")))
        paper.tell(f.ReadStarted(step="one", target="local", attempt=1), opened("resume"))

        assert paper.begins() == [("one", "local", 1)]

    def test_an_open_undo_is_settled_as_such(self) -> None:
        paper = Paper(plan_of(ONE + act("one")))
        paper.tell(*changed("one", "local"), f.UndoAsked(steps=[["one", "local"]], abort=True))
        paper.tell(f.UndoStarted(step="one", target="local", attempt=1), opened("resume"))

        paper.claims()
        assert paper.next() == (m.Settle("one", "local", 1, undo=True),)

    def test_a_new_session_claims_its_targets_anew(self) -> None:
        paper = Paper(plan_of(ONE + act("one")))
        paper.tell(f.LeaseClaimed(target="local"), opened("resume"))
        paper.inspects()

        paper.claims()
        assert paper.state.leases == {"local"}

    @pytest.mark.parametrize("status", ["failed", "refused", "unreachable", "cancelled"])
    def test_what_failed_without_a_change_is_tried_again(self, status: Status) -> None:
        paper = Paper(plan_of(ONE + act("one")))
        paper.tell(
            f.StepFinished(
                step="one",
                target="local",
                attempt=1,
                status=status,
                effect="change",
                dispatched=False,
            ),
            opened("resume"),
        )

        assert paper.next() == (m.Inspect("one", "local"),)

    def test_a_failure_that_was_put_aside_is_asked_about_again(self) -> None:
        paper = Paper(plan_of(ONE + act("one")))
        failed = f.StepFinished(
            step="one", target="local", attempt=1, status="failed", effect="change", dispatched=False
        )
        paper.tell(failed)
        paper.answers("pause")
        assert paper.rests() == "paused"
        paper.tell(f.RunFinished(status="paused", verified=False, unverified=0), opened("resume"))
        paper.answers("pause")
        paper.tell(f.RunFinished(status="paused", verified=False, unverified=0), opened("resume"))
        paper.answers("retry")

        paper.inspects()
        paper.tell(failed, opened("resume"))
        assert paper.next() == (m.Inspect("one", "local"),)

    def test_a_menu_that_a_guided_operator_left_open_is_put_again(self) -> None:
        paper = Paper(plan_of(ONE + act("one")), guided=True)
        guided = f.SessionOpened(mode="run", actor={}, boot_id="", versions={}, options={"guided": True})
        paper.tell(guided, f.StepFinished(step="one", target="local", attempt=1, status="refused", effect="change"))
        menu = paper.asks()

        paper.tell(opened("resume"))
        assert paper.asks() == menu

    def test_what_may_have_changed_something_waits_for_a_person(self) -> None:
        paper = Paper(plan_of(ONE + act("one")))
        paper.tell(*changed("one", "local", "failed"), opened("resume"))

        assert paper.asks().kind == "failure"

    def test_a_decision_to_abort_holds_when_the_process_that_took_it_is_gone(self) -> None:
        paper = Paper(plan_of("steps:\n  - {id: hand, manual: Freeze it.}\n"))
        paper.answers("abort")
        assert paper.rests() == "aborted"

        paper.tell(opened("resume"))
        assert paper.rests() == "aborted"

    def test_an_undo_session_that_is_done_ends_as_undone(self) -> None:
        paper = Paper(plan_of(ONE + act("one")))
        paper.tell(*changed("one", "local"), opened("undo"), f.UndoAsked(steps=[["one", "local"]]))
        paper.claims()
        assert paper.next() == (m.Undo("one", "local"),)
        paper.tell(
            f.UndoStarted(step="one", target="local", attempt=1),
            f.UndoFinished(step="one", target="local", attempt=1, status="undone"),
        )

        assert paper.rests() == "undone"


class TestWaves:
    ROLL = "    rollout: {waves: [2, 100%], max_unavailable: 1, pause: 30s}\n    on_failure: stop\n"

    def test_the_next_wave_waits_for_the_whole_wave_and_the_pause(self) -> None:
        paper = Paper(fleet(stage("roll", read("one") + read("two"), self.ROLL)))

        assert paper.begins() == [("one", "a", 1), ("one", "b", 1)]
        paper.tell(*ended("one", "a"), *ended("one", "b"), *ended("two", "a"))
        assert paper.begins() == [("two", "b", 1)]
        paper.tell(*ended("two", "b"))
        assert paper.next() == (m.Hold("roll", 1, 30.0),)
        paper.tell(*ended("roll", "#1"))
        assert paper.begins() == [("one", "c", 1), ("one", "d", 1)]

    def test_a_wave_that_was_skipped_is_not_waited_for(self) -> None:
        paper = Paper(fleet(stage("roll", read("one"), self.ROLL)))
        paper.tell(*(f.StepSkipped(step="one", target=h, why="when") for h in "ab"))

        assert paper.begins() == [("one", "c", 1), ("one", "d", 1)]

    def test_no_more_hosts_than_the_limit_and_one_are_changed_at_once(self) -> None:
        names = tuple("abcdefgh")
        roll = "    rollout: {max_unavailable: 2}\n    on_failure: stop\n"
        paper = Paper(fleet(stage("roll", read("look") + act("one"), roll), *names))

        assert len(paper.begins()) == len(names)
        paper.tell(*(fact for name in names for fact in ended("look", name)))
        paper.inspects()
        paper.claims()
        assert [place for _, place, _ in paper.begins()] == ["a", "b", "c"]
        paper.tell(*changed("one", "a", "failed"), *changed("one", "b"))
        assert [place for _, place, _ in paper.begins()] == ["c", "d"]
        paper.tell(*changed("one", "c", "failed"))
        assert [place for _, place, _ in paper.begins()] == ["d"]
        paper.tell(*changed("one", "d", "failed"))
        assert paper.rests() == "failed"

    def test_a_host_within_the_limit_is_left_behind(self) -> None:
        paper = Paper(fleet(stage("roll", read("one") + read("two"), self.ROLL)))
        paper.tell(*ended("one", "a", "failed"))
        assert paper.begins() == [("one", "b", 1)]
        paper.tell(*ended("one", "b"))

        assert paper.begins() == [("two", "b", 1)]

    def test_a_host_that_was_down_before_does_not_count(self) -> None:
        paper = Paper(fleet(stage("roll", read("one") + read("two"), self.ROLL)))
        paper.tell(*ended("one", "a", "unreachable"), *ended("one", "b", "failed"))

        assert paper.next() == (m.Hold("roll", 1, 30.0),)

    def test_a_host_that_went_down_after_a_change_counts(self) -> None:
        body = stage("roll", act("one") + read("two"), self.ROLL)
        paper = Paper(fleet(body))
        paper.tell(*changed("one", "a"), *changed("one", "b"))
        paper.tell(*ended("two", "a", "unreachable"), *ended("two", "b", "failed"))

        assert paper.rests() == "failed"

    def test_what_runs_once_is_not_spared_by_a_limit_of_hosts(self) -> None:
        body = stage("roll", read("one") + "  - {id: tell, notify: It goes on.}\n", self.ROLL)
        paper = Paper(fleet(body))
        paper.tell(*ended("one", "a"), *ended("one", "b"), *ended("tell", "*1", "failed"))

        assert paper.rests() == "failed"

    def test_hosts_that_were_all_down_make_the_run_unreachable(self) -> None:
        paper = Paper(fleet(stage("roll", read("one"), self.ROLL), "a", "b"))
        paper.tell(*ended("one", "a", "unreachable"), *ended("one", "b", "unreachable"))

        assert paper.rests() == "unreachable"


class TestJumps:
    CHOOSE = """  - id: decide
    choose:
      question: Which way?
      options: [{id: far, title: Far, goto: last}, {id: out, title: Out, goto: end}, {id: skip, title: On}]
"""

    def test_an_option_skips_what_lies_between_on_all_hosts(self) -> None:
        paper = Paper(fleet(self.CHOOSE + read("one") + stage("roll", read("two")) + read("last"), "a", "b"))
        paper.answers("far")
        (conclude,) = paper.next()
        assert isinstance(conclude, m.Conclude)
        paper.tell(*ended("decide", "*", values={"choice": "far"}))

        assert paper.next() == (
            m.Skip("one", ("a", "b"), "goto", "goes on with last"),
            m.Skip("two", ("a", "b"), "goto", "goes on with last"),
        )
        paper.tell(*(f.StepSkipped(step=s, target=h, why="goto") for s in ("one", "two") for h in "ab"))
        assert [step for step, _, _ in paper.begins()] == ["last", "last"]

    def test_end_ends_the_run_as_succeeded(self) -> None:
        paper = Paper(plan_of(ONE + self.CHOOSE + read("one") + read("last")))
        paper.tell(*ended("decide", "*", values={"choice": "out"}))
        assert paper.next() == (
            m.Skip("one", ("local",), "goto", "ends the run"),
            m.Skip("last", ("local",), "goto", "ends the run"),
        )
        paper.tell(*(f.StepSkipped(step=s, target="local", why="goto") for s in ("one", "last")))

        assert paper.rests() == "succeeded"

    def test_an_option_may_be_called_like_a_choice_of_ours(self) -> None:
        paper = Paper(plan_of(ONE + self.CHOOSE + read("one") + read("last")))
        paper.answers("skip")
        (move,) = paper.next()
        assert isinstance(move, m.Conclude)

    def test_a_jump_in_a_wave_stays_in_it_unless_it_leaves_the_stage(self) -> None:
        inside = "  - id: decide\n    choose:\n      question: Which?\n      options:\n"
        inside += "        - {id: near, title: Near, goto: two}\n        - {id: out, title: Out, goto: end}\n"
        body = stage("roll", inside + read("one") + read("two"), "    rollout: {waves: [1, 100%]}\n")
        for choice, skipped in (
            ("near", [("one", ("a",))]),
            ("out", [("decide", ("*2",)), ("one", ("a", "b")), ("two", ("a", "b"))]),
        ):
            paper = Paper(fleet(body, "a", "b"))
            paper.tell(*ended("decide", "*1", values={"choice": choice}))
            assert [(x.step, x.targets) for x in paper.next() if isinstance(x, m.Skip)] == skipped

    def test_an_include_can_be_gone_on_with(self) -> None:
        plan = plan_of(
            ONE + read("bad", "    on_failure: goto:sub\n") + read("one") + "  - {id: sub, playbook: part}\n",
            includes={"part": "steps:\n" + read("look")},
        )
        paper = Paper(plan)
        paper.tell(*ended("bad", "local", "failed"))
        assert paper.next() == (m.Skip("one", ("local",), "goto", "goes on with sub"),)
        paper.tell(f.StepSkipped(step="one", target="local", why="goto"))

        assert paper.begins() == [("sub/look", "local", 1)]

    def test_a_failure_jumps_only_when_its_retries_are_used_up(self) -> None:
        rule = "    on_failure: goto:last\n    retry: {limit: 1, on: ['exit:75']}\n"
        paper = Paper(plan_of(ONE + read("bad", rule) + read("one") + read("last")))
        paper.tell(*ended("bad", "local", "failed", exit=75))
        assert isinstance(paper.next()[0], m.Retry)
        paper.tell(*ended("bad", "local", "failed", 2, exit=75))

        assert isinstance(paper.next()[0], m.Skip)


class TestOnce:
    def test_what_runs_once_runs_once_for_all_hosts(self) -> None:
        paper = Paper(fleet("  - {id: tell, notify: Hello.}\n"))
        assert paper.begins() == [("tell", "*", 1)]

    def test_a_hand_step_is_concluded_by_its_answer(self) -> None:
        paper = Paper(plan_of("steps:\n  - {id: hand, manual: Freeze it.}\n"))
        paper.answers("done")

        (move,) = paper.next()
        assert isinstance(move, m.Conclude)
        assert (move.step, move.target, move.decision.choice) == ("hand", "*", "done")


class TestAway:
    """A host that is not reached says nothing about the others: nothing was sent to it."""

    def away(self, body: str, *, guided: bool = False) -> Paper:
        paper = Paper(fleet(body), guided=guided)
        paper.tell(*(planned("one", h) for h in "abcd"), *(f.LeaseClaimed(target=h) for h in "bcd"))
        paper.tell(f.StepFinished(step="one", target="a", attempt=1, status="unreachable", dispatched=False))
        return paper

    def test_the_others_begin_and_then_the_policy_holds(self) -> None:
        paper = self.away(act("one", "    on_failure: stop\n") + act("two"))
        paper.tell(*changed("one", "b")[:-1])

        assert paper.begins() == [("one", "c", 1), ("one", "d", 1)]
        paper.tell(changed("one", "b")[-1], *changed("one", "c"), *changed("one", "d"))
        assert paper.rests() == "partial"

    def test_one_that_failed_stops_what_has_not_begun(self) -> None:
        paper = self.away(act("one", "    on_failure: stop\n"))
        paper.tell(*changed("one", "b", "failed"))

        assert paper.rests() == "failed"

    def test_what_is_asked_is_asked_after_the_others_ran(self) -> None:
        paper = self.away(act("one"))
        assert [place for _, place, _ in paper.begins()] == ["b", "c", "d"]
        paper.tell(*(fact for h in "bcd" for fact in changed("one", h)))

        assert (question := paper.asks()).kind == "failure"
        assert question.places == ("a",)

    def test_what_fails_while_a_failure_is_asked_about_is_asked_about_after_the_answer(self) -> None:
        paper = self.away(act("one"))
        paper.tell(*(fact for h in "cd" for fact in changed("one", h)), *changed("one", "b")[:-1])
        first = Question(id="failure/a", kind="failure", title="a failed", step="one", places=("a",), safe="pause")
        paper.tell(f.QuestionAsked(question=first), changed("one", "b", "failed")[-1])
        assert paper.next() == ()

        made = f.DecisionMade(
            question=first.id, kind="failure", step="one", places=["a"], choice="exclude", source="operator"
        )
        paper.tell(made)

        assert paper.asks().places == ("b",)

    def test_in_a_guided_run_the_others_are_asked_about_first(self) -> None:
        paper = self.away(act("one"), guided=True)

        assert (question := paper.asks()).kind == "proceed"
        assert question.places == ("b", "c", "d")

    def test_waves_stop_early(self) -> None:
        paper = self.away(stage("all", act("one"), "    rollout: {waves: [2, 100%]}\n    on_failure: stop\n"))

        assert paper.rests() == "unreachable"

    def test_no_host_at_all_is_unreachable(self) -> None:
        paper = self.away(act("one", "    on_failure: stop\n"))
        paper.tell(
            *(f.StepFinished(step="one", target=h, attempt=1, status="unreachable", dispatched=False) for h in "bcd")
        )

        assert paper.rests() == "unreachable"

    def test_a_look_that_reaches_most_hosts_is_partial(self) -> None:
        paper = Paper(fleet(read("one", "    on_failure: stop\n")))
        paper.tell(*ended("one", "a", "unreachable"), *(fact for h in "bcd" for fact in ended("one", h)))

        assert paper.rests() == "partial"


class TestTheWayBackBesideATargetInDoubtThatIsAway:
    def test_goes_on_at_all_others_and_rests_in_doubt(self) -> None:
        hosts = ("a", "b")
        paper = Paper(plan_of("targets:\n  app: {hosts: all, min: 1}\nsteps:\n" + act("one"), *hosts))
        paper.tell(*(f.LeaseClaimed(target=name) for name in hosts))
        paper.tell(*changed("one", "a")[:3], *changed("one", "b"))
        paper.tell(opened("undo"), f.UndoAsked(steps=[["one", "a"], ["one", "b"]]))
        assert paper.next() == (m.Claim(("a",)),)

        paper.away = {"a": m.Away("unreachable", "no connection")}
        paper.claims()
        assert paper.next() == (m.Undo("one", "b"),)

        paper.tell(
            f.UndoStarted(step="one", target="b", attempt=1),
            f.UndoFinished(step="one", target="b", attempt=1, status="undone"),
        )
        assert paper.next() == (m.Rest("in_doubt", "no connection"),)

        paper.away = {}
        assert paper.next() == (m.Claim(("a",)),)
