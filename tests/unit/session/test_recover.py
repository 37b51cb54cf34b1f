"""What hosts say of a run whose first machine is gone: read with care, and never believed of other hosts."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from runbook.config import settings
from runbook.errors import UsageError
from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.model.host import Host
from runbook.ports.target import FoundJob, OpKey
from runbook.session.recover import _back_in, _check, _gone_round, _merged, _unheard, content_digest, recover
from runbook.session.remains import MOST, cards_of, read_card


def written(told: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(told).encode())).decode()


def planned(step: str, target: str) -> list[object]:
    return ["attempt.started", {"step": step, "target": target, "attempt": 1, "effect": "change"}]


@given(st.one_of(st.text(), st.binary().map(lambda data: base64.b64encode(data).decode()), st.builds(
    written, st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["at", "facts", "x"]), inner)))))  # fmt: skip
def test_what_is_no_card_is_none(text: str) -> None:
    card = read_card(text)

    assert card is None or card.facts == ()


def test_a_card_that_unpacks_to_too_much_is_none() -> None:
    assert read_card(base64.b64encode(zlib.compress(b" " * (MOST + 1))).decode()) is None


def test_a_job_speaks_of_its_own_step_on_its_own_host_alone() -> None:
    told = {"at": 1, "facts": [planned("act", "web1"), planned("act", "web2"), planned("other", "web1"),
                               ["note.written", {"text": "trust me", "actor": "x"}]]}  # fmt: skip
    job = FoundJob(OpKey("run", "act", "web1", 1, "run"), "true", written(told))

    (card,) = cards_of([job])

    assert [(fact.type, fact.step, fact.target) for fact in card.facts] == [("attempt.started", "act", "web1")]  # type: ignore[union-attr]


def test_a_job_that_was_kept_from_beginning_counts_as_a_try() -> None:
    told = written({"at": 5, "facts": [planned("act", "web1")]})
    jobs = [
        FoundJob(OpKey("run", "act", "web1", 1, name), "true", card) for name, card in (("run", ""), ("run~2", told))
    ]

    cards = sorted(cards_of(jobs), key=lambda card: card.at)

    assert [fact.type for card in cards for fact in card.facts] == ["attempt.started", "operation.intended"]


def opened(text: str, **params: object) -> f.SessionOpened:
    playbook = {"id": "none-such", "text": text, "path": "/gone/none-such.yaml"}
    return f.SessionOpened(mode="replay", actor={}, boot_id="", versions={}, playbook=playbook, params=params)  # type: ignore[arg-type]


def test_hosts_that_disagree_are_not_believed() -> None:
    for other in (opened("b"), opened("a", x="1")):
        with pytest.raises(UsageError, match="different things"):
            _check(settings(), [opened("a"), other], "run", "", "")


def test_the_digest_of_a_playbook_is_that_of_what_it_does_wherever_its_file_lay() -> None:
    def digest(**playbook: object) -> str:
        return content_digest({"id": "x", **playbook})

    inner = {"text": "b", "path": "/here"}
    told = {
        digest(text="a"), digest(text="a", path="/there"), digest(text="b"), digest(adhoc=["true"]),
        digest(adhoc=["false"]), digest(text="a", includes={"b": inner}),
        digest(text="a", includes={"b": inner | {"path": "/there"}}), digest(text="a", includes={"b": {"text": "c"}}),
    }  # fmt: skip

    assert len(told) == 6


def test_without_a_reason_no_run_is_taken_over() -> None:
    with pytest.raises(UsageError, match="nothing proves that the first machine has let go"):
        recover(settings(), None, "web1", "run", "  ")


def test_a_playbook_that_is_not_here_has_to_be_accepted_by_its_digest() -> None:
    digest = content_digest(opened("a").playbook)

    with pytest.raises(UsageError, match="is not here") as refused:
        _check(settings(), [opened("a")], "run", "", "0" * 12)

    assert digest[:12] in refused.value.remedy
    _check(settings(), [opened("a")], "run", "", digest[:12])
    with pytest.raises(UsageError):
        _check(settings(), [opened("a")], "run", "", digest[:4])


def test_hosts_of_which_no_folder_speaks_stay_in_the_plan_and_are_left_out() -> None:
    def from_host(name: str) -> f.SessionOpened:
        return replace(
            opened("a"), hosts=[{"name": name, "address": "there"}], targets={"app": ["web1", "web2", "web3", "web4"]}
        )

    openings = [from_host("web2"), from_host("web1")]

    mine = {name: Host(name, "ssh", address=f"10.0.0.{name[-1]}") for name in ("web1", "web3")}
    merged = _merged(openings, mine)
    left_out = _unheard(openings, merged)
    told = {host["name"]: host["address"] for host in merged.hosts}  # type: ignore[index, call-overload]

    assert told == {"web2": "there", "web1": "10.0.0.1", "web3": "10.0.0.3", "web4": ""}
    assert left_out == ("web3", "web4")
    assert fold_all((merged, *_gone_round(left_out))).excluded == {"web3", "web4"}
    assert _gone_round(()) == ()


def test_what_a_host_tells_later_of_itself_is_how_the_run_began_there() -> None:
    first = replace(opened("a"), hosts=[{"name": "web1", "address": "1"}, {"name": "web2", "address": ""}])
    late = f.SessionOpened(
        mode="adopt", actor={}, boot_id="", versions={}, options={"copy": "c"},
        hosts=[{"name": "web2", "address": "2"}], host_params={"web2": {"port": 1}},
    )  # fmt: skip
    claimed = f.LeaseClaimed(target="web1")

    state = fold_all((first, replace(late, hosts=[], host_params={}), claimed, *_gone_round(("web2", "web3")), late,
                      *_back_in(("web2",))))  # fmt: skip

    assert state.opened is not None
    assert state.opened.hosts == [{"name": "web1", "address": "1"}, {"name": "web2", "address": "2"}]
    assert (state.opened.host_params, list(state.excluded)) == ({"web2": {"port": 1}}, ["web3"])
    assert (state.copy, list(state.held)) == ("c", ["web1"])
